"""PoseDA: our reading of hierarchical keypoint feature alignment (Neurocomputing 2024), not a reproduction.

P2 lists it as a baseline; its text and code were not at hand. Domain classifiers behind a gradient reversal
(Ganin and Lempitsky, ICML 2015) look at three levels: the pooled backbone feature, the feature under each
predicted keypoint, the features under each bone's two ends. Keypoints count by the confidence of their
prediction, bones by the product of their ends'. Supervision comes from the source alone.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from actupose.core.gradient import scale_gradient
from actupose.core.indexing import index_columns
from actupose.core.ranks import gather, share
from actupose.core.schedule import warm_start
from actupose.methods.supervised import (
    LabelledBatch,
    StepResult,
    Supervised,
    labelled_forward,
    supervised_terms,
    unlabelled_view,
)
from actupose.nets.domain_classifiers import DomainLogits, build_classifiers
from actupose.nets.pose_resnet import PoseOutput
from actupose.nets.style_net import StyleNet
from actupose.params import ComputeParams
from actupose.params.run import TrainingSettings

RAMP = 10.0  # of the reversed gradient over the adaptation (Ganin and Lempitsky)


class PoseDA(Supervised):
    """The student learns labels and to look alike on both domains, the classifiers to tell them apart."""

    adapts = True

    def __init__(
        self, settings: TrainingSettings, compute: ComputeParams, style_net: StyleNet | None = None
    ) -> None:
        super().__init__(settings, compute, style_net)
        student = self.student.bare
        self.bare_classifiers = build_classifiers(
            student.backbone.channels,
            settings.network.deconv_channels,
            settings.skeleton,
            settings.poseda.hidden,
            settings.seed,
        )
        self.bare_optimizer = torch.optim.Adam(
            self.bare_classifiers.parameters(), lr=settings.optim.lr, fused=True
        )
        self.classifiers, self.optimizer = self.student.fabric.setup(
            self.bare_classifiers, self.bare_optimizer
        )

    def train_step(self, step: int, batch: LabelledBatch, target: Tensor | None) -> StepResult:
        """One step of student and classifiers together."""
        if target is None:
            return super().train_step(step, batch, None)
        source = labelled_forward(self.student, self.view(step, batch))
        terms = supervised_terms(self.task, source, evalpose=False)
        seen = unlabelled_view(self.task, self.settings.augment, target, self.settings.seed, step)
        reversal = -warm_start(RAMP * self._progress(step))
        output = self.student(seen)
        domain = (self._errors(source.output, reversal, 1) + self._errors(output, reversal, 0)) / 2
        terms |= {f"domain_{level}": domain[i] for i, level in enumerate(DomainLogits._fields)}
        self.student.optimise(self.weigh(terms) + self.settings.poseda.weight * domain.sum(), self.optimizer)
        return StepResult(terms, self.peaks(source))

    def _progress(self, step: int) -> float:
        """Share of the adaptation done, 0..1."""
        schedule = self.settings.schedule
        first, end = schedule.first_adaptation_step, schedule.epochs * schedule.steps_per_epoch
        return (step - first) / (end - first)

    def _errors(self, output: PoseOutput, reversal: float, label: int) -> Tensor:
        """(3,) binary cross entropy of the levels; ``label`` 1 is the source, 0 the target."""
        heatmaps = self.task.heatmaps(output.heatmaps.detach()).clamp(min=0)
        confidence = heatmaps.amax(dim=(2, 3)).clamp(max=1)
        starts, ends = index_columns(self.task.skeleton.bones, self.device)
        weights = (torch.ones_like(confidence[:, 0]), confidence, confidence[:, starts] * confidence[:, ends])
        logits = self.classifiers(
            scale_gradient(share(output.features), reversal),
            scale_gradient(features_under(output.upsampled, share(heatmaps)), reversal),
        )
        errors = (_weighted_error(gather(level), w, label) for level, w in zip(logits, weights, strict=True))
        return torch.stack(list(errors))

    def weights(self) -> list[Tensor]:
        """Of the student and the classifiers."""
        return [*super().weights(), *self.bare_classifiers.parameters()]

    def set_epoch(self, epoch: int) -> float:
        """The classifiers learn at the student's rate."""
        rate = super().set_epoch(epoch)
        for group in self.bare_optimizer.param_groups:
            group["lr"] = rate
        return rate

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return super().state_dict() | {
            "classifiers": self.bare_classifiers.state_dict(),
            "classifier_optimizer": self.bare_optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` stood."""
        super().load_state_dict(state)
        self.bare_classifiers.load_state_dict(state["classifiers"])
        self.bare_optimizer.load_state_dict(state["classifier_optimizer"])


def features_under(upsampled: Tensor, heatmaps: Tensor) -> Tensor:
    """Mean of the feature map (B, C, h, w) under each heat map (B, K, h, w), none negative: (B, K, C)."""
    mass = heatmaps / heatmaps.sum(dim=(2, 3), keepdim=True).clamp(min=torch.finfo(heatmaps.dtype).tiny)
    return torch.einsum("bkhw,bchw->bkc", mass, upsampled.to(mass.dtype))


def _weighted_error(logits: Tensor, weights: Tensor, label: int) -> Tensor:
    errors = F.binary_cross_entropy_with_logits(
        logits.float(), torch.full_like(logits, label, dtype=torch.float32), reduction="none"
    )
    return (weights * errors).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
