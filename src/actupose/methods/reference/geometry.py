"""Arithmetic of the public UDAPE and RegDA code where ours differs: reached by ``fidelity: reference`` alone.

A keypoint at x px lies in the whole cell int(x / stride + 0.5), and cell i means i * stride px: nearly half a
cell off the geometry that warps use. Gaussians are cut to a square of 3 sigma. Heat maps are un-warped by
three nearest-neighbour steps on the same canvas. (facts/udape.md 2.3, 3.1-3.4 and C1-C4.)
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from actupose.core.affine import affine_matrix, warp
from actupose.core.heatmap import render_windows


def whole_cells(keypoints: Float[Tensor, "B K 2"], stride: float) -> Float[Tensor, "B K 2"]:
    """Cells of keypoints in pixels, truncated towards 0 as C does; NaN stays NaN."""
    return (keypoints / stride + 0.5).trunc()


def flat_cells(cells: Float[Tensor, "B K 2"], side: int) -> Int64[Tensor, "B K"]:
    """Row-major index of whole cells of a square map, -1 outside it and for NaN."""
    inside = ((cells >= 0) & (cells < side)).all(dim=-1)
    x, y = torch.nan_to_num(cells).long().unbind(-1)
    return torch.where(inside, y * side + x, -1)


def render_labels(
    keypoints: Float[Tensor, "B K 2"], stride: float, side: int, sigma: float
) -> Float[Tensor, "B K {side} {side}"]:
    """Heat maps of keypoints in pixels; zeros for one whose cell lies outside."""
    cells = flat_cells(whole_cells(keypoints, stride), side)
    maps = render_windows(cells.clamp(min=0), side, side, sigma)
    return torch.where((cells >= 0)[:, :, None, None], maps, 0)


def unwarp(
    maps: Float[Tensor, "B C S S"],
    rotation: Float[Tensor, "B"],
    shear: Float[Tensor, "B"],
    translate: Float[Tensor, "B 2"],
    scale: Float[Tensor, "B"],
) -> Float[Tensor, "B C S S"]:
    """Undo a view of images or heat maps: a shift, a turn, a shear, each to the nearest cell.

    Args:
        maps: what the view shows.
        rotation: radians, that of the view, as the others.
        shear: radians.
        translate: in cells of ``maps``.
        scale: that of the view.

    Returns:
        Differentiable in ``maps``; what left the canvas between the steps is lost.
    """
    side = maps.shape[-1]
    center = torch.full_like(translate, (side - 1) / 2)
    still, nowhere, whole = torch.zeros_like(rotation), torch.zeros_like(translate), torch.ones_like(scale)
    unflipped = torch.zeros_like(rotation, dtype=torch.bool)
    for turn, slant, shift, zoom in (
        (still, still, -translate, whole),
        (-rotation, still, nowhere, 1 / scale),
        (still, -shear, nowhere, whole),
    ):
        matrix = affine_matrix(center, turn, slant, shift, zoom, unflipped)
        maps = warp(maps, matrix, (side, side), mode="nearest")
    return maps
