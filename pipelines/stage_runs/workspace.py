"""One pipeline at a time in a workspace: params.yaml and DVC's outputs are there once."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from actupose.layout import STATE
from pipelines._file_lock import take_lock

LOCK = STATE / "pipeline.lock"
_POLL_SECONDS = 1.0


@contextmanager
def workspace_lock(log: Callable[[str], object]) -> Iterator[None]:
    """Wait until no other pipeline is in this workspace, and keep others out.

    The system takes the lock back when this process ends, however it ends.
    """
    STATE.mkdir(exist_ok=True)
    with LOCK.open("a+") as lock:
        if not take_lock(lock):
            log(f"another pipeline is in this workspace (process {LOCK.read_text() or '?'}): waiting for it")
            while not take_lock(lock):
                time.sleep(_POLL_SECONDS)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def try_workspace_lock() -> Iterator[bool]:
    """Keep pipelines out of this workspace if none is in it; yields whether none was."""
    STATE.mkdir(exist_ok=True)
    with LOCK.open("a+") as lock:
        yield take_lock(lock)
