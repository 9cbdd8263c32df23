"""PoseDA: our reading of hierarchical keypoint feature alignment (Neurocomputing 2024), not a reproduction.

P2 lists it as a baseline; its text and code were not at hand. Domain classifiers behind a gradient reversal
(Ganin and Lempitsky, ICML 2015) look at three levels: the pooled backbone feature, the feature under each
predicted keypoint, the features under each bone's two ends. Keypoints count by the confidence of their
prediction, bones by the product of their ends'. Supervision comes from the source alone.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from actupose.core.gradient import scale_gradient
from actupose.core.indexing import index_columns
from actupose.core.ranks import gather, share
from actupose.core.schedule import warm_start
from actupose.data.views import LabelledBatch
from actupose.methods import HelperNets, StepResult, Stored
from actupose.methods.supervised import Student
from actupose.nets.domain_classifiers import DomainLogits, build_classifiers
from actupose.nets.pose_resnet import PoseOutput, PoseResNet
from actupose.nets.runtime import descend, set_rate
from actupose.params import MethodParams, NonNegativeFloat, Origin, PositiveInt, plain_pretraining

RAMP = 10.0  # of the reversed gradient over the adaptation (Ganin and Lempitsky)
SOURCE, TARGET = 1, 0  # labels of the domains


class PosedaParams(MethodParams):
    """Hidden width of the domain classifiers, and the weight of their losses at full ramp."""

    kind: Literal["poseda"]
    hidden: PositiveInt
    weight: NonNegativeFloat

    @property
    def origin(self) -> Origin:
        """Our reading."""
        return "reading"

    @property
    def pretraining(self) -> dict[str, Any]:
        """Plain."""
        return plain_pretraining(self)


class PoseDA:
    """The student learns labels and to look alike on both domains, the classifiers to tell them apart."""

    def __init__(self, student: Student, _nets: HelperNets) -> None:
        params, run = student.run.method, student.run
        assert isinstance(params, PosedaParams)
        self.params = params
        self.student = student
        classifiers = build_classifiers(
            student.network.backbone.channels,
            run.network.deconv_channels,
            run.skeleton,
            params.hidden,
            run.seed,
        )
        self.classifiers = classifiers.to(student.runtime.device)
        self.optimizer = torch.optim.Adam(self.classifiers.parameters(), lr=run.optim.lr, fused=True)
        self.networks = {"student": student.network, "classifiers": self.classifiers}
        self.optimizers = {"student": student.optimizer, "classifiers": self.optimizer}

    def wants_target(self, step: int) -> bool:
        """While it adapts."""
        return self.student.run.schedule.is_adapting(step)

    def prepare(self, step: int) -> None:
        """Nothing."""

    def step(self, step: int, batch: LabelledBatch, target: Stored | None) -> StepResult:
        """One step of student and classifiers together."""
        if target is None:
            return self.student.learn(step, batch, {"source": 1.0})
        student = self.student
        for optimizer in self.optimizers.values():
            set_rate(optimizer, self.rate(step))
        labels = student.labelled_view(step, batch)
        source = student.predict(labels.images)
        losses = student.losses(source, labels, {})
        output = student.predict(student.target_view(step, target))
        reversal = -warm_start(RAMP * self._progress(step))
        domain = (self._errors(source, reversal, SOURCE) + self._errors(output, reversal, TARGET)) / 2
        descend(losses["source"] + self.params.weight * domain.sum(), *self.optimizers.values())
        losses |= {f"domain_{level}": domain[i] for i, level in enumerate(DomainLogits._fields)}
        return StepResult(losses, student.task.mean_peaks(source.heatmaps))

    def rate(self, step: int) -> float:
        """The student's; the classifiers learn at it too."""
        return self.student.rate(step)

    def predictor(self, steps: int) -> PoseResNet:
        """The student."""
        return self.student.network

    def _progress(self, step: int) -> float:
        """Share of the adaptation done, 0..1."""
        schedule = self.student.run.schedule
        first, end = schedule.first_adaptation_step, schedule.epochs * schedule.steps_per_epoch
        return (step - first) / (end - first)

    def _errors(self, output: PoseOutput, reversal: float, label: int) -> Float[Tensor, "3"]:
        """Binary cross entropy of the levels."""
        task = self.student.task
        heatmaps = task.heatmaps(output.heatmaps.detach()).clamp(min=0)
        confidence = heatmaps.amax(dim=(2, 3)).clamp(max=1)
        starts, ends = index_columns(task.skeleton.bones, heatmaps.device)
        weights = (torch.ones_like(confidence[:, 0]), confidence, confidence[:, starts] * confidence[:, ends])
        features = scale_gradient(share(output.features), reversal)
        under = scale_gradient(features_under(output.upsampled, share(heatmaps)), reversal)
        with self.student.runtime.autocast():
            logits = self.classifiers(features, under)
        errors = (
            _weighted_error(gather(level.float()), w, label) for level, w in zip(logits, weights, strict=True)
        )
        return torch.stack(list(errors))


def features_under(
    upsampled: Float[Tensor, "B C h w"], heatmaps: Float[Tensor, "B K h w"]
) -> Float[Tensor, "B K C"]:
    """Mean of the feature map under each heat map; no heat is negative."""
    mass = heatmaps / heatmaps.sum(dim=(2, 3), keepdim=True).clamp(min=torch.finfo(heatmaps.dtype).tiny)
    return torch.einsum("bkhw,bchw->bkc", mass, upsampled.to(mass.dtype))


def _weighted_error(
    logits: Float[Tensor, "B *levels"], weights: Float[Tensor, "B *levels"], label: int
) -> Float[Tensor, ""]:
    errors = F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label), reduction="none")
    return (weights * errors).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


PARAMS, METHOD = PosedaParams, PoseDA
