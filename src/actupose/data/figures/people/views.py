"""From where people are seen."""

import torch

from actupose.data.figures.camera import Framing


def sample_framing(rng: torch.Generator, count: int) -> Framing:
    """Mostly frontal and three-quarter views, some from the side and from behind, jittered in place."""
    normal = torch.randn(count, 3, generator=rng)
    uniform = torch.rand(count, 5, generator=rng)
    anywhere = (2 * uniform[:, 0] - 1) * torch.pi
    yaw = torch.where(uniform[:, 1] < 0.4, anywhere, 0.6 * normal[:, 0])
    return Framing(
        yaw=yaw,
        pitch=0.08 + 0.14 * normal[:, 1],
        roll=0.06 * normal[:, 2],
        fill=0.62 + 0.28 * uniform[:, 2],
        offset=0.12 * (uniform[:, 3:5] - 0.5),
    )
