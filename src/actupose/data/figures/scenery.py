"""What is behind and in front of a figure: plain backgrounds, cluttered backgrounds, occluders."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

_SHIFT = 4
"""OpenCV draws with 4 fractional bits, so that shapes are anti-aliased at sub-pixel places."""


def random_tones(rng: torch.Generator, count: int) -> Tensor:
    """Colours (B, 3, 1, 1) from dark to pale, near grey."""
    grey = 0.12 + 0.65 * torch.rand(count, 1, 1, 1, generator=rng)
    return grey + 0.09 * torch.randn(count, 3, 1, 1, generator=rng)


def plain_backgrounds(rng: torch.Generator, count: int, side: int) -> Tensor:
    """Soft vertical gradients (B, 3, side, side) in one colour, from dark to pale."""
    slope = 0.3 * (torch.rand(count, 1, 1, 1, generator=rng) - 0.5)
    rows = torch.linspace(-1.0, 1.0, side)[:, None]
    return (random_tones(rng, count) + slope * rows).expand(-1, -1, -1, side).clamp(0.0, 1.0)


def _clouds(rng: torch.Generator, count: int, side: int) -> Tensor:
    """Noise (B, 3, side, side) of several scales, about unit variance, partly grey."""
    total = torch.zeros(count, 3, side, side)
    for cells, strength in ((2, 1.0), (5, 0.6), (16, 0.45), (32, 0.35)):
        grey = torch.randn(count, 1, cells, cells, generator=rng)
        colour = torch.randn(count, 3, cells, cells, generator=rng)
        total += strength * interpolate(0.8 * grey + 0.4 * colour, (side, side), mode="bilinear")
    return total


def _colour(rng: np.random.Generator, skin_like: float) -> tuple[float, float, float]:
    """Draw a clutter colour, 0 to 255; a share of ``skin_like`` has the hue of skin and wood."""
    value = rng.random(4)
    if value[3] < skin_like:
        tone = 75.0 + 170.0 * value[0]
        return (tone, 0.74 * tone, 0.56 * tone)
    grey = 255.0 * 0.65 * rng.random()
    return (90.0 * value[0] + grey, 90.0 * value[1] + grey, 90.0 * value[2] + grey)


def _draw_shape(canvas: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """One box, limb-like bar or ellipse of random place, size and colour; in place on (side, side, 3)."""
    side = len(canvas)
    scale = side * (1 << _SHIFT)
    kind = rng.integers(4)
    u = rng.random(6)
    colour = _colour(rng, 0.35)
    centre = (int(u[0] * scale), int(u[1] * scale))
    if kind == 0:
        half = np.array([0.05 + 0.25 * u[2], 0.05 + 0.35 * u[3]]) * scale
        box = cv2.boxPoints((centre, (float(half[0]), float(half[1])), float(90 * u[4] * (u[5] > 0.5))))
        cv2.fillConvexPoly(canvas, box.astype(np.int32), colour, cv2.LINE_AA, _SHIFT)
    elif kind < 3:
        reach = (0.08 + 0.35 * u[2]) * scale
        end = (int(centre[0] + reach * np.cos(6.3 * u[3])), int(centre[1] + reach * np.sin(6.3 * u[3])))
        cv2.line(
            canvas, centre, end, colour, max(1, round(side * (0.012 + 0.06 * u[4]))), cv2.LINE_AA, _SHIFT
        )
    else:
        axes = (int((0.03 + 0.1 * u[2]) * scale), int((0.03 + 0.14 * u[3]) * scale))
        cv2.ellipse(canvas, centre, axes, 180 * u[4], 0, 360, colour, -1, cv2.LINE_AA, _SHIFT)


def cluttered_backgrounds(rng: torch.Generator, shapes: np.random.Generator, count: int, side: int) -> Tensor:
    """Textured wall and ground with boxes, bars and blobs, some in the colour of skin: (B, 3, side, side)."""
    horizon = (0.35 + 0.5 * torch.rand(count, 1, 1, 1, generator=rng)) * side
    is_ground = torch.arange(side)[:, None] > horizon
    base = torch.where(is_ground, random_tones(rng, count), random_tones(rng, count))
    roughness = 0.02 + 0.07 * torch.rand(count, 1, 1, 1, generator=rng)
    wall = base + 0.5 * roughness * _clouds(rng, count, side)
    canvas = (wall.clamp(0.0, 1.0) * 255.0).byte().permute(0, 2, 3, 1).contiguous().numpy()
    for image in canvas:
        for _ in range(shapes.integers(1, 8)):
            _draw_shape(image, shapes)
    texture = roughness * _clouds(rng, count, side)
    return (torch.from_numpy(canvas).permute(0, 3, 1, 2) / 255.0 + texture).clamp(0.0, 1.0)


def _draw_occluder(mask: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """One pole, plank or blob in front of the middle of the image; in place on (side, side)."""
    side = len(mask)
    scale = side * (1 << _SHIFT)
    u = rng.random(6)
    centre = (int((0.2 + 0.6 * u[0]) * scale), int((0.2 + 0.65 * u[1]) * scale))
    if u[2] < 0.4:
        tilt = 0.25 * (u[3] - 0.5) + (0.5 * np.pi) * (u[5] < 0.6)
        reach = np.array([np.cos(tilt), np.sin(tilt)]) * scale
        start, end = ((int(centre[0] + s * reach[0]), int(centre[1] + s * reach[1])) for s in (-1, 1))
        cv2.line(mask, start, end, 255, max(1, round(side * (0.03 + 0.06 * u[4]))), cv2.LINE_AA, _SHIFT)
    elif u[2] < 0.75:
        size = ((0.12 + 0.22 * u[3]) * scale, (0.12 + 0.22 * u[4]) * scale)
        box = cv2.boxPoints((centre, size, float(60 * (u[5] - 0.5))))
        cv2.fillConvexPoly(mask, box.astype(np.int32), 255, cv2.LINE_AA, _SHIFT)
    else:
        axes = (int((0.05 + 0.1 * u[3]) * scale), int((0.05 + 0.1 * u[4]) * scale))
        cv2.ellipse(mask, centre, axes, 180 * u[5], 0, 360, 255, -1, cv2.LINE_AA, _SHIFT)


def occluder_masks(rng: np.random.Generator, count: int, side: int) -> Tensor:
    """Opacity (B, side, side), 0 to 1, of things in front of the figure, in three images of ten."""
    masks = np.zeros((count, side, side), np.uint8)
    for mask in masks:
        for _ in range(rng.choice([0, 1, 2], p=[0.7, 0.25, 0.05])):
            _draw_occluder(mask, rng)
    return torch.from_numpy(masks).float() / 255.0


def hidden_by_occluder(masks: Tensor, keypoints_px: Tensor) -> Tensor:
    """Whether the pixel at each keypoint (B, K, 2) is mostly covered (B, K)."""
    side = masks.shape[-1]
    x, y = keypoints_px.round().long().clamp(0, side - 1).unbind(-1)
    return masks[torch.arange(len(masks))[:, None], y, x] > 0.5
