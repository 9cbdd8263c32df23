"""Student, teacher and optimiser of a run, on their device."""

from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor

from actupose.core.schedule import learning_rate, update_ema
from actupose.methods.settings import TrainingSettings
from actupose.nets.pose_model import ModelInfo, PoseModel
from actupose.nets.pose_resnet import PoseResNet, build_network
from actupose.params import ComputeParams


def pick_device(wanted: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    """Resolve ``auto``: the GPU where there is one."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


class Networks:
    """The student learns; the teacher is its moving average once adaptation begins.

    The teacher's BatchNorm follows ``adaptation.teacher_norm``: ``own`` normalises with the statistics of its
    own target batches and keeps running ones of them (as UDAPE does), ``student`` copies the student's.
    """

    def __init__(self, settings: TrainingSettings, compute: ComputeParams) -> None:
        self.settings = settings
        self.fabric = Fabric(accelerator=pick_device(compute.device), devices=1, precision=settings.precision)
        student, teacher = (
            build_network(len(settings.skeleton), settings.network, settings.seed) for _ in range(2)
        )
        if compute.channels_last:
            student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        teacher.requires_grad_(False)
        self.bare_student, self.bare_teacher = student, teacher
        if compute.compile:
            student.compile()
            teacher.compile()
        self.bare_optimizer = torch.optim.Adam(student.parameters(), lr=settings.optim.lr, foreach=True)
        self.student, self.optimizer = self.fabric.setup(student, self.bare_optimizer)
        self.teacher = self.fabric.setup_module(teacher)
        self.info = ModelInfo(
            skeleton=settings.skeleton_name,
            image_size=settings.image_size,
            network=settings.network,
            heatmap=settings.heatmap,
        )
        self.train()

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        device: torch.device = self.fabric.device
        return device

    def train(self) -> None:
        """Training mode; the teacher normalises as ``teacher_norm`` says."""
        self.student.train()
        self.teacher.train(self.settings.adaptation.teacher_norm == "own")

    def start_adaptation(self) -> None:
        """The teacher begins as the student is, running statistics included."""
        self.bare_teacher.load_state_dict(self.bare_student.state_dict())

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
        """One optimiser step of the student."""
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.optimizer.step()

    def update_teacher(self) -> None:
        """Move the teacher towards the student."""
        teacher, student = self.bare_teacher, self.bare_student
        update_ema(list(teacher.parameters()), list(student.parameters()), self.settings.adaptation.ema_decay)
        if self.settings.adaptation.teacher_norm == "student":
            for mine, other in zip(teacher.buffers(), student.buffers(), strict=True):
                mine.copy_(other)

    def is_finite(self) -> bool:
        """Whether every weight of both networks is a number; waits for the device."""
        weights = (*self.bare_student.parameters(), *self.bare_teacher.parameters())
        return bool(torch.stack([weight.isfinite().all() for weight in weights]).all())

    def predictor(self, adapted: bool) -> PoseModel:
        """The network that stands for the run (teacher once adapted) with decoding, in training precision."""
        return PoseModel(self.teacher if adapted else self.student, self.info)

    def bare(self, adapted: bool) -> PoseResNet:
        """The same network, to be saved."""
        return self.bare_teacher if adapted else self.bare_student

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "student": self.bare_student.state_dict(),
            "teacher": self.bare_teacher.state_dict(),
            "optimizer": self.bare_optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` stood."""
        self.bare_student.load_state_dict(state["student"])
        self.bare_teacher.load_state_dict(state["teacher"])
        self.bare_optimizer.load_state_dict(state["optimizer"])
