"""Pseudo-labels of the mean teacher: merging views, gating by confidence, occlusion (UDAPE, ECCV 2022)."""

from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from actupose.core.ranks import share

Gate = Literal["global", "per_keypoint", "soft"]


def confidence_mask(confidence: Float[Tensor, "B K"], mask_ratio: float, gate: Gate) -> Bool[Tensor, "B K"]:
    """Keep what is strictly above the int(mask_ratio * n)-th smallest confidence.

    Args:
        confidence: peaks.
        mask_ratio: 0 keeps all, 1 nothing.
        gate: ``global`` n = B * K, one threshold for the batch (UDAPE); ``per_keypoint`` n = B, one for each
            keypoint, so that hard keypoints keep their share; ``soft`` keeps all, for weights to tell apart.

    Raises:
        ValueError: the gate is unknown.
    """
    match gate:
        case "global":
            pool = confidence.reshape(-1, 1)
        case "per_keypoint":
            pool = confidence
        case "soft":
            return torch.ones_like(confidence, dtype=torch.bool)
        case _:
            raise ValueError(f"gate {gate!r}: one of {', '.join(get_args(Gate))}")
    masked = int(mask_ratio * len(pool))
    if masked == 0:
        return torch.ones_like(confidence, dtype=torch.bool)
    return confidence > pool.sort(dim=0).values[masked - 1]


def merge_views(
    keypoints_base: Float[Tensor, "V B K 2"], confidence: Float[Tensor, "V B K"]
) -> tuple[Float[Tensor, "B K 2"], Float[Tensor, "B K"]]:
    """Merge the teacher's views of a sample.

    Args:
        keypoints_base: of every view, brought to the base frame.
        confidence: of every view.

    Returns:
        Points, their mean weighted by confidence, plain where no view is confident; mean confidence.
    """
    weight = confidence.clamp(min=1e-6)
    points = (keypoints_base * weight[..., None]).sum(0) / weight.sum(0)[..., None]
    return points, confidence.mean(0)


def spread_of_views(
    keypoints_base: Float[Tensor, "V B K 2"], merged: Float[Tensor, "B K 2"]
) -> Float[Tensor, "B K"]:
    """Root mean squared distance of the views' keypoints from the merged ones, in their unit."""
    return (keypoints_base - merged).square().sum(-1).mean(0).sqrt()


def agreement(spread: Float[Tensor, "B K"], width: float) -> Float[Tensor, "B K"]:
    """1 where all views find a keypoint in one place, exp(-1/2) where they lie ``width`` apart (ours)."""
    return torch.exp(-0.5 * (spread / width).square())


def swap_flipped(
    keypoint_values: Shaped[Tensor, "B K *rest"], flipped: Bool[Tensor, "B"], permutation: Int64[Tensor, "K"]
) -> Shaped[Tensor, "B K *rest"]:
    """Exchange left and right keypoints of mirrored samples.

    Args:
        keypoint_values: coordinates, heat maps, confidences or masks.
        flipped: which samples are mirrored.
        permutation: for each keypoint the position of its mirror partner.
    """
    mirrored = flipped.reshape(-1, *[1] * (keypoint_values.ndim - 1))
    return torch.where(mirrored, keypoint_values.index_select(1, permutation), keypoint_values)


class OcclusionDraws(NamedTuple):
    """What decides where a batch is covered, on its device.

    Attributes:
        sample: in 0..1; below the rate a sample is covered.
        keypoint: in 0..1; the highest that qualifies is covered.
        elsewhere_px: where the patch comes from.
    """

    sample: Float[Tensor, "B"]
    keypoint: Float[Tensor, "B K"]
    elsewhere_px: Float[Tensor, "B 2"]


def draw_occlusion(
    batch: int, num_keypoints: int, side: int, random: torch.Generator, device: torch.device
) -> OcclusionDraws:
    """Uniform draws of a CPU generator, for square images ``side`` pixels wide."""
    chances = torch.rand(batch, num_keypoints + 1, generator=random).to(device, non_blocking=True)
    elsewhere_px = torch.rand(batch, 2, generator=random) * (side - 1)
    return OcclusionDraws(chances[:, 0], chances[:, 1:], elsewhere_px.to(device, non_blocking=True))


def choose_occluded(
    confidence: Float[Tensor, "B K"], threshold: float, rate: float, draws: OcclusionDraws
) -> Bool[Tensor, "B K"]:
    """Choose for a share of the samples one confident keypoint to occlude.

    Args:
        confidence: of the teacher.
        threshold: a keypoint qualifies from here on.
        rate: chance of a sample with a qualifying keypoint to be chosen.
        draws: of the batch.

    Returns:
        At most one true in a row, uniform among the qualifying.
    """
    qualifies = confidence >= threshold
    chosen = torch.where(qualifies, draws.keypoint, -1).argmax(1, keepdim=True)
    is_chosen = torch.arange(confidence.shape[1], device=confidence.device) == chosen
    return is_chosen & qualifies & (draws.sample[:, None] < rate)


def cover_keypoints(
    images: Float[Tensor, "share C S S"],
    keypoints_px: Float[Tensor, "B K 2"],
    chosen: Bool[Tensor, "B K"],
    half_size: int,
    elsewhere_px: Float[Tensor, "B 2"],
) -> Float[Tensor, "share C S S"]:
    """Paste a patch from elsewhere in the image over the one chosen keypoint, if any, of each sample.

    Images are this rank's share of the batch; keypoints, what is chosen and the patches' centres are of all.
    """
    centers_px = torch.where(chosen[:, :, None], keypoints_px, 0.0).sum(dim=1)
    return paste_patches(images, share(centers_px), share(chosen.any(dim=1)), half_size, share(elsewhere_px))


def paste_patches(
    images: Float[Tensor, "B C H W"],
    centers: Float[Tensor, "B 2"],
    active: Bool[Tensor, "B"],
    half_size: int,
    source_centers: Float[Tensor, "B 2"],
) -> Float[Tensor, "B C H W"]:
    """Overwrite a square box of each image with an equal box from elsewhere in the same image.

    Args:
        images: stay as they are.
        centers: pixels, on the image; the box holds the pixels from center - half_size up to, not
            including, center + half_size, clipped at the border.
        active: other rows stay as they are, and their centres may be anything.
        half_size: whole pixels; 2 half_size is the side.
        source_centers: pixels; where this box leaves the image, the border pixels repeat.

    Returns:
        A new tensor.
    """
    num_images, channels, height, width = images.shape
    centers = torch.where(active[:, None], centers, 0.0)
    shift = torch.where(active[:, None], (source_centers - centers).round(), 0.0).long()
    inside = torch.arange(2 * half_size, device=images.device)
    # Pixels of the box beyond the border fall on the border's own, which get what they get anyway.
    columns, rows = ((centers - half_size).ceil().long()[:, :, None] + inside).unbind(1)
    columns, rows = columns.clamp(0, width - 1), rows.clamp(0, height - 1)
    source_columns = (columns + shift[:, :1]).clamp(0, width - 1)
    source_rows = (rows + shift[:, 1:]).clamp(0, height - 1)
    sample = torch.arange(num_images, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[:, None, None]
    patch = images[sample, channel, source_rows[:, None, :, None], source_columns[:, None, None, :]]
    return images.index_put((sample, channel, rows[:, None, :, None], columns[:, None, None, :]), patch)
