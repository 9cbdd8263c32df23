"""Bidirectional style transfer of the mean teacher (UDAPE): which batches are restyled, by how much."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from actupose.core.rng import generator
from actupose.core.style import mix_amplitudes
from actupose.params import StyleParams

Transfer = Callable[[Tensor, Tensor, float | Tensor], Tensor]  # content, style, mix -> restyled
Direction = Literal["source to target", "target to source"]


class StyleTransfer:
    """A coin and a mix weight for every batch and direction; the other side of the coin costs nothing."""

    def __init__(self, settings: StyleParams, seed: int, net: Transfer | None) -> None:
        self.settings = settings
        self.seed = seed
        self.transfer = net or partial(mix_amplitudes, band=settings.band)

    @property
    def is_on(self) -> bool:
        """Whether any batch is ever restyled."""
        return self.settings.kind != "none" and self.settings.rate > 0

    def restyle(
        self, direction: Direction, step: int, content: Tensor, style: Callable[[], Tensor]
    ) -> Tensor:
        """Images (B, 3, S, S) in 0..1 with the look of ``style()``, or as they are when the coin says so."""
        if not self.is_on:
            return content
        random = generator(self.seed, f"style {direction}", step)
        coin, place = torch.rand(2, generator=random).tolist()  # on the host
        if coin >= self.settings.rate:
            return content
        low, high = self.settings.mix
        # A tensor: a compiled net would be compiled anew for every number.
        mix = torch.full((), low + place * (high - low), device=content.device)
        with torch.no_grad():
            return self.transfer(content, style(), mix)
