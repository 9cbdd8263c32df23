"""Directions in a pose: angles at keypoints (P2 3.4, eq. 6) and bones compared (P2 3.3)."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from actupose.core.indexing import index_columns

# Shorter than a thousandth of a pixel or cell a bone has no direction, and its cosine a gradient beyond 1000.
MIN_BONE_LENGTH = 1e-3


def keypoint_angles(
    keypoints: Float[Tensor, "B K 2"], triplets: Sequence[Sequence[int]]
) -> Float[Tensor, "B J"]:
    """Angle at b between (a - b) and (c - b) for every triplet (a, b, c); not made for gradients.

    Args:
        keypoints: in any frame.
        triplets: J rows of three keypoint positions.

    Returns:
        Radians, 0 to pi; NaN where a keypoint is NaN or a segment has no length.
    """
    a, b, c = (keypoints[:, column] for column in index_columns(triplets, keypoints.device))
    first, second = a - b, c - b
    cross = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    # Equal to the arccos of the cosine, and exact near 0 and pi where arccos is not.
    angle = torch.atan2(cross.abs(), (first * second).sum(-1))
    has_length = (first != 0).any(-1) & (second != 0).any(-1)
    return torch.where(has_length, angle, torch.nan)


def triplets_visible(visible: Bool[Tensor, "B K"], triplets: Sequence[Sequence[int]]) -> Bool[Tensor, "B J"]:
    """Which of the J triplets have all three keypoints."""
    a, b, c = index_columns(triplets, visible.device)
    return visible[:, a] & visible[:, b] & visible[:, c]


def mean_angular_difference(
    a: Float[Tensor, "S J"], b: Float[Tensor, "T J"], valid_b: Bool[Tensor, "T J"]
) -> Float[Tensor, "S T"]:
    """Difference of every pair of poses: ||a - b|| over the valid triplets / their number (P2 eq. 6).

    Args:
        a: radians; NaN is not valid.
        b: radians; NaN is not valid.
        valid_b: which of ``b`` count.

    Returns:
        Radians; NaN where a pair shares no valid triplet.
    """
    gap = a[:, None] - b[None]
    valid = valid_b[None] & ~gap.isnan()
    length: Tensor = torch.linalg.vector_norm(torch.where(valid, gap, 0), dim=-1)
    return length / valid.sum(-1)  # 0 / 0 is the promised NaN


def bone_cosines(
    pred: Float[Tensor, "B K 2"], true: Float[Tensor, "B K 2"], bones: Sequence[Sequence[int]]
) -> tuple[Float[Tensor, "B n"], Bool[Tensor, "B n"]]:
    """Cosine between predicted and true direction of every bone (P2 eq. 5).

    Args:
        pred: in any frame.
        true: in the same frame; may be NaN.
        bones: n rows of (start, end) keypoint positions.

    Returns:
        Cosines, 0 without gradient where either bone has no direction, and whether the true bone has one, so
        that the cosine means something.
    """
    starts, ends = index_columns(bones, pred.device)
    pred_bone, true_bone = pred[:, ends] - pred[:, starts], true[:, ends] - true[:, starts]
    is_defined = true_bone.norm(dim=-1) > MIN_BONE_LENGTH
    is_safe = (is_defined & (pred_bone.norm(dim=-1) > MIN_BONE_LENGTH))[..., None]
    # Replaced before the division, not after: the gradient of an unused NaN would still be NaN.
    pred_bone, true_bone = torch.where(is_safe, pred_bone, 1), torch.where(is_safe, true_bone, 1)
    cosine = (pred_bone * true_bone).sum(-1) / (pred_bone.norm(dim=-1) * true_bone.norm(dim=-1))
    return torch.where(is_safe[..., 0], cosine, 0), is_defined
