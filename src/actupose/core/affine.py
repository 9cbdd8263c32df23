"""Affine geometry: one matrix moves points, images and heat maps alike.

Matrices are (B, 3, 3), named destination-from-source, last row (0, 0, 1); they compose with ``@`` outside
autocast, which would round them to bfloat16. Pixel centres are integers: an image of side S covers -0.5 to
S - 0.5. A single matrix (1, 3, 3) broadcasts over the batch.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


def transform_points(points: Tensor, dst_from_src: Tensor) -> Tensor:
    """Move points from the source to the destination frame.

    Args:
        points: (B, N, 2) in the source frame; NaN stays NaN.
        dst_from_src: (B, 3, 3) affine.

    Returns:
        (B, N, 2) in the destination frame.
    """
    # Not a matrix product: autocast and TF32 would round coordinates to 8 or 11 bits.
    turned = (dst_from_src[:, None, :2, :2] * points[:, :, None, :]).sum(-1)
    return turned + dst_from_src[:, None, :2, 2]


def invert(dst_from_src: Tensor) -> Tensor:
    """Return src_from_dst (B, 3, 3); not finite where the matrix is singular."""
    src_from_dst: Tensor = torch.linalg.inv_ex(dst_from_src).inverse  # unlike inv, it never waits for a GPU
    return src_from_dst


def warp(
    images: Tensor,
    dst_from_src: Tensor,
    size_hw: tuple[int, int],
    mode: Literal["bilinear", "nearest"] = "bilinear",
) -> Tensor:
    """Move images or heat maps into the destination frame: one sampling, zeros outside the source.

    Args:
        images: (B, C, H, W).
        dst_from_src: (B, 3, 3), source pixels to destination pixels, of the images' dtype.
        size_hw: rows and columns of the destination.
        mode: how a pixel is read between pixels.

    Returns:
        (B, C, h, w), differentiable in ``images``.
    """
    src_from_dst = invert(dst_from_src).expand(len(images), 3, 3)
    grid = src_from_dst.new_empty(len(images), *size_hw, 2)
    _write_coordinate(grid[..., 0], src_from_dst[:, 0], images.shape[3])
    _write_coordinate(grid[..., 1], src_from_dst[:, 1], images.shape[2])
    return F.grid_sample(images, grid, mode=mode, padding_mode="zeros", align_corners=False)


def _write_coordinate(out: Tensor, row: Tensor, length: int) -> None:
    """Write one source coordinate of every destination pixel (B, h, w), from a row (B, 3) of src_from_dst.

    In grid_sample's pixel-edge form (align_corners=False), (2 x + 1) / length - 1, which one pixel has too.
    Columns and rows are added up by broadcasting: nine times as fast as moving each pixel as a point.
    """
    row = row * (2 / length)
    first = row[:, 2:3] + (1 / length - 1)
    down = torch.arange(out.shape[1], device=row.device, dtype=row.dtype) * row[:, 1:2] + first
    across = torch.arange(out.shape[2], device=row.device, dtype=row.dtype) * row[:, 0:1]
    torch.add(across[:, None, :], down[:, :, None], out=out)


def affine_matrix(
    center: Tensor, rotation: Tensor, shear: Tensor, translate: Tensor, scale: Tensor, flip: Tensor
) -> Tensor:
    """Mirror, shear, rotate, scale about a centre, then translate: UDAPE's view geometry (ECCV 2022).

    p' = c + t + s R(rotation) [[1, -tan(shear)], [0, 1]] F (p - c), R = [[cos, -sin], [sin, cos]]
    in image axes (x right, y down: a positive angle turns clockwise on the screen).

    Args:
        center: (B, 2) c, pixels.
        rotation: (B,) radians.
        shear: (B,) radians, along x.
        translate: (B, 2) t, pixels.
        scale: (B,) s.
        flip: (B,) bool; where true, F mirrors x about the centre.

    Returns:
        (B, 3, 3) dst_from_src.
    """
    cos, sin, tan = scale * rotation.cos(), scale * rotation.sin(), shear.tan()
    mirror = torch.where(flip, -1.0, 1.0).to(cos.dtype)
    top = torch.stack((cos * mirror, -cos * tan - sin), -1)
    bottom = torch.stack((sin * mirror, -sin * tan + cos), -1)
    linear = torch.stack((top, bottom), -2)
    turned_center = (linear * center[:, None, :]).sum(-1)
    return _assemble(linear, center + translate - turned_center)


def crop_matrix(left_top: Tensor, side: Tensor, out_side: int) -> Tensor:
    """Matrix of a square crop of side S that is resized to T: x' = (x - left + 0.5) T / S - 0.5.

    Args:
        left_top: (B, 2) coordinate of the crop's first pixel; its edge lies half a pixel before.
        side: (B,) S, pixels.
        out_side: T, pixels.

    Returns:
        (B, 3, 3) crop_from_image.
    """
    factor = (out_side / side)[:, None]
    linear = torch.diag_embed(factor.expand(-1, 2))
    return _assemble(linear, (0.5 - left_top) * factor - 0.5)


def scale_matrix(src_side: float, dst_side: int, device: torch.device | None = None) -> Tensor:
    """Matrix of a whole square image resized, image pixels to heat-map cells say: x' = (x + 0.5) T / S - 0.5.

    Args:
        src_side: S.
        dst_side: T.
        device: where the matrix shall lie.

    Returns:
        (1, 3, 3) dst_from_src, float32.
    """
    return crop_matrix(torch.zeros(1, 2, device=device), torch.full((1,), src_side, device=device), dst_side)


def _assemble(linear: Tensor, shift: Tensor) -> Tensor:
    """Join the (B, 2, 2) linear part and the (B, 2) shift to (B, 3, 3)."""
    last = torch.zeros_like(linear[:, :1, :1]).expand(-1, 1, 2)
    last = torch.cat((last, torch.ones_like(last[:, :, :1])), -1)
    return torch.cat((torch.cat((linear, shift[:, :, None]), -1), last), -2)
