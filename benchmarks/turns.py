"""Alternatives that take turns in one run, so that all of them see the same machine."""

import statistics
import time
from collections.abc import Callable, Sequence

import torch

Work = Callable[[int], object]


def median_ms(works: Sequence[Work], rounds: int, device: torch.device | None = None) -> list[float]:
    """Median milliseconds of each, called with the number of the round."""
    return [statistics.median(times) for times in times_ms(works, rounds, device)]


def times_ms(works: Sequence[Work], rounds: int, device: torch.device | None = None) -> list[list[float]]:
    """Milliseconds of every call of each; on a GPU from event to event, so that the host may run ahead."""
    clock = _device_ms if device is not None and device.type == "cuda" else _host_ms
    return clock(works, rounds)


def _host_ms(works: Sequence[Work], rounds: int) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in works]
    for number in range(rounds):
        for work, mine in zip(works, times, strict=True):
            began = time.perf_counter()
            work(number)
            mine.append(1000 * (time.perf_counter() - began))
    return times


def _device_ms(works: Sequence[Work], rounds: int) -> list[list[float]]:
    events: list[list[tuple[torch.cuda.Event, torch.cuda.Event]]] = [[] for _ in works]
    for number in range(rounds):
        for work, mine in zip(works, events, strict=True):
            began = _mark()
            work(number)
            mine.append((began, _mark()))
    torch.cuda.synchronize()
    return [[began.elapsed_time(ended) for began, ended in pairs] for pairs in events]


def _mark() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def wait_for(device: torch.device | None) -> None:
    """Until a GPU has done what it was asked for."""
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize()
