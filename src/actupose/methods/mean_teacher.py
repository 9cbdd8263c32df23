"""UDAPE's mean teacher (ECCV 2022) with ACTUPose's extra losses (P2 3.3-3.4), corrected as METHODS 8 says.

The teacher sees one or more views of a target image. Its decoded keypoints are carried as points through the
views' matrices into the student's own view and drawn there: no heat map is warped and no gradient is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from actupose.core.angles import keypoint_angles, mean_angular_difference, triplets_visible
from actupose.core.losses import cross_domain_loss, selected_fraction
from actupose.core.pseudo_label import (
    choose_occluded,
    confidence_mask,
    merge_views,
    paste_patches,
    swap_flipped,
)
from actupose.core.rng import generator
from actupose.core.schedule import update_ema
from actupose.data.augment import (
    View,
    draw_crop,
    draw_view,
    inside_image,
    keypoints_in_stored,
    keypoints_in_view,
    render_view,
)
from actupose.methods.pose_task import PoseTask
from actupose.methods.settings import TrainingSettings
from actupose.methods.student import Student
from actupose.methods.style_transfer import StyleTransfer
from actupose.methods.supervised import (
    LabelledBatch,
    SourceSide,
    StepResult,
    Supervised,
    labelled_forward,
    supervised_terms,
)
from actupose.nets.pose_model import PoseModel, predictions_from_output
from actupose.nets.pose_resnet import PoseResNet
from actupose.params import AdaptationParams, AugmentParams, ComputeParams, LossWeights, OcclusionParams

Restyle = Callable[[Tensor], Tensor]


def _unchanged(images: Tensor) -> Tensor:
    return images


@dataclass(frozen=True)
class PseudoLabels:
    """The teacher's word on a target batch.

    Attributes:
        keypoints: (B, K, 2) pixels of the stored image.
        confidence: (B, K) mean peak over the views.
        keep: (B, K) whether the confidence gate lets the keypoint through.
        features: (B, D) of the teacher's first view.
        angles: (B, J) at the skeleton's triplets in that view; valid (B, J) where all three ends are kept.
    """

    keypoints: Tensor
    confidence: Tensor
    keep: Tensor
    features: Tensor
    angles: Tensor
    valid: Tensor


@dataclass(frozen=True)
class Consistency:
    """The target side of an adaptation step; the networks are handed in."""

    task: PoseTask
    augment: AugmentParams
    settings: AdaptationParams
    weights: LossWeights

    def terms(
        self,
        student: nn.Module,
        teacher: nn.Module,
        source: SourceSide,
        images: Tensor,
        seed: int,
        step: int,
        restyle: Restyle = _unchanged,
    ) -> dict[str, Tensor]:
        """Loss terms of a target batch, uint8 images (B, 3, S, S); the teacher's views are restyled."""
        random, side = generator(seed, "target view", step), self.task.image_size
        base = draw_crop(self.augment.crop_area, len(images), side, random, images.device)
        pseudo = self.pseudo_labels(teacher, images, base, seed, step, restyle)
        view = draw_view(self.augment.student, base, side, random)
        keypoints = keypoints_in_view(pseudo.keypoints, view, self.task.permutation)
        inside = inside_image(keypoints, side)
        keep = self._renamed(pseudo.keep, view) & inside
        seen = render_view(images, view, blurred=self.augment.student.blur > 0)
        confidence = self._renamed(pseudo.confidence, view) * inside
        raw = student(occlude(seen, keypoints, confidence, self.settings.occlusion, random)).heatmaps
        terms = {"consistency": self.task.heatmap_loss(raw, keypoints, keep), "kept": keep.float().mean()}
        if self.weights.evalpose > 0:
            terms["evalpose_target"] = self.task.evalpose(raw, keypoints, keep)
        if self.weights.cross_domain > 0:
            terms |= self._cross_domain(source, pseudo)
        return terms

    def first_teacher_view(self, images: Tensor, seed: int, step: int) -> Tensor:
        """What the teacher sees first of a target batch, before any restyling."""
        random = generator(seed, "target view", step)
        base = draw_crop(self.augment.crop_area, len(images), self.task.image_size, random, images.device)
        return self._seen(images, self._teacher_view(base, generator(seed, "teacher view", step)))

    def _teacher_view(self, base_from_stored: Tensor, random: torch.Generator) -> View:
        return draw_view(self.augment.teacher, base_from_stored, self.task.image_size, random)

    def _seen(self, images: Tensor, view: View) -> Tensor:
        return render_view(images, view, blurred=self.augment.teacher.blur > 0)

    @torch.no_grad()
    def pseudo_labels(
        self,
        teacher: nn.Module,
        images: Tensor,
        base_from_stored: Tensor,
        seed: int,
        step: int,
        restyle: Restyle = _unchanged,
    ) -> PseudoLabels:
        """Decode the teacher on each of its views and merge them in the stored image's frame."""
        random, triplets = generator(seed, "teacher view", step), self.task.skeleton.triplets
        points, confidences, features = [], [], []
        for index in range(self.settings.views):
            view = self._teacher_view(base_from_stored, random)
            output = teacher(restyle(self._seen(images, view)))
            prediction = predictions_from_output(output.heatmaps, self.task.image_size, self.task.heatmap)
            points.append(keypoints_in_stored(prediction.keypoints, view, self.task.permutation))
            confidences.append(self._renamed(prediction.confidence, view))
            features.append(output.features)
            if index == 0:
                first_view, first_points = view, prediction.keypoints
        keypoints, confidence = merge_views(torch.stack(points), torch.stack(confidences))
        keep = confidence_mask(confidence, self.settings.mask_ratio, self.settings.gate)
        valid = triplets_visible(self._renamed(keep, first_view), triplets)
        angles = keypoint_angles(first_points, triplets)
        return PseudoLabels(keypoints, confidence, keep, features[0], angles, valid)

    def _renamed(self, values: Tensor, view: View) -> Tensor:
        """Per-keypoint values (B, K) with left and right exchanged where the view is flipped."""
        return swap_flipped(values, view.flipped, self.task.permutation)

    def _cross_domain(self, source: SourceSide, pseudo: PseudoLabels) -> dict[str, Tensor]:
        """P2 eq. 6-7; angles are taken in the views whose features are compared."""
        labelled = torch.where(source.keep[:, :, None], source.keypoints, torch.nan)
        angles = keypoint_angles(labelled, self.task.skeleton.triplets)
        difference = mean_angular_difference(angles, pseudo.angles, pseudo.valid)
        loss = cross_domain_loss(source.output.features, pseudo.features, difference, self.settings.gamma)
        return {"cross_domain": loss, "pairs": selected_fraction(difference, self.settings.gamma)}


def occlude(
    images: Tensor, keypoints: Tensor, confidence: Tensor, settings: OcclusionParams, random: torch.Generator
) -> Tensor:
    """Adaptive keypoint occlusion: a patch of the image itself over one confident keypoint of some samples.

    Args:
        images: (B, C, S, S), the student's view.
        keypoints: (B, K, 2) pixels of that view.
        confidence: (B, K); only keypoints at or above ``settings.threshold`` are covered.
        settings: share of samples, threshold, half side of the patch.
        random: CPU generator.
    """
    side = images.shape[-1]
    chosen = choose_occluded(confidence, settings.threshold, settings.rate, random)
    centers = torch.where(chosen[:, :, None], keypoints, 0.0).sum(dim=1)
    elsewhere = torch.rand(len(images), 2, generator=random) * (side - 1)
    half_size = max(1, round(settings.size * side))
    elsewhere = elsewhere.to(images.device, non_blocking=True)
    return paste_patches(images, centers, chosen.any(dim=1), half_size, elsewhere)


class Teacher:
    """Moving average of the student once adaptation begins.

    Its BatchNorm follows ``adaptation.teacher_norm``: ``own`` normalises with the statistics of its own
    target batches and keeps running ones of them (as UDAPE does), ``student`` copies the student's.
    """

    def __init__(self, student: Student, settings: AdaptationParams) -> None:
        self.settings = settings
        self.student = student.bare
        self.bare = student.build().requires_grad_(False)
        self.network = student.fabric.setup_module(self.bare)

    def train(self) -> None:
        """Normalise as ``teacher_norm`` says."""
        self.network.train(self.settings.teacher_norm == "own")

    def copy_student(self) -> None:
        """Become the student, running statistics included."""
        self.bare.load_state_dict(self.student.state_dict())

    def follow(self) -> None:
        """Move towards the student."""
        update_ema(list(self.bare.parameters()), list(self.student.parameters()), self.settings.ema_decay)
        if self.settings.teacher_norm == "student":
            for mine, other in zip(self.bare.buffers(), self.student.buffers(), strict=True):
                mine.copy_(other)


class MeanTeacher(Supervised):
    """The student learns labels, and on target images its teacher's word; the teacher stands for the run."""

    adapts = True

    def __init__(self, settings: TrainingSettings, compute: ComputeParams) -> None:
        super().__init__(settings, compute)
        self.teacher = Teacher(self.student, settings.adaptation)
        weights = settings.method.weights
        self.consistency = Consistency(self.task, settings.augment, settings.adaptation, weights)
        self.style = StyleTransfer(settings.style, settings.seed)
        self.train()

    def train(self) -> None:
        """Training mode; the teacher normalises as ``teacher_norm`` says."""
        super().train()
        self.teacher.train()

    def wants_target(self, step: int) -> bool:
        """While it adapts, and before as well where source images take the target's look."""
        return self.is_adapting(step) or self.style.is_on

    def start_adaptation(self) -> None:
        """The teacher begins as the student is."""
        self.teacher.copy_student()

    def train_step(self, step: int, batch: LabelledBatch, target: Tensor | None) -> StepResult:
        """One step of the student, then one of the teacher."""
        if target is None:
            return super().train_step(step, batch, None)
        plain, seed = self.view(step, batch), self.settings.seed
        student, teacher = self.student.network, self.teacher.network

        def target_look() -> Tensor:
            return self.consistency.first_teacher_view(target, seed, step)

        def as_source(images: Tensor) -> Tensor:
            return self.style.restyle("target to source", step, images, lambda: plain.images)

        images = self.style.restyle("source to target", step, plain.images, target_look)
        source = labelled_forward(student, replace(plain, images=images))
        terms = supervised_terms(self.task, source, evalpose=self.settings.method.weights.evalpose > 0)
        if self.is_adapting(step):
            terms |= self.consistency.terms(student, teacher, source, target, seed, step, as_source)
        self.student.optimise(self.weigh(terms))
        if self.is_adapting(step):
            self.teacher.follow()
        return StepResult(terms, self.peaks(source))

    def weights(self) -> list[Tensor]:
        """Of both networks."""
        return [*super().weights(), *self.teacher.bare.parameters()]

    def predictor(self, adapted: bool) -> PoseModel:
        """The teacher once adaptation has begun."""
        return PoseModel(self.teacher.network, self.student.info) if adapted else super().predictor(adapted)

    def bare(self, adapted: bool) -> PoseResNet:
        """The teacher once adaptation has begun."""
        return self.teacher.bare if adapted else super().bare(adapted)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return super().state_dict() | {"teacher": self.teacher.bare.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` stood."""
        super().load_state_dict(state)
        self.teacher.bare.load_state_dict(state["teacher"])
