"""Supervised training on labelled images: all of source_only and oracle, one side of every adaptation."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import model_validator
from torch import Tensor

from actupose.core.rng import generator
from actupose.core.schedule import learning_rate
from actupose.data.views import (
    LabelledBatch,
    LabelledView,
    draw_student_view,
    labelled_view,
    student_images,
)
from actupose.methods import HelperNets, StepResult, Stored
from actupose.nets.pose_resnet import PoseOutput, PoseResNet, build_network
from actupose.nets.pose_task import PoseTask
from actupose.nets.runtime import Runtime, descend, set_rate
from actupose.params import Domain, MethodParams, NonNegativeFloat, RunParams, plain_pretraining


class SupervisedParams(MethodParams):
    """``supervision`` says whose labels are learned from: the target's make an upper bound, no adaptation."""

    kind: Literal["supervised"]
    supervision: Domain
    evalpose_weight: NonNegativeFloat

    @property
    def labelled_domain(self) -> Domain:
        """Whose labels are learned from."""
        return self.supervision

    @property
    def pretraining(self) -> dict[str, Any]:
        """All of it is."""
        return plain_pretraining(self, evalpose_weight=self.evalpose_weight)

    @model_validator(mode="after")
    def _target_has_no_scores(self) -> "SupervisedParams":
        if self.supervision == "target" and self.curriculum.name != "uniform":
            raise ValueError("supervision: target goes with curriculum: {name: uniform}, for want of scores")
        return self


class Student:
    """The pose network under Adam, and how it learns from labels; every method has one."""

    def __init__(self, run: RunParams, runtime: Runtime, task: PoseTask) -> None:
        self.run = run
        self.runtime = runtime
        self.task = task
        self.network = self.build()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=run.optim.lr, fused=True)

    def build(self) -> PoseResNet:
        """A network of the run's architecture and first weights."""
        return self.runtime.place(build_network(len(self.run.skeleton), self.run.network, self.run.seed))

    def predict(self, images: Float[Tensor, "b 3 S S"]) -> PoseOutput:
        """See :meth:`~actupose.nets.runtime.Runtime.predict`."""
        return self.runtime.predict(self.network, images)

    def learn(self, step: int, batch: LabelledBatch, weights: Mapping[str, float]) -> StepResult:
        """One step on labels alone."""
        set_rate(self.optimizer, self.rate(step))
        labels = self.labelled_view(step, batch)
        output = self.predict(labels.images)
        losses = self.losses(output, labels, weights)
        descend(weighted_sum(losses, weights), self.optimizer)
        return StepResult(losses, self.task.mean_peaks(output.heatmaps))

    def rate(self, step: int) -> float:
        """Learning rate of a step: of its epoch."""
        optim, schedule = self.run.optim, self.run.schedule
        epoch = step // schedule.steps_per_epoch
        return learning_rate(optim.lr, epoch, schedule.epochs, optim.decay, optim.milestones, optim.factor)

    def labelled_view(self, step: int, batch: LabelledBatch) -> LabelledView:
        """The step's random view of a labelled batch."""
        random = generator(self.run.seed, "labelled view", step)
        view = draw_student_view(self.run.augment, batch.images, random)
        return labelled_view(self.run.augment, batch, view, self.task.permutation)

    def target_view(self, step: int, target: Stored) -> Float[Tensor, "b 3 S S"]:
        """The step's random view of target images, drawn as of labelled ones."""
        random = generator(self.run.seed, "target view", step)
        view = draw_student_view(self.run.augment, target, random)
        return student_images(self.run.augment, target, view)

    def losses(
        self, output: PoseOutput, labels: LabelledView, weights: Mapping[str, float]
    ) -> dict[str, Float[Tensor, ""]]:
        """Heat-map loss, and the EvalPose loss on labels where it has a weight."""
        found = {"source": self.task.heatmap_loss(output.heatmaps, labels.keypoints_view, labels.visible)}
        if weights.get("evalpose_source"):
            found["evalpose_source"] = self.task.evalpose(
                output.heatmaps, labels.keypoints_view, labels.visible
            )
        return found


def weighted_sum(losses: Mapping[str, Float[Tensor, ""]], weights: Mapping[str, float]) -> Float[Tensor, ""]:
    """Total loss (P2 eq. 8).

    Raises:
        KeyError: a term without a weight.
    """
    return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()


class Supervised:
    """Learns from labels alone."""

    def __init__(self, student: Student, _nets: HelperNets) -> None:
        params = student.run.method
        assert isinstance(params, SupervisedParams)
        self.student = student
        self.weights = {"source": 1.0, "evalpose_source": params.evalpose_weight}
        self.networks = {"student": student.network}
        self.optimizers = {"student": student.optimizer}

    def wants_target(self, step: int) -> bool:
        """Never."""
        return False

    def prepare(self, step: int) -> None:
        """Nothing."""

    def step(self, step: int, batch: LabelledBatch, target: Stored | None) -> StepResult:
        """One step of the student."""
        return self.student.learn(step, batch, self.weights)

    def rate(self, step: int) -> float:
        """The student's."""
        return self.student.rate(step)

    def predictor(self, steps: int) -> PoseResNet:
        """The student."""
        return self.student.network


PARAMS, METHOD = SupervisedParams, Supervised
