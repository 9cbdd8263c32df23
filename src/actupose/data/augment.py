"""Random views of a batch on its device: one matrix moves images and keypoints alike.

A view is drawn (random, small) apart from being rendered (deterministic). Draws come from a CPU generator,
so that every device sees the same.
"""

from dataclasses import dataclass
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor

from actupose.core.affine import affine_matrix, crop_matrix, invert, transform_points, warp
from actupose.core.pseudo_label import swap_flipped
from actupose.core.ranks import share
from actupose.params import ViewParams

_GRAY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class ViewDraws:
    """What a view of each sample is made from, on the CPU.

    Attributes:
        rotation, shear: (B,) radians.
        translate: (B, 2) px.
        scale: (B,).
        flipped: (B,) bool.
        color: (B, 3) factors of brightness, contrast, saturation.
        blur: (B,) Gaussian radius in pixels.
    """

    rotation: Tensor
    shear: Tensor
    translate: Tensor
    scale: Tensor
    flipped: Tensor
    color: Tensor
    blur: Tensor


@dataclass(frozen=True)
class View:
    """One random view of each sample.

    Attributes:
        view_from_stored: (B, 3, 3) pixels of the stored image to pixels of the view.
        flipped: (B,) bool, left and right keypoints change names.
        color: (B, 3) factors of brightness, contrast, saturation.
        blur: (B,) Gaussian radius in pixels.
    """

    view_from_stored: Tensor
    flipped: Tensor
    color: Tensor
    blur: Tensor


def draw_crop(
    area: tuple[float, float], batch: int, side: int, random: torch.Generator, device: torch.device
) -> Tensor:
    """(B, 3, 3) base_from_stored: a square crop of a random share of the area, resized to the full side."""
    shares = torch.empty(batch).uniform_(*area, generator=random)
    crop_side = side * shares.sqrt()
    left_top = torch.rand(batch, 2, generator=random) * (side - crop_side)[:, None]
    return crop_matrix(left_top, crop_side, side).to(device, non_blocking=True)


def draw_view(ranges: ViewParams, base_from_stored: Tensor, side: int, random: torch.Generator) -> View:
    """Random view of the base view (facts of UDAPE's RandomAffineRotation and ColorJitter)."""
    return make_view(draw_for_view(ranges, len(base_from_stored), side, random), base_from_stored, side)


def draw_for_view(ranges: ViewParams, batch: int, side: int, random: torch.Generator) -> ViewDraws:
    """Draws of one view of each of ``batch`` samples."""
    return ViewDraws(
        rotation=_symmetric(ranges.rotation * pi / 180, batch, 1, random)[:, 0],
        shear=_symmetric(ranges.shear * pi / 180, batch, 1, random)[:, 0],
        translate=_symmetric(ranges.translate * side, batch, 2, random),
        scale=torch.empty(batch).uniform_(*ranges.scale, generator=random),
        flipped=torch.rand(batch, generator=random) < ranges.flip,
        color=1 + _symmetric(ranges.color, batch, 3, random),
        blur=ranges.blur * torch.rand(batch, generator=random),
    )


def make_view(draws: ViewDraws, base_from_stored: Tensor, side: int) -> View:
    """The view of square images ``side`` pixels wide that the draws describe, on the matrix's device."""
    center = torch.full_like(draws.translate, (side - 1) / 2)
    view_from_base = affine_matrix(
        center, draws.rotation, draws.shear, draws.translate, draws.scale, draws.flipped
    )
    view_from_base, flipped, color, blur = (
        drawn.to(base_from_stored.device, non_blocking=True)
        for drawn in (view_from_base, draws.flipped, draws.color, draws.blur)
    )
    return View(view_from_base @ base_from_stored, flipped, color, blur)


def render_view(images: Tensor, view: View, blurred: bool) -> Tensor:
    """This rank's uint8 stored images (B / ranks, 3, S, S) as seen in views (B) of the whole batch.

    Float in 0..1, black outside the image.
    """
    side = images.shape[-1]
    seen = warp(images / 255, share(view.view_from_stored), (side, side))
    jitter_color_(seen, share(view.color))
    return gaussian_blur(seen, share(view.blur)) if blurred else seen


def keypoints_in_view(keypoints_stored: Tensor, view: View, permutation: Tensor) -> Tensor:
    """Keypoints (B, K, 2) of the stored image in pixels of the view; left and right change where flipped."""
    keypoints_view = transform_points(keypoints_stored, view.view_from_stored)
    return swap_flipped(keypoints_view, view.flipped, permutation)


def keypoints_in_stored(keypoints_view: Tensor, view: View, permutation: Tensor) -> Tensor:
    """Inverse of :func:`keypoints_in_view`."""
    unflipped = swap_flipped(keypoints_view, view.flipped, permutation)
    return transform_points(unflipped, invert(view.view_from_stored))


def inside_image(keypoints_px: Tensor, side: int) -> Tensor:
    """(B, K) whether keypoints lie on the image; False for NaN."""
    return ((keypoints_px >= -0.5) & (keypoints_px <= side - 0.5)).all(dim=-1)


def jitter_color_(images: Tensor, factors: Tensor) -> None:
    """Brightness, contrast, saturation by factors (B, 3), in this order, on images (B, 3, H, W) in 0..1.

    In place, because fresh memory for every factor took more time than the arithmetic on a CPU.
    """
    brightness, contrast, saturation = factors[:, :, None, None, None].unbind(dim=1)
    images.mul_(brightness).clamp_(0, 1)
    mean = _gray(images).mean(dim=(2, 3), keepdim=True)
    images.lerp_(mean, 1 - contrast).clamp_(0, 1)
    images.lerp_(_gray(images), 1 - saturation).clamp_(0, 1)


def _gray(images: Tensor) -> Tensor:
    """(B, 1, H, W) luminance."""
    red, green, blue = images.split(1, dim=1)
    return torch.add(_GRAY[0] * red, green, alpha=_GRAY[1]).add_(blue, alpha=_GRAY[2])


def gaussian_blur(images: Tensor, radius: Tensor) -> Tensor:
    """Separable Gaussian blur of images (B, C, H, W), one standard deviation in pixels (B,) each."""
    reach = 4
    offsets = torch.arange(-reach, reach + 1, device=images.device)
    kernels = torch.exp(-0.5 * (offsets / radius.clamp(min=0.05)[:, None]) ** 2)
    kernels = (kernels / kernels.sum(dim=1, keepdim=True)).repeat_interleave(images.shape[1], dim=0)
    flat = images.flatten(0, 1)[None]
    groups = flat.shape[1]
    flat = F.conv2d(F.pad(flat, (reach,) * 4, mode="replicate"), kernels[:, None, None, :], groups=groups)
    flat = F.conv2d(flat, kernels[:, None, :, None], groups=groups)
    return flat[0].reshape(images.shape)


def draw_patches(share: float, patch: float, batch: int, random: torch.Generator) -> Tensor:
    """(B, n, n) bool: which patches of a grid to hide; ``patch`` is their width as a share of the side."""
    number = max(1, round(1 / patch))
    return torch.rand(batch, number, number, generator=random) < share


def mask_patches(images: Tensor, hidden: Tensor) -> Tensor:
    """Images (B, C, H, W) with patches in their own mean colour, where ``hidden`` (B, n, n) says so."""
    size = images.shape[-2:]
    is_hidden = F.interpolate(hidden[:, None].float(), size, mode="nearest") > 0
    return torch.where(is_hidden, images.mean(dim=(2, 3), keepdim=True), images)


def _symmetric(limit: float, batch: int, width: int, random: torch.Generator) -> Tensor:
    return (2 * torch.rand(batch, width, generator=random) - 1) * limit
