"""The network that learns and its optimiser, on their device."""

from typing import Any

import torch
from lightning_fabric.wrappers import _FabricOptimizer as FabricOptimizer
from torch import Tensor, nn

from actupose.core.ranks import gather
from actupose.core.schedule import learning_rate
from actupose.methods.fabric import start_fabric, take_step
from actupose.nets.pose_model import ModelInfo, PoseModel
from actupose.nets.pose_resnet import PoseOutput, PoseResNet, build_network
from actupose.nets.rank_norm import span_ranks
from actupose.params import ComputeParams
from actupose.params.run import TrainingSettings


def whole_output(network: nn.Module, images: Tensor) -> PoseOutput:
    """What a network says of the whole batch, seeing this rank's images; ``upsampled`` is of these alone."""
    output: PoseOutput = network(images)
    return output._replace(heatmaps=gather(output.heatmaps), features=gather(output.features))


class Student:
    """Pose network under Adam. ``network`` predicts; ``bare`` is the same without Fabric's wrapping."""

    def __init__(self, settings: TrainingSettings, compute: ComputeParams) -> None:
        self.settings = settings
        self.compute = compute
        self.fabric = start_fabric(settings, compute)
        self.bare = self.build()
        self.bare_optimizer = torch.optim.Adam(self.bare.parameters(), lr=settings.optim.lr, fused=True)
        self.network, self.optimizer = self.fabric.setup(self.bare, self.bare_optimizer)
        self.info = ModelInfo(
            skeleton=settings.skeleton_name,
            image_size=settings.image_size,
            network=settings.network,
            heatmap=settings.heatmap,
            fidelity=settings.fidelity,
        )

    def build(self) -> PoseResNet:
        """A network of the run's architecture and first weights."""
        network = build_network(len(self.settings.skeleton), self.settings.network, self.settings.seed)
        span_ranks(network, self.device)
        self.lay_out(network)
        return network

    def lay_out(self, network: nn.Module) -> None:
        """Order a network's weights in memory, and compile it, as ``compute`` says."""
        if self.compute.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compute.compile:
            network.compile()

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        device: torch.device = self.fabric.device
        return device

    def __call__(self, images: Tensor) -> PoseOutput:
        """See :func:`whole_output`."""
        return whole_output(self.network, images)

    def set_epoch(self, epoch: int) -> float:
        """Set and return the learning rate of an epoch."""
        optim = self.settings.optim
        rate = learning_rate(
            optim.lr, epoch, self.settings.schedule.epochs, optim.decay, optim.milestones, optim.factor
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def optimise(self, loss: Tensor, *others: FabricOptimizer) -> None:
        """One optimiser step; ``others`` learn from the same loss."""
        take_step(self.fabric, loss, self.optimizer, *others)

    def predictor(self) -> PoseModel:
        """The network with decoding, in training precision."""
        return PoseModel(self.network, self.info)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"student": self.bare.state_dict(), "optimizer": self.bare_optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` stood."""
        self.bare.load_state_dict(state["student"])
        self.bare_optimizer.load_state_dict(state["optimizer"])
