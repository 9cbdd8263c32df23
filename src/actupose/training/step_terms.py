"""Loss terms of a step, looked at one step later, so that the host need not wait for the device."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from actupose.data.dataset import ImageBatch


@dataclass(frozen=True)
class StepTerms:
    """Loss terms of a step on their way to the host, and the positions of its samples."""

    step: int
    names: tuple[str, ...]
    values: Tensor
    arrived: torch.cuda.Event | None
    labelled: Tensor
    target: Tensor | None

    @classmethod
    def send(
        cls, step: int, terms: Mapping[str, Tensor], labelled: ImageBatch, target: ImageBatch | None
    ) -> "StepTerms":
        """Start the copy; nothing waits."""
        values = torch.stack([value.detach() for value in terms.values()])
        arrived = torch.cuda.Event() if values.is_cuda else None
        values = values.to("cpu", non_blocking=True)
        if arrived is not None:
            arrived.record()
        return cls(step, tuple(terms), values, arrived, labelled.index, target.index if target else None)

    def bad_term(self) -> str | None:
        """The first term that is not finite, with its value; waits for this step and no later one."""
        if self.arrived is not None:
            self.arrived.synchronize()
        for name, value in zip(self.names, self.values.tolist(), strict=True):
            if not math.isfinite(value):
                return f"term {name!r} is {value}"
        return None
