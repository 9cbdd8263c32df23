"""What a method is.

A kind of method is one module here, found by its name: ``PARAMS`` is what its entries of ``methods`` in
params.yaml hold, ``METHOD`` is built from a student (:class:`~actupose.methods.supervised.Student`) and
:class:`HelperNets`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.optim import Optimizer

from actupose.data.views import LabelledBatch
from actupose.nets.pose_resnet import PoseResNet
from actupose.nets.pose_vae import PoseVae
from actupose.nets.style_net import StyleNet

Stored = UInt8[Tensor, "share 3 S S"]  # images as they lie on disk, this rank's of the batch


class HelperNets(NamedTuple):
    """What earlier stages trained, on the CPU; None where ``PARAMS`` needs none."""

    style: StyleNet | None = None
    vae: PoseVae | None = None


NO_NETS = HelperNets()


@dataclass(frozen=True)
class StepResult:
    """What a step tells.

    Attributes:
        losses: every term of the loss, unweighted.
        peaks: the student's mean peak on each labelled image, by which a curriculum re-ranks.
        logged: what is only looked at.
    """

    losses: Mapping[str, Float[Tensor, ""]]
    peaks: Float[Tensor, " B"]
    logged: Mapping[str, Float[Tensor, ""]] = field(default_factory=dict)


class Method(Protocol):
    """Networks that learn, step by step; what a checkpoint must hold of them is in the two mappings.

    The one called ``student`` learns the labels.
    """

    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]

    def wants_target(self, step: int) -> bool:
        """Whether a step is given target images."""

    def prepare(self, step: int) -> None:
        """Called before the first step of every epoch."""

    def step(self, step: int, batch: LabelledBatch, target: Stored | None) -> StepResult:
        """Learn from one batch; ``target`` comes where the method wants it."""

    def rate(self, step: int) -> float:
        """Learning rate of a step."""

    def predictor(self, steps: int) -> PoseResNet:
        """The network that stands for the run after so many steps."""
