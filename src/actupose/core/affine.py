"""Affine geometry: one matrix moves points, images and heat maps alike.

Matrices are named destination-from-source, last row (0, 0, 1); they compose with ``@`` outside autocast,
which would round them to bfloat16. Pixel centres are integers: an image of side S covers -0.5 to S - 0.5. A
single matrix broadcasts over the batch (``#B``).
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def transform_points(
    points: Float[Tensor, "B N 2"], dst_from_src: Float[Tensor, "#B 3 3"]
) -> Float[Tensor, "B N 2"]:
    """Move points from the source to the destination frame.

    Args:
        points: in the source frame; NaN stays NaN.
        dst_from_src: affine.

    Returns:
        Points in the destination frame.
    """
    # Not a matrix product: autocast and TF32 would round coordinates to 8 or 11 bits.
    turned = (dst_from_src[:, None, :2, :2] * points[:, :, None, :]).sum(-1)
    return turned + dst_from_src[:, None, :2, 2]


def invert(dst_from_src: Float[Tensor, "B 3 3"]) -> Float[Tensor, "B 3 3"]:
    """Return src_from_dst; not finite where the matrix is singular."""
    src_from_dst: Tensor = torch.linalg.inv_ex(dst_from_src).inverse  # unlike inv, it never waits for a GPU
    return src_from_dst


def warp(
    images: Float[Tensor, "B C H W"],
    dst_from_src: Float[Tensor, "#B 3 3"],
    size_hw: tuple[int, int],
    mode: Literal["bilinear", "nearest"] = "bilinear",
) -> Float[Tensor, "B C h w"]:
    """Move images or heat maps into the destination frame: one sampling, zeros outside the source.

    Args:
        images: in the source frame.
        dst_from_src: source pixels to destination pixels, of the images' dtype.
        size_hw: rows and columns of the destination.
        mode: how a pixel is read between pixels.

    Returns:
        Images in the destination frame, differentiable in ``images``.
    """
    src_from_dst = invert(dst_from_src).expand(len(images), 3, 3)
    grid = src_from_dst.new_empty(len(images), *size_hw, 2)
    _write_coordinate(grid[..., 0], src_from_dst[:, 0], images.shape[3])
    _write_coordinate(grid[..., 1], src_from_dst[:, 1], images.shape[2])
    return F.grid_sample(images, grid, mode=mode, padding_mode="zeros", align_corners=False)


def _write_coordinate(out: Float[Tensor, "B h w"], row: Float[Tensor, "B 3"], length: int) -> None:
    """Write one source coordinate of every destination pixel, from a row of src_from_dst.

    In grid_sample's pixel-edge form (align_corners=False), (2 x + 1) / length - 1, which one pixel has too.
    Columns and rows are added up by broadcasting: nine times as fast as moving each pixel as a point.
    """
    row = row * (2 / length)
    first = row[:, 2:3] + (1 / length - 1)
    down = torch.arange(out.shape[1], device=row.device, dtype=row.dtype) * row[:, 1:2] + first
    across = torch.arange(out.shape[2], device=row.device, dtype=row.dtype) * row[:, 0:1]
    torch.add(across[:, None, :], down[:, :, None], out=out)


def affine_matrix(
    center_src: Float[Tensor, "B 2"],
    rotation: Float[Tensor, "B"],
    shear: Float[Tensor, "B"],
    translate: Float[Tensor, "B 2"],
    scale: Float[Tensor, "B"],
    flip: Bool[Tensor, "B"],
) -> Float[Tensor, "B 3 3"]:
    """Mirror, shear, rotate, scale about a centre, then translate: UDAPE's view geometry (ECCV 2022).

    p' = c + t + s R(rotation) [[1, -tan(shear)], [0, 1]] F (p - c), R = [[cos, -sin], [sin, cos]]
    in image axes (x right, y down: a positive angle turns clockwise on the screen).

    Args:
        center_src: c, pixels.
        rotation: radians.
        shear: radians, along x.
        translate: t, pixels of the destination.
        scale: s.
        flip: where true, F mirrors x about the centre.

    Returns:
        dst_from_src.
    """
    cos, sin, tan = scale * rotation.cos(), scale * rotation.sin(), shear.tan()
    mirror = torch.where(flip, -1.0, 1.0).to(cos.dtype)
    top = torch.stack((cos * mirror, -cos * tan - sin), -1)
    bottom = torch.stack((sin * mirror, -sin * tan + cos), -1)
    linear = torch.stack((top, bottom), -2)
    turned_center = (linear * center_src[:, None, :]).sum(-1)
    return _assemble(linear, center_src + translate - turned_center)


def crop_matrix(
    left_top_image: Float[Tensor, "B 2"], side: Float[Tensor, "B"], out_side: int
) -> Float[Tensor, "B 3 3"]:
    """Matrix of a square crop of side S that is resized to T: x' = (x - left + 0.5) T / S - 0.5.

    Args:
        left_top_image: pixels, the crop's first one; its edge lies half a pixel before.
        side: S, image pixels.
        out_side: T, crop pixels.

    Returns:
        crop_from_image.
    """
    factor = (out_side / side)[:, None]
    linear = torch.diag_embed(factor.expand(-1, 2))
    return _assemble(linear, (0.5 - left_top_image) * factor - 0.5)


def scale_matrix(
    src_side: float, dst_side: int, device: torch.device | None = None
) -> Float[Tensor, "1 3 3"]:
    """Matrix of a whole square image resized, image pixels to heat-map cells say: x' = (x + 0.5) T / S - 0.5.

    Args:
        src_side: S.
        dst_side: T.
        device: where the matrix shall lie.

    Returns:
        dst_from_src, float32.
    """
    side = torch.full((1,), float(src_side), device=device)
    return crop_matrix(torch.zeros(1, 2, device=device), side, dst_side)


def _assemble(linear: Float[Tensor, "B 2 2"], shift: Float[Tensor, "B 2"]) -> Float[Tensor, "B 3 3"]:
    """Join the linear part and the shift."""
    last = torch.zeros_like(linear[:, :1, :1]).expand(-1, 1, 2)
    last = torch.cat((last, torch.ones_like(last[:, :, :1])), -1)
    return torch.cat((torch.cat((linear, shift[:, :, None]), -1), last), -2)
