"""RegDA (Jiang et al., CVPR 2021): an adversarial regressor drives target features to where heads agree.

A second head learns the main head's prediction on the source. On the target it is drawn to where the image's
other keypoints are (it leaves the main head as far as poses allow), and the features are drawn to where it
agrees again. The public code's faults are corrected: the pretrained main head is kept, pseudo-labels come
from positive heat maps, the second and third step share one forward of the features, and no visibility of
target keypoints is read. Pretraining is under Adam, also where ``fidelity`` is ``reference``.
"""

from typing import Any, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from actupose.core.gradient import scale_gradient
from actupose.core.losses import regression_disparity
from actupose.core.ranks import gather
from actupose.core.schedule import inverse_decay, warm_start
from actupose.data.views import LabelledBatch
from actupose.methods import HelperNets, StepResult, Stored
from actupose.methods.supervised import Student
from actupose.nets.pose_resnet import PoseOutput, PoseResNet
from actupose.nets.regda_heads import build_adversarial_head
from actupose.nets.runtime import descend, set_rate
from actupose.params import (
    MethodParams,
    NetworkParams,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Settings,
    plain_pretraining,
)

MOMENTUM = 0.9
WEIGHT_DECAY = 1e-4


class InverseDecay(Settings):
    """Learning rate times (1 + gamma step)^-power."""

    gamma: NonNegativeFloat
    power: NonNegativeFloat


class Damping(Settings):
    """Share of the adversary's gradient the features get: high (2 / (1 + exp(-step / steps)) - 1)."""

    high: NonNegativeFloat
    steps: PositiveInt


class RegdaParams(MethodParams):
    """Both heads, weights of the disparity, rates of SGD for features and for both heads.

    SGD takes over from Adam when adaptation begins.
    """

    kind: Literal["regda"]
    head_layers: PositiveInt
    margin: NonNegativeFloat
    trade_off: NonNegativeFloat
    lr: PositiveFloat
    head_lr: PositiveFloat
    decay: InverseDecay
    damping: Damping

    @property
    def pretraining(self) -> dict[str, Any]:
        """Plain."""
        return plain_pretraining(self)

    def network(self, shared: NetworkParams) -> NetworkParams:
        """The main head is as deep as the adversarial one."""
        return shared.model_copy(update={"head_layers": self.head_layers})


class RegDA:
    """Adam on the source until adaptation begins; then three steps a batch, each part under its own SGD."""

    def __init__(self, student: Student, _nets: HelperNets) -> None:
        params, run = student.run.method, student.run
        assert isinstance(params, RegdaParams)
        self.params = params
        self.student = student
        head = build_adversarial_head(len(run.skeleton), run.network, run.seed)
        self.adversary = student.runtime.place(head)
        network = student.network
        features = [*network.backbone.parameters(), *network.upsampling.parameters()]
        self.features = _sgd(features, params.lr)
        self.head = _sgd(list(network.head.parameters()), params.head_lr)
        self.adversarial = _sgd(list(self.adversary.parameters()), params.head_lr)
        self.networks = {"student": network, "adversary": self.adversary}
        self.optimizers = {
            "student": student.optimizer,
            "features": self.features,
            "head": self.head,
            "adversary": self.adversarial,
        }

    def wants_target(self, step: int) -> bool:
        """While it adapts."""
        return self.student.run.schedule.is_adapting(step)

    def prepare(self, step: int) -> None:
        """Nothing: the pretrained main head goes on."""

    def step(self, step: int, batch: LabelledBatch, target: Stored | None) -> StepResult:
        """The three steps of the paper's section 4.3 (min on the source; max and min on the target)."""
        if target is None:
            return self.student.learn(step, batch, {"source": 1.0})
        student, params = self.student, self.params
        self._set_rates(step)
        damping = warm_start(self._done(step) / params.damping.steps, params.damping.high)

        labels = student.labelled_view(step, batch)
        source = student.predict(labels.images)
        losses = student.losses(source, labels, {})
        adversarial_logits = self._adversarial_logits(scale_gradient(source.upsampled, damping))
        losses["disparity_source"] = self.disparity(source, adversarial_logits, labels.visible, "min")
        source_loss = losses["source"] + params.margin * params.trade_off * losses["disparity_source"]
        descend(source_loss, self.features, self.head, self.adversarial)

        output = self.target_output(student.target_view(step, target))
        everywhere = torch.ones(output.heatmaps.shape[:2], device=output.heatmaps.device)
        adversarial_logits = self._adversarial_logits(output.upsampled.detach())
        losses["disparity_far"] = self.disparity(output, adversarial_logits, everywhere, "max")
        descend(params.trade_off * losses["disparity_far"], self.adversarial)

        adversarial_logits = self._adversarial_logits(scale_gradient(output.upsampled, damping))
        losses["disparity_near"] = self.disparity(output, adversarial_logits, everywhere, "min")
        descend(params.trade_off * losses["disparity_near"], self.features)
        return StepResult(losses, student.task.mean_peaks(source.heatmaps))

    def rate(self, step: int) -> float:
        """Rate of the features; it falls from step to step once adaptation has begun."""
        if not self.student.run.schedule.is_adapting(step):
            return self.student.rate(step)
        return self.params.lr * self._decay(step)

    def predictor(self, steps: int) -> PoseResNet:
        """The student with its main head."""
        return self.student.network

    def target_output(self, images: Float[Tensor, "b 3 S S"]) -> PoseOutput:
        """The student's output on a view of the target, used by the second and the third step."""
        return self.student.predict(images)

    def pseudo_heatmaps(self, output: PoseOutput) -> Float[Tensor, "B K h w"]:
        """Main head's heat maps, from which labels for the adversary are drawn."""
        return self.student.task.heatmaps(output.heatmaps.detach())

    def disparity(
        self,
        output: PoseOutput,
        adversarial_logits: Float[Tensor, "B K h w"],
        visible: Shaped[Tensor, "B K"],
        mode: Literal["min", "max"],
    ) -> Float[Tensor, ""]:
        """Regression disparity of the two heads, or its counterpart with false keypoints."""
        sigma = self.student.run.heatmap.sigma
        return regression_disparity(
            self.pseudo_heatmaps(output), adversarial_logits, visible.float(), mode, sigma
        )

    def _adversarial_logits(self, upsampled: Float[Tensor, "b C h w"]) -> Float[Tensor, "B K h w"]:
        return gather(self.adversary(upsampled))

    def _done(self, step: int) -> int:
        """Steps of the adaptation before this one."""
        return step - self.student.run.schedule.first_adaptation_step

    def _decay(self, step: int) -> float:
        return inverse_decay(self._done(step), self.params.decay.gamma, self.params.decay.power)

    def _set_rates(self, step: int) -> None:
        set_rate(self.features, self.params.lr * self._decay(step))
        for heads in (self.head, self.adversarial):
            set_rate(heads, self.params.head_lr * self._decay(step))


def _sgd(weights: list[nn.Parameter], rate: float) -> torch.optim.SGD:
    return torch.optim.SGD(
        weights, lr=rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True, fused=True
    )


PARAMS, METHOD = RegdaParams, RegDA
