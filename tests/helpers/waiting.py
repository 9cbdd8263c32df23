"""Waiting for what other processes do."""

import time
from collections.abc import Callable
from pathlib import Path


def wait_until(
    happened: Callable[[], bool],
    seconds: float = 500,
    otherwise: str = "it does not happen",
    every: float = 0.1,
) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, otherwise
        time.sleep(every)


def wait_for(path: Path, seconds: float) -> None:
    wait_until(path.exists, seconds, f"{path} does not appear")
