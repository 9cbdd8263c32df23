"""Batches as a network sees them: a random crop of each stored image, and a random view of that."""

from dataclasses import dataclass

import torch
from torch import Tensor

from actupose.core.pseudo_label import swap_flipped
from actupose.core.ranks import world_size
from actupose.data.augment import View, draw_crop, draw_view, inside_image, keypoints_in_view, render_view
from actupose.params import AugmentParams


@dataclass(frozen=True)
class LabelledBatch:
    """Stored images uint8 (B / ranks, 3, S, S), and the whole batch's labels in their pixels.

    Attributes:
        keypoints_stored: (B, K, 2).
        visible: (B, K) bool.
    """

    images: Tensor
    keypoints_stored: Tensor
    visible: Tensor


@dataclass(frozen=True)
class LabelledView:
    """Images (B / ranks, 3, S, S) in 0..1 as the student sees them, and the whole batch's labels there.

    Attributes:
        keypoints_view: (B, K, 2) pixels of the view.
        visible: (B, K) bool, False for what lies outside the view.
    """

    images: Tensor
    keypoints_view: Tensor
    visible: Tensor


def draw_base(augment: AugmentParams, images: Tensor, random: torch.Generator) -> Tensor:
    """(B, 3, 3) base_from_stored of the whole batch, of whose stored images this rank has its share."""
    whole = len(images) * world_size()
    return draw_crop(augment.crop_area, whole, images.shape[-1], random, images.device)


def draw_student_view(augment: AugmentParams, images: Tensor, random: torch.Generator) -> View:
    """A view of each image of the whole batch as the student is shown."""
    return draw_view(augment.student, draw_base(augment, images, random), images.shape[-1], random)


def student_images(augment: AugmentParams, images: Tensor, view: View) -> Tensor:
    """Stored images uint8 in a view of the student's: (B / ranks, 3, S, S) in 0..1."""
    return render_view(images, view, blurred=augment.student.blur > 0)


def teacher_images(augment: AugmentParams, images: Tensor, view: View) -> Tensor:
    """Stored images uint8 in a view of the teacher's: (B / ranks, 3, S, S) in 0..1."""
    return render_view(images, view, blurred=augment.teacher.blur > 0)


def labelled_view(
    augment: AugmentParams, batch: LabelledBatch, view: View, permutation: Tensor
) -> LabelledView:
    """A labelled batch in a view of the student's; ``permutation`` (K,) swaps left and right keypoints."""
    keypoints_view = keypoints_in_view(batch.keypoints_stored, view, permutation)
    visible = swap_flipped(batch.visible, view.flipped, permutation)
    inside = inside_image(keypoints_view, batch.images.shape[-1])
    return LabelledView(student_images(augment, batch.images, view), keypoints_view, visible & inside)
