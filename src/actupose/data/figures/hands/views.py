"""From where hands are seen."""

import torch

from actupose.data.figures.camera import Framing


def sample_framing(rng: torch.Generator, count: int) -> Framing:
    """Palm or back first, a fifth from anywhere around; turned freely in the image, as crops of hands are."""
    normal = torch.randn(count, 2, generator=rng)
    uniform = torch.rand(count, 6, generator=rng)
    anywhere = (2 * uniform[:, 0] - 1) * torch.pi
    facing = torch.where(uniform[:, 1] < 0.4, torch.pi, 0.0)
    return Framing(
        yaw=torch.where(uniform[:, 1] > 0.8, anywhere, facing + 0.4 * normal[:, 0]),
        pitch=0.3 * normal[:, 1],
        roll=(2 * uniform[:, 2] - 1) * torch.pi,
        fill=0.64 + 0.2 * uniform[:, 3],
        offset=0.1 * (uniform[:, 4:6] - 0.5),
    )
