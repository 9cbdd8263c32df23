"""RegDA (Jiang et al., CVPR 2021): an adversarial regressor drives target features to where heads agree.

A second head learns the main head's word on the source. On the target it is drawn to where the image's other
keypoints are (it leaves the main head as far as poses allow), and the features are drawn to where it agrees
again. The public code's faults are corrected: the pretrained main head is kept, pseudo-labels come from
positive heat maps, the second and third step share one forward of the features, and no visibility of target
keypoints is read. ``fidelity: reference`` restores all but the last; pretraining is under Adam all the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from lightning_fabric.wrappers import _FabricOptimizer as FabricOptimizer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from actupose.core.gradient import scale_gradient
from actupose.core.losses import regression_disparity
from actupose.core.ranks import gather
from actupose.core.schedule import inverse_decay, warm_start
from actupose.methods.fabric import take_step
from actupose.methods.supervised import (
    LabelledBatch,
    StepResult,
    Supervised,
    labelled_forward,
    supervised_terms,
    unlabelled_view,
)
from actupose.nets.rank_norm import span_ranks
from actupose.nets.regda_heads import build_adversarial_head
from actupose.nets.style_net import StyleNet
from actupose.params import ComputeParams
from actupose.params.run import TrainingSettings

MOMENTUM = 0.9
WEIGHT_DECAY = 1e-4


class RegDA(Supervised):
    """Adam on the source until adaptation begins; then three steps a batch, each part under its own SGD."""

    adapts = True

    def __init__(
        self, settings: TrainingSettings, compute: ComputeParams, style_net: StyleNet | None = None
    ) -> None:
        super().__init__(settings, compute, style_net)
        fabric, student = self.student.fabric, self.student.bare
        self.bare_adversary = build_adversarial_head(len(settings.skeleton), settings.network, settings.seed)
        span_ranks(self.bare_adversary, self.device)
        self.adversary = fabric.setup_module(self.bare_adversary)
        features = [*student.backbone.parameters(), *student.upsampling.parameters()]
        rates = settings.regda
        self.bare_optimizers = [
            _sgd(features, rates.lr),
            _sgd(list(student.head.parameters()), rates.head_lr),
            _sgd(list(self.bare_adversary.parameters()), rates.head_lr),
        ]
        self.features, self.head, self.adversarial = (
            fabric.setup_optimizers(optimizer) for optimizer in self.bare_optimizers
        )

    def train(self) -> None:
        """Training mode for the network and both heads."""
        super().train()
        self.adversary.train()

    def set_epoch(self, epoch: int) -> float:
        """Rate of the features; within an epoch of adaptation it falls from step to step."""
        schedule = self.settings.schedule
        if epoch < schedule.pretrain_epochs:
            return super().set_epoch(epoch)
        return self.settings.regda.lr * self._decay(
            (epoch - schedule.pretrain_epochs) * schedule.steps_per_epoch
        )

    def train_step(self, step: int, batch: LabelledBatch, target: Tensor | None) -> StepResult:
        """The three steps of the paper's section 4.3 (min on the source; max and min on the target)."""
        if target is None:
            return super().train_step(step, batch, None)
        settings = self.settings.regda
        done = step - self.settings.schedule.first_adaptation_step
        self._set_rates(done)
        damping = warm_start(done / settings.damping.steps, settings.damping.high)

        source = labelled_forward(self.student, self.view(step, batch))
        terms = supervised_terms(self.task, source, evalpose=False)
        told = gather(self.adversary(scale_gradient(source.output.upsampled, damping)))
        terms["disparity_source"] = self._disparity(source.output.heatmaps, told, source.keep, "min")
        loss = terms["source"] + settings.margin * settings.trade_off * terms["disparity_source"]
        self._optimise(loss, self.features, self.head, self.adversarial)

        seen = unlabelled_view(self.task, self.settings.augment, target, self.settings.seed, step)
        with self._twice_remembered():
            output = self.student(seen)
        everywhere = torch.ones(output.heatmaps.shape[:2], device=self.device)
        told = gather(self.adversary(output.upsampled.detach()))
        terms["disparity_far"] = self._disparity(output.heatmaps, told, everywhere, "max")
        self._optimise(settings.trade_off * terms["disparity_far"], self.adversarial)

        told = gather(self.adversary(scale_gradient(output.upsampled, damping)))
        terms["disparity_near"] = self._disparity(output.heatmaps, told, everywhere, "min")
        self._optimise(settings.trade_off * terms["disparity_near"], self.features)
        return StepResult(terms, self.peaks(source))

    def start_adaptation(self) -> None:
        """The public code loses the pretrained main head by its name: both heads begin anew."""
        if self.settings.fidelity == "reference":
            settings, keypoints = self.settings.network, len(self.settings.skeleton)
            anew = build_adversarial_head(keypoints, settings, self.settings.seed, "main head")
            self.student.bare.head.load_state_dict(anew.head.state_dict())

    @contextmanager
    def _twice_remembered(self) -> Iterator[None]:
        """The public code forwards the target batch twice: its BatchNorm statistics count twice."""
        if self.settings.fidelity == "corrected":
            yield
            return
        layers = [part for part in self.student.bare.modules() if isinstance(part, _BatchNorm)]
        momenta = [layer.momentum for layer in layers]
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = 1 - (1 - (momentum or 0)) ** 2
        try:
            yield
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum

    def _disparity(self, raw: Tensor, told: Tensor, keep: Tensor, mode: Literal["min", "max"]) -> Tensor:
        heatmaps = raw if self.settings.fidelity == "reference" else self.task.heatmaps(raw.detach())
        return regression_disparity(heatmaps, told, keep.float(), mode, self.settings.heatmap.sigma)

    def _decay(self, done: int) -> float:
        decay = self.settings.regda.decay
        return inverse_decay(done, decay.gamma, decay.power)

    def _set_rates(self, done: int) -> None:
        settings, factor = self.settings.regda, self._decay(done)
        rates = (settings.lr, settings.head_lr, settings.head_lr)
        for optimizer, rate in zip(self.bare_optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * factor

    def _optimise(self, loss: Tensor, *optimizers: FabricOptimizer) -> None:
        take_step(self.student.fabric, loss, *optimizers)

    def weights(self) -> list[Tensor]:
        """Of the network and the adversarial head."""
        return [*super().weights(), *self.bare_adversary.parameters()]

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        optimizers = [optimizer.state_dict() for optimizer in self.bare_optimizers]
        return super().state_dict() | {
            "adversary": self.bare_adversary.state_dict(),
            "regda_optimizers": optimizers,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` stood."""
        super().load_state_dict(state)
        self.bare_adversary.load_state_dict(state["adversary"])
        for optimizer, saved in zip(self.bare_optimizers, state["regda_optimizers"], strict=True):
            optimizer.load_state_dict(saved)


def _sgd(weights: list[nn.Parameter], rate: float) -> torch.optim.SGD:
    return torch.optim.SGD(
        weights, lr=rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True, fused=True
    )
