"""Colours of skin and cloth, linear, 0 to 1."""

import torch
from torch import Tensor

SKIN_TONES = torch.tensor(
    [[0.96, 0.80, 0.69], [0.90, 0.70, 0.56], [0.80, 0.58, 0.43], [0.66, 0.45, 0.31], [0.48, 0.32, 0.22],
     [0.34, 0.22, 0.16]]
)  # fmt: skip
"""From pale to dark."""


def pick(rng: torch.Generator, table: Tensor, count: int) -> Tensor:
    """Random rows (count, 3) of a colour table."""
    return table[torch.randint(len(table), (count,), generator=rng)]


def vivid(rng: torch.Generator, count: int) -> Tensor:
    """Saturated colours (count, 3): one channel high, one low."""
    hue = torch.rand(count, 1, generator=rng)
    value = 0.45 + 0.5 * torch.rand(count, 1, generator=rng)
    wheel = (((hue + torch.tensor([0.0, 2 / 3, 1 / 3])) % 1.0 * 6 - 3).abs() - 1).clamp(0.0, 1.0)
    return value * (0.2 + 0.8 * wheel)


def fabric(rng: torch.Generator, count: int) -> Tensor:
    """Colours (count, 3) of worn clothes: from grey to vivid, from black to white."""
    grey = torch.rand(count, 1, generator=rng)
    saturation = 0.9 * torch.rand(count, 1, generator=rng)
    return (1 - saturation) * grey + saturation * vivid(rng, count)
