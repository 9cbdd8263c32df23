"""Metrics as fractions: PCK in two arithmetics (METHODS 7) and EvalPose in two definitions (P1 eq. 3; P2)."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from actupose.core.angles import bone_cosines, keypoint_angles, triplets_visible
from actupose.core.heatmap import peak_cells
from actupose.core.indexing import index_columns


def pck(
    keypoints_pred: Float[Tensor, "B K 2"],
    keypoints_true: Float[Tensor, "B K 2"],
    visible: Bool[Tensor, "B K"],
    image_side: float,
    threshold: float = 0.05,
) -> Float[Tensor, "K"]:
    """PCK, exact: a keypoint is right if it is nearer to its label than threshold * image_side.

    Args:
        keypoints_pred: pixels; NaN is wrong.
        keypoints_true: pixels of the same image.
        visible: which keypoints count.
        image_side: pixels.
        threshold: share of the image side.

    Returns:
        Fraction right, pooled over samples; NaN where no sample shows the keypoint.
    """
    right = _is_near(keypoints_pred, keypoints_true, threshold * image_side) & visible
    return right.sum(0) / visible.sum(0)


def keypoint_accuracy(
    keypoints_pred: Float[Tensor, "B K 2"],
    keypoints_true: Float[Tensor, "B K 2"],
    visible: Bool[Tensor, "B K"],
    image_side: float,
    threshold: float = 0.05,
) -> Float[Tensor, "B"]:
    """Fraction right per pose, NaN where nothing is visible; the arguments of ``pck``."""
    right = _is_near(keypoints_pred, keypoints_true, threshold * image_side) & visible
    return right.sum(1) / visible.sum(1)


def pck_tllib(
    heatmaps_pred: Float[Tensor, "N K h w"], heatmaps_true: Float[Tensor, "N K h w"], batch_size: int = 32
) -> Float[Tensor, "K"]:
    """PCK@0.05 with the arithmetic of the published tables; see ``pck_tllib_from_cells``.

    Args:
        heatmaps_pred: of the network.
        heatmaps_true: drawn labels; zeros where not visible.
        batch_size: of the evaluation that is imitated.
    """
    size_hw = (heatmaps_true.shape[-2], heatmaps_true.shape[-1])
    return pck_tllib_from_cells(peak_cells(heatmaps_pred), peak_cells(heatmaps_true), size_hw, batch_size)


def pck_tllib_from_cells(
    cells_pred: Int64[Tensor, "N K"],
    cells_true: Int64[Tensor, "N K"],
    size_hw: tuple[int, int],
    batch_size: int = 32,
) -> Float[Tensor, "K"]:
    """PCK@0.05 of RegDA's and UDAPE's public code, quirks included.

    Whole cells; a peak that is not positive is cell (0, 0); a label counts only if its x and y are both above
    1, visible or not; distance below half of (h, w) / 10, applied to (x, y) in that order; the fraction is
    taken within each batch, and batches that score the keypoint are averaged with their size as weight.

    Args:
        cells_pred: flat row-major index, -1 where the peak is not positive.
        cells_true: likewise.
        size_hw: rows and columns of the map.
        batch_size: of the evaluation that is imitated; order matters, the last batch may be smaller.

    Returns:
        Fraction right; 0 for a keypoint that no sample scores, as UDAPE's meter has it.
    """
    pred, true = (_cell_coordinates(cells, size_hw[1]) for cells in (cells_pred, cells_true))
    is_scored = (true > 1).all(-1)
    x_gap, y_gap = ((pred - true) * 10).unbind(-1)
    is_near = torch.hypot(x_gap / size_hw[0], y_gap / size_hw[1]) < 0.5
    scored = _sum_batches(is_scored, batch_size)
    fraction = _sum_batches(is_near & is_scored, batch_size) / scored.clamp(min=1)
    weight = _sum_batches(torch.ones_like(is_scored), batch_size) * (scored > 0)
    return ((fraction * weight).sum(0) / weight.sum(0).clamp(min=1)).float()


def evalpose_bone(
    pred: Float[Tensor, "B K 2"],
    true: Float[Tensor, "B K 2"],
    visible: Bool[Tensor, "B K"],
    bones: Sequence[Sequence[int]],
) -> Float[Tensor, "B"]:
    """EvalPose of P2: mean cosine between predicted and labelled bones whose both ends are visible.

    Args:
        pred: in any frame; a predicted bone without length counts as 0.
        true: in the same frame; a labelled bone without length does not count.
        visible: which keypoints count.
        bones: rows of (start, end) keypoint positions.

    Returns:
        -1 to 1; NaN where no bone is visible.
    """
    cosine, is_defined = bone_cosines(pred, true, bones)
    starts, ends = index_columns(bones, visible.device)
    valid = is_defined & visible[:, starts] & visible[:, ends]
    return torch.where(valid, cosine, 0).sum(1) / valid.sum(1)


def evalpose_angle(
    pred: Float[Tensor, "B K 2"],
    true: Float[Tensor, "B K 2"],
    visible: Bool[Tensor, "B K"],
    triplets: Sequence[Sequence[int]],
) -> Float[Tensor, "B"]:
    """EvalPose of P1 (eq. 3): cosine between the vectors of predicted and labelled triplet angles.

    Args:
        pred: in any frame; an angle that the prediction leaves undefined counts as 0, so that collapsing a
            limb cannot raise the value.
        true: in the same frame.
        visible: which keypoints count.
        triplets: rows of three keypoint positions.

    Returns:
        -1 to 1; NaN where no triplet is visible.
    """
    true_angles = keypoint_angles(true, triplets)
    valid = triplets_visible(visible, triplets) & ~true_angles.isnan()
    true_angles = torch.where(valid, true_angles, 0)
    pred_angles = torch.where(valid, keypoint_angles(pred, triplets).nan_to_num(nan=0.0), 0)
    lengths = pred_angles.norm(dim=1) * true_angles.norm(dim=1)
    cosine = (pred_angles * true_angles).sum(1) / lengths.clamp(min=torch.finfo(lengths.dtype).tiny)
    return torch.where(valid.any(1), cosine, torch.nan)


def group_means(per_keypoint: Float[Tensor, "K"], groups: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Mean over each group's keypoints; NaN is left out, and all NaN gives NaN."""
    values = per_keypoint.tolist()
    known = {name: [values[i] for i in group if not math.isnan(values[i])] for name, group in groups.items()}
    return {name: sum(found) / len(found) if found else math.nan for name, found in known.items()}


def _is_near(
    pred: Float[Tensor, "B K 2"], true: Float[Tensor, "B K 2"], radius: float
) -> Bool[Tensor, "B K"]:
    distance: Tensor = torch.linalg.vector_norm(pred - true, dim=-1)
    return distance < radius


def _cell_coordinates(cells: Int64[Tensor, "N K"], width: int) -> Float64[Tensor, "N K 2"]:
    """Flat cells to (x, y), -1 to (0, 0)."""
    cells = cells.clamp(min=0)
    return torch.stack((cells % width, cells // width), -1).double()


def _sum_batches(flags: Bool[Tensor, "N K"], batch_size: int) -> Float64[Tensor, "batches K"]:
    """Counts within consecutive batches."""
    batch = torch.arange(len(flags), device=flags.device) // batch_size
    counts = flags.new_zeros(-(-len(flags) // batch_size), flags.shape[1], dtype=torch.float64)
    return counts.index_add(0, batch, flags.double())
