"""From the visible surface to an image: the clean ``synthetic`` look and the disturbed ``photo`` look."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate, normalize, pad

from actupose.data.figures.render import Hits
from actupose.data.figures.scenery import (
    cluttered_backgrounds,
    occluder_masks,
    plain_backgrounds,
    random_tones,
)

Look = Literal["synthetic", "photo"]


@dataclass(frozen=True)
class Light:
    """One lamp and its surroundings.

    Attributes:
        direction: (B, 3) unit vector towards the lamp in the view frame.
        lamp, ambient: (B, 3) colours.
        rim: (B, 1) darkening of surfaces seen at a grazing angle.

    """

    direction: Tensor
    lamp: Tensor
    ambient: Tensor
    rim: Tensor


def sample_light(rng: torch.Generator, count: int, look: Look) -> Light:
    """White from about above the camera (synthetic), or coloured from any side, soft to harsh (photo)."""
    if look == "synthetic":
        direction = torch.tensor([0.0, -0.6, -1.0]) + 0.4 * torch.randn(count, 3, generator=rng)
        white = torch.ones(count, 3)
        return Light(normalize(direction, dim=1), 0.55 * white, 0.5 * white, torch.full((count, 1), 0.35))
    spread = torch.tensor([1.0, 0.6, 0.6])
    direction = torch.tensor([0.0, -0.7, -0.5]) + spread * torch.randn(count, 3, generator=rng)
    tint = 1.0 + 0.12 * torch.randn(count, 2, 3, generator=rng)
    ambient = 0.25 + 0.4 * torch.rand(count, 1, generator=rng)
    lamp = (1.15 - ambient) * (0.6 + 0.6 * torch.rand(count, 1, generator=rng))
    rim = 0.45 * torch.rand(count, 1, generator=rng)
    return Light(normalize(direction, dim=1), lamp * tint[:, 0], ambient * tint[:, 1], rim)


def shade(hits: Hits, albedo: Tensor, light: Light) -> Tensor:
    """Colour (N, 3) of surface points under a lamp without cast shadows."""
    facing = (hits.normal * light.direction[hits.figure]).sum(-1, keepdim=True).clamp(min=0.0)
    grazing = 1.0 + hits.normal[:, 2:].clamp(-1.0, 0.0)
    radiance = light.ambient[hits.figure] + light.lamp[hits.figure] * facing
    return albedo * radiance * (1.0 - light.rim[hits.figure] * grazing)


def rasterise(hits: Hits, colour: Tensor, count: int, fine_side: int, factor: int) -> tuple[Tensor, Tensor]:
    """Premultiplied colour (B, 3, H, W) and coverage (B, 1, H, W) with H = W = fine_side / factor."""
    layers = torch.zeros(count * fine_side * fine_side, 4)
    opaque = torch.ones(len(colour), 1)
    layers[hits.figure * (fine_side * fine_side) + hits.pixel] = torch.cat([colour, opaque], 1)
    layers = layers.view(count, fine_side, fine_side, 4).permute(0, 3, 1, 2)
    layers = avg_pool2d(layers.contiguous(), factor)
    return layers[:, :3], layers[:, 3:]


def compose_synthetic(rng: torch.Generator, colour: Tensor, coverage: Tensor) -> Tensor:
    """Lay the figures over plain backgrounds: (B, 3, H, W), 0 to 1."""
    background = plain_backgrounds(rng, len(colour), colour.shape[-1])
    return colour + (1.0 - coverage) * background


def compose_photo(
    rng: torch.Generator, shapes: np.random.Generator, colour: Tensor, coverage: Tensor
) -> tuple[Tensor, Tensor]:
    """Put figures between clutter and occluders: images (B, 3, H, W), 0 to 1; occluder opacity (B, H, W)."""
    count, side = len(colour), colour.shape[-1]
    scene = colour + (1.0 - coverage) * cluttered_backgrounds(rng, shapes, count, side)
    masks = occluder_masks(shapes, count, side)
    grain = interpolate(torch.randn(count, 1, 12, 12, generator=rng), (side, side), mode="bilinear")
    front = random_tones(rng, count) + 0.12 * grain
    return torch.lerp(scene, front.clamp(0.0, 1.0), masks[:, None]), masks


def _blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (B, 3, H, W) by ``sigma`` pixels."""
    radius = max(1, round(2.5 * sigma))
    offsets = torch.arange(-radius, radius + 1.0)
    kernel = (-0.5 * (offsets / sigma).square()).exp()
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    padded = pad(images, (radius, radius, radius, radius), mode="replicate")
    return conv2d(conv2d(padded, kernel[:, :, None], groups=3), kernel[:, :, :, None], groups=3)


def _shadow_patches(rng: torch.Generator, count: int, side: int) -> Tensor:
    """Uneven illumination (B, 1, H, W): gain between about 0.6 and 1.2."""
    coarse = torch.randn(count, 1, 4, 4, generator=rng)
    return 0.95 + 0.15 * interpolate(coarse, (side, side), mode="bilinear").clamp(-2.0, 2.0)


def degrade(rng: torch.Generator, images: Tensor) -> Tensor:
    """Add a camera's faults: uneven light, exposure, colour cast, contrast, blur, noise; not clipped."""
    count, _, side, _ = images.shape
    images = images * _shadow_patches(rng, count, side)
    exposure = 0.32 + 0.3 * torch.rand(count, 1, 1, 1, generator=rng)
    images = images * (exposure / images.mean((1, 2, 3), keepdim=True)).clamp(0.5, 2.5)
    cast = 1.0 + 0.08 * torch.randn(count, 3, 1, 1, generator=rng)
    contrast = 0.6 + 0.5 * torch.rand(count, 1, 1, 1, generator=rng)
    images = 0.45 + contrast * (images * cast - 0.45)
    softness = 0.7 * torch.rand(count, 1, 1, 1, generator=rng).square()
    images = torch.lerp(images, _blur(images, side / 64.0), softness)
    noise = 0.04 * torch.rand(count, 1, 1, 1, generator=rng)
    return images + noise * torch.randn(images.shape, generator=rng)


def to_bytes(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) in 0 to 1 as uint8 (B, H, W, 3)."""
    return (images.clamp(0.0, 1.0) * 255.0 + 0.5).byte().permute(0, 2, 3, 1).contiguous()
