"""The target side of UDAPE (ECCV 2022) with ACTUPose's extra losses (P2 3.3-3.4), its faults corrected.

The teacher sees one or more views of a target image. Its decoded keypoints are carried as points through the
views' matrices into the student's own view and drawn there: no heat map is warped and no gradient is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from actupose.core.angles import keypoint_angles, mean_angular_difference, triplets_visible
from actupose.core.losses import cross_domain_loss, selected_fraction
from actupose.core.pseudo_label import (
    choose_occluded,
    confidence_mask,
    merge_views,
    paste_patches,
    swap_flipped,
)
from actupose.core.ranks import share, world_size
from actupose.core.rng import generator
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
from actupose.methods.supervised import SourceSide
from actupose.nets.pose_model import predictions_from_output
from actupose.nets.pose_resnet import PoseOutput
from actupose.params import AdaptationParams, AugmentParams, LossWeights, OcclusionParams

Restyle = Callable[[Tensor], Tensor]
Network = Callable[[Tensor], PoseOutput]  # this rank's images to the whole batch's output


def unchanged(images: Tensor) -> Tensor:
    """No restyling."""
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
        stride: pixels a cell of the teacher's heat maps.
    """

    keypoints: Tensor
    confidence: Tensor
    keep: Tensor
    features: Tensor
    angles: Tensor
    valid: Tensor
    stride: float


@dataclass(frozen=True)
class Consistency:
    """The target side of an adaptation step; the networks are handed in."""

    task: PoseTask
    augment: AugmentParams
    settings: AdaptationParams
    weights: LossWeights

    def terms(
        self,
        student: Network,
        teacher: Network,
        source: SourceSide,
        images: Tensor,
        seed: int,
        step: int,
        restyle: Restyle = unchanged,
    ) -> dict[str, Tensor]:
        """Loss terms of a target batch, of whose uint8 images this rank has (B / ranks, 3, S, S).

        The teacher's views are restyled.
        """
        base, random = self.base_view(images, seed, step)
        pseudo = self.pseudo_labels(teacher, images, base, seed, step, restyle)
        view = draw_view(self.augment.student, base, self.task.image_size, random)
        seen = render_view(images, view, blurred=self.augment.student.blur > 0)
        terms = self.student_terms(student, seen, view, pseudo, random)
        if self.weights.cross_domain > 0:
            terms |= self._cross_domain(source, pseudo)
        return terms

    def student_terms(
        self, student: Network, seen: Tensor, view: View, pseudo: PseudoLabels, random: torch.Generator
    ) -> dict[str, Tensor]:
        """What the student, shown ``seen`` with a keypoint covered, makes of the teacher's word."""
        keypoints = keypoints_in_view(pseudo.keypoints, view, self.task.permutation)
        inside = inside_image(keypoints, self.task.image_size)
        keep = self._renamed(pseudo.keep, view) & inside
        confidence = self._renamed(pseudo.confidence, view) * inside
        raw = student(occlude(seen, keypoints, confidence, self.settings.occlusion, random)).heatmaps
        terms = {"consistency": self.task.heatmap_loss(raw, keypoints, keep), "kept": keep.float().mean()}
        if self.weights.evalpose > 0:
            terms["evalpose_target"] = self.task.evalpose(raw, keypoints, keep)
        return terms

    def first_teacher_view(self, images: Tensor, seed: int, step: int) -> Tensor:
        """What the teacher sees first of a target batch, before any restyling."""
        base, _ = self.base_view(images, seed, step)
        return self.seen_by_teacher(images, self.teacher_view(base, generator(seed, "teacher view", step)))

    def base_view(self, images: Tensor, seed: int, step: int) -> tuple[Tensor, torch.Generator]:
        """base_from_stored (B, 3, 3), and the generator that draws the student's view next."""
        random = generator(seed, "target view", step)
        side = self.task.image_size
        whole = len(images) * world_size()
        return draw_crop(self.augment.crop_area, whole, side, random, images.device), random

    def teacher_view(self, base_from_stored: Tensor, random: torch.Generator) -> View:
        """The next of the teacher's views."""
        return draw_view(self.augment.teacher, base_from_stored, self.task.image_size, random)

    def seen_by_teacher(self, images: Tensor, view: View) -> Tensor:
        """Stored images in one of the teacher's views."""
        return render_view(images, view, blurred=self.augment.teacher.blur > 0)

    @torch.no_grad()
    def pseudo_labels(
        self,
        teacher: Network,
        images: Tensor,
        base_from_stored: Tensor,
        seed: int,
        step: int,
        restyle: Restyle = unchanged,
    ) -> PseudoLabels:
        """Decode the teacher on each of its views and merge them in the stored image's frame."""
        random, triplets = generator(seed, "teacher view", step), self.task.skeleton.triplets
        points, confidences, features = [], [], []
        for index in range(self.settings.views):
            view = self.teacher_view(base_from_stored, random)
            output = teacher(restyle(self.seen_by_teacher(images, view)))
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
        stride = self.task.stride(output.heatmaps)
        return PseudoLabels(keypoints, confidence, keep, features[0], angles, valid, stride)

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
        images: (B / ranks, C, S, S), the student's view.
        keypoints: (B, K, 2) pixels of that view.
        confidence: (B, K); only keypoints at or above ``settings.threshold`` are covered.
        settings: share of samples, threshold, half side of the patch.
        random: CPU generator.
    """
    chosen = choose_occluded(confidence, settings.threshold, settings.rate, random)
    return cover(images, keypoints, chosen, settings.size, random)


def cover(images: Tensor, keypoints: Tensor, chosen: Tensor, size: float, random: torch.Generator) -> Tensor:
    """Paste a patch from elsewhere in the image over the one chosen keypoint, if any, of each sample.

    Images are this rank's share (B / ranks, C, S, S) of the batch, the rest is of all of it.
    """
    side = images.shape[-1]
    centers = torch.where(chosen[:, :, None], keypoints, 0.0).sum(dim=1)
    elsewhere = torch.rand(len(chosen), 2, generator=random) * (side - 1)
    elsewhere = share(elsewhere.to(images.device, non_blocking=True))
    is_chosen = share(chosen.any(dim=1))
    return paste_patches(images, share(centers), is_chosen, max(1, round(size * side)), elsewhere)
