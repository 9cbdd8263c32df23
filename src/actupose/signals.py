"""What SIGINT and SIGTERM do, in all stages and pipelines: both ask for the same, an end in good order.

====================  ===========================================================================
who is asked          what it finishes before it ends with 128 + signal
====================  ===========================================================================
``stages.train``      the step; it saves a checkpoint and MLflow's run becomes KILLED
other stages          nothing: outputs appear whole or not at all, MLflow hears KILLED
``actupose``          nothing; ``actupose up`` stops its servers and the runs in progress
other ``pipelines``   their children, then MLflow hears KILLED, and a server of their own stops
====================  ===========================================================================

- *A second signal* is ignored by stages and ``actupose``: it would cut short what the first one unwinds.
  Pipelines take it as impatience: they kill what is left of their children.
- *From pipelines to stages*: to the process groups of the children SIGINT, after a time of grace SIGTERM,
  after another one SIGKILL. Inside a Prefect worker children are in the flow run's group, which the worker
  signals as a whole; there the handler is Prefect's own.
- *From DVC to stages*: it passes on no SIGTERM, so a stage takes the death of DVC for one.
- *While a local database is written* a signal waits: an exception in the middle of a transaction would leave
  the database locked, by ourselves, for what is to be written last.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import psutil

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_WATCH_SECONDS = 0.2


def unwind_on_signals(*, once: bool) -> None:
    """Let a signal unwind this process by SystemExit; ``once``: those after it are ignored.

    It is set for SIGINT too: a process started in the background may have inherited that SIGINT is ignored,
    and would hand that on to its children.
    """

    def unwind(number: int, _frame: FrameType | None) -> NoReturn:
        for later in _SIGNALS if once else ():
            signal.signal(later, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in _SIGNALS:
        signal.signal(number, unwind)


def is_signal(error: BaseException | None) -> bool:
    """Whether an exception unwinds the process because of a signal."""
    stopped = isinstance(error, SystemExit) and isinstance(error.code, int) and error.code > 128
    return stopped or isinstance(error, KeyboardInterrupt)


class StopRequest:
    """From now on a signal is noted, for a loop that asks for it and ends by itself."""

    def __init__(self) -> None:
        self.signum = 0
        for number in _SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signum = number

    def requested(self) -> bool:
        """Whether there was a signal."""
        return self.signum != 0


@contextmanager
def signals_held() -> Iterator[None]:
    """Let signals wait until the block is done; other threads than the main one get none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers = {
        number: signal.signal(number, lambda found, _frame: came.append(found)) for number in _SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def end_with_parent_of(pid: int) -> None:
    """Send this process SIGTERM when the parent of ``pid``, a process at or above this one, is gone."""
    child = psutil.Process(pid)
    parent = child.ppid()

    def watch() -> None:
        while child.is_running() and child.ppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
