"""Supervised training on labelled images: all of source_only and oracle, one side of every adaptation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from actupose.core.pseudo_label import swap_flipped
from actupose.core.ranks import world_size
from actupose.core.rng import generator
from actupose.data.augment import View, draw_crop, draw_view, inside_image, keypoints_in_view, render_view
from actupose.methods.pose_task import PoseTask, flip_permutation
from actupose.methods.student import Student
from actupose.nets.pose_model import PoseModel, mean_peaks
from actupose.nets.pose_resnet import PoseOutput, PoseResNet
from actupose.nets.style_net import StyleNet
from actupose.params import AugmentParams, ComputeParams
from actupose.params.run import TrainingSettings


@dataclass(frozen=True)
class LabelledBatch:
    """uint8 images (B / ranks, 3, S, S), keypoints (B, K, 2) px and visible (B, K), all on the device."""

    images: Tensor
    keypoints: Tensor
    visible: Tensor


@dataclass(frozen=True)
class LabelledView:
    """Images (B / ranks, 3, S, S) in 0..1 as the student sees them, and the whole batch's labels there."""

    images: Tensor
    keypoints: Tensor
    keep: Tensor


@dataclass(frozen=True)
class SourceSide:
    """The student's output on its view of a labelled batch, and the labels in that view."""

    output: PoseOutput
    keypoints: Tensor
    keep: Tensor


def _student_view(task: PoseTask, augment: AugmentParams, images: Tensor, random: torch.Generator) -> View:
    whole = len(images) * world_size()
    crop = draw_crop(augment.crop_area, whole, task.image_size, random, images.device)
    return draw_view(augment.student, crop, task.image_size, random)


def labelled_view(
    task: PoseTask, augment: AugmentParams, batch: LabelledBatch, seed: int, step: int
) -> LabelledView:
    """One random view of each image."""
    view = _student_view(task, augment, batch.images, generator(seed, "labelled view", step))
    keypoints = keypoints_in_view(batch.keypoints, view, task.permutation)
    visible = swap_flipped(batch.visible, view.flipped, task.permutation)
    images = render_view(batch.images, view, blurred=augment.student.blur > 0)
    return LabelledView(images, keypoints, visible & inside_image(keypoints, task.image_size))


def labelled_forward(student: Student, view: LabelledView) -> SourceSide:
    """The student's word on a labelled view."""
    return SourceSide(student(view.images), view.keypoints, view.keep)


def unlabelled_view(task: PoseTask, augment: AugmentParams, images: Tensor, seed: int, step: int) -> Tensor:
    """One random view of this rank's target images, uint8 (B / ranks, 3, S, S), as of labelled ones."""
    view = _student_view(task, augment, images, generator(seed, "target view", step))
    return render_view(images, view, blurred=augment.student.blur > 0)


def supervised_terms(task: PoseTask, source: SourceSide, evalpose: bool) -> dict[str, Tensor]:
    """Heat-map loss, and the EvalPose loss on labels where asked for."""
    terms = {"source": task.heatmap_loss(source.output.heatmaps, source.keypoints, source.keep)}
    if evalpose:
        terms["evalpose_source"] = task.evalpose(source.output.heatmaps, source.keypoints, source.keep)
    return terms


@dataclass(frozen=True)
class StepResult:
    """Loss terms of a step (and shares to log), and the student's mean peak (B,) on each labelled image."""

    terms: dict[str, Tensor]
    peaks: Tensor


class Supervised:
    """Learns from labelled batches; the methods that adapt derive from it and learn like it until they do.

    ``style_net`` is of use to the mean teacher alone.
    """

    adapts = False

    def __init__(
        self, settings: TrainingSettings, compute: ComputeParams, style_net: StyleNet | None = None
    ) -> None:
        self.settings = settings
        self.student = Student(settings, compute)
        permutation = flip_permutation(settings.skeleton).to(self.device)
        self.task = PoseTask(
            settings.skeleton, settings.image_size, settings.heatmap, permutation, settings.fidelity
        )

    @property
    def device(self) -> torch.device:
        """Where everything of the method is."""
        return self.student.device

    def train(self) -> None:
        """Training mode for every network."""
        self.student.network.train()

    def set_epoch(self, epoch: int) -> float:
        """Set and return the student's learning rate of an epoch."""
        return self.student.set_epoch(epoch)

    def is_adapting(self, step: int) -> bool:
        """Whether a step belongs to the adaptation."""
        return self.adapts and step >= self.settings.schedule.first_adaptation_step

    def wants_target(self, step: int) -> bool:
        """Whether a step is given target images."""
        return self.is_adapting(step)

    def start_adaptation(self) -> None:
        """Called once, before the first step of the adaptation."""

    def train_step(self, step: int, batch: LabelledBatch, target: Tensor | None) -> StepResult:
        """Learn from one batch; ``target`` uint8 (B / ranks, 3, S, S) comes where the method wants it."""
        source = labelled_forward(self.student, self.view(step, batch))
        terms = supervised_terms(self.task, source, evalpose=self.settings.method.weights.evalpose > 0)
        self.student.optimise(self.weigh(terms))
        return StepResult(terms, self.peaks(source))

    def view(self, step: int, batch: LabelledBatch) -> LabelledView:
        """The student's view of a labelled batch."""
        return labelled_view(self.task, self.settings.augment, batch, self.settings.seed, step)

    def weigh(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Total loss (P2 eq. 8); a term without a weight is only logged."""
        weights = self.settings.method.weights
        of_term = {
            "source": weights.udape,
            "consistency": weights.udape,
            "evalpose_source": weights.evalpose,
            "evalpose_target": weights.evalpose,
            "cross_domain": weights.cross_domain,
        }
        return torch.stack([of_term[name] * value for name, value in terms.items() if name in of_term]).sum()

    def peaks(self, source: SourceSide) -> Tensor:
        """(B,) mean peak over keypoints."""
        return mean_peaks(self.task.heatmaps(source.output.heatmaps.detach()).amax(dim=(2, 3)))

    def weights(self) -> list[Tensor]:
        """Everything that must stay finite."""
        return list(self.student.bare.parameters())

    def is_finite(self) -> bool:
        """Whether every weight is a number; waits for the device."""
        return bool(torch.stack([weight.isfinite().all() for weight in self.weights()]).all())

    def predictor(self, adapted: bool) -> PoseModel:
        """The network that stands for the run, with decoding."""
        return self.student.predictor()

    def bare(self, adapted: bool) -> PoseResNet:
        """The same network, to be saved."""
        return self.student.bare

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return self.student.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` stood."""
        self.student.load_state_dict(state)
