"""Alternatives that take turns in one run, so that all of them see the same machine."""

import statistics
import time
from collections.abc import Callable, Sequence

import torch

Work = Callable[[int], object]


def median_ms(works: Sequence[Work], rounds: int, device: torch.device | None = None) -> list[float]:
    """Median milliseconds of each, called with the number of the round; a GPU is waited for."""
    times = [[_seconds(work, number, device) for work in works] for number in range(rounds)]
    return [1000 * statistics.median(column) for column in zip(*times, strict=True)]


def wait_for(device: torch.device | None) -> None:
    """Until a GPU has done what it was asked for."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize()


def _seconds(work: Work, number: int, device: torch.device | None) -> float:
    began = time.perf_counter()
    work(number)
    wait_for(device)
    return time.perf_counter() - began
