"""Supervised training on labelled images: all of source_only and oracle, one side of every adaptation."""

from dataclasses import dataclass

from torch import Tensor, nn

from actupose.core.pseudo_label import swap_flipped
from actupose.core.rng import generator
from actupose.data.augment import draw_crop, draw_view, inside_image, keypoints_in_view, render_view
from actupose.methods.pose_task import PoseTask
from actupose.params import AugmentParams


@dataclass(frozen=True)
class LabelledBatch:
    """uint8 images (B, 3, S, S), keypoints (B, K, 2) px and visible (B, K), all on the device."""

    images: Tensor
    keypoints: Tensor
    visible: Tensor


@dataclass(frozen=True)
class SourceSide:
    """The student's view of a labelled batch: raw output, features, labels in that view."""

    raw: Tensor
    features: Tensor
    keypoints: Tensor
    keep: Tensor


def labelled_forward(
    task: PoseTask, augment: AugmentParams, student: nn.Module, batch: LabelledBatch, seed: int, step: int
) -> SourceSide:
    """One random view of each image through the student."""
    random, side = generator(seed, "labelled view", step), task.image_size
    crop = draw_crop(augment.crop_area, len(batch.images), side, random, batch.images.device)
    view = draw_view(augment.student, crop, side, random)
    keypoints = keypoints_in_view(batch.keypoints, view, task.permutation)
    visible = swap_flipped(batch.visible, view.flipped, task.permutation)
    output = student(render_view(batch.images, view, blurred=augment.student.blur > 0))
    return SourceSide(output.heatmaps, output.features, keypoints, visible & inside_image(keypoints, side))


def supervised_terms(task: PoseTask, source: SourceSide, evalpose: bool) -> dict[str, Tensor]:
    """Heat-map loss, and the EvalPose loss on labels where asked for."""
    terms = {"source": task.heatmap_loss(source.raw, source.keypoints, source.keep)}
    if evalpose:
        terms["evalpose_source"] = task.evalpose(source.raw, source.keypoints, source.keep)
    return terms
