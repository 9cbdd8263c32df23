"""How a run's networks compute: device, precision, memory layout, compilation, one rank or many."""

from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from actupose.core.ranks import gather, sum_gradients, world_size
from actupose.nets.pose_resnet import PoseOutput
from actupose.nets.rank_norm import span_ranks

NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclass(frozen=True)
class Runtime:
    """The same for every network of a run; ``bf16`` means forward passes under autocast."""

    device: torch.device
    bf16: bool = False
    channels_last: bool = False
    compile: bool = False

    def place(self, network: NetworkT) -> NetworkT:
        """The network itself, on the device, ordered and compiled; its BatchNorm spans all ranks."""
        span_ranks(network, self.device)
        network.to(self.device)
        if self.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compile:
            # A GPU replays each pass as one graph: launched one by one its kernels wait for the host.
            network.compile(mode="reduce-overhead" if world_size() == 1 else "default")
        return network

    def begin_step(self) -> None:
        """Called before every step: what compiled networks gave in the last one may be overwritten now."""
        if self.compile:
            torch.compiler.cudagraph_mark_step_begin()

    def autocast(self) -> torch.autocast:
        """The precision of forward passes; decoding and losses stay outside."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def predict(self, network: nn.Module, images: Float[Tensor, "share 3 S S"]) -> PoseOutput:
        """What a pose network says of the whole batch, seeing this rank's images.

        ``upsampled`` is of these images alone.
        """
        with self.autocast():
            output: PoseOutput = network(images)
        return PoseOutput(gather(output.heatmaps), gather(output.features), output.upsampled.float())


def descend(loss: Float[Tensor, ""], *optimizers: torch.optim.Optimizer) -> None:
    """One step of the optimisers down the gradient of a loss on the whole batch."""
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    sum_gradients(*optimizers)
    for optimizer in optimizers:
        optimizer.step()


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all its weights."""
    for group in optimizer.param_groups:
        group["lr"] = rate
