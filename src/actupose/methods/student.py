"""The network that learns and its optimiser, on their device."""

from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor

from actupose.core.schedule import learning_rate
from actupose.methods.settings import TrainingSettings
from actupose.nets.pose_model import ModelInfo, PoseModel
from actupose.nets.pose_resnet import PoseResNet, build_network
from actupose.params import ComputeParams


def pick_device(wanted: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    """Resolve ``auto``: the GPU where there is one."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


class Student:
    """Pose network under Adam. ``network`` is called; ``bare`` is the same without Fabric's wrapping."""

    def __init__(self, settings: TrainingSettings, compute: ComputeParams) -> None:
        self.settings = settings
        self.compute = compute
        self.fabric = Fabric(accelerator=pick_device(compute.device), devices=1, precision=settings.precision)
        self.bare = self.build()
        self.bare_optimizer = torch.optim.Adam(self.bare.parameters(), lr=settings.optim.lr, foreach=True)
        self.network, self.optimizer = self.fabric.setup(self.bare, self.bare_optimizer)
        self.info = ModelInfo(
            skeleton=settings.skeleton_name,
            image_size=settings.image_size,
            network=settings.network,
            heatmap=settings.heatmap,
            fidelity=settings.fidelity,
        )

    def build(self) -> PoseResNet:
        """A network of the run's architecture and first weights, laid out as ``compute`` says."""
        network = build_network(len(self.settings.skeleton), self.settings.network, self.settings.seed)
        if self.compute.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.compute.compile:
            network.compile()
        return network

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        device: torch.device = self.fabric.device
        return device

    def set_epoch(self, epoch: int) -> float:
        """Set and return the learning rate of an epoch."""
        optim = self.settings.optim
        rate = learning_rate(
            optim.lr, epoch, self.settings.schedule.epochs, optim.decay, optim.milestones, optim.factor
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def optimise(self, loss: Tensor) -> None:
        """One optimiser step."""
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.optimizer.step()

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
