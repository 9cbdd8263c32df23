"""How every stage starts, and how it tells a user's mistake or a full disk."""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from threading import Thread
from types import FrameType
from typing import NoReturn

import psutil

from actupose.errors import UserError
from stages.events import emit

UNDER_TORCHRUN = "TORCHELASTIC_RUN_ID"  # torchrun has started this process
RANKS = "ACTUPOSE_RANKS"  # how many processes of torchrun train
_WATCH_SECONDS = 0.2
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run_stage(body: Callable[[], None]) -> None:
    """Run a stage; a user's mistake or a full disk becomes one line on stderr and exit status 2.

    SIGTERM and SIGINT unwind the stage, so that MLflow hears of it, and end it with 128 + signal. DVC hands
    no SIGTERM on: its death counts as one.
    """
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, exit_once)
    if "DVC_STAGE" in os.environ:
        Thread(target=_outlive_no_dvc, daemon=True).start()
    emit("started")
    try:
        body()
    except UserError as error:
        _end(str(error))
    except OSError as error:
        _end(full_disk(error))


def full_disk(error: OSError) -> str:
    """The line for a full disk; any other error is raised again."""
    if error.errno not in _NO_SPACE:
        raise error
    details = "; ".join(getattr(error, "__notes__", []))
    reason = os.strerror(error.errno)
    return f"{reason}: free some space and run again" + (f" ({details})" if details else "")


def exit_once(signum: int, _frame: FrameType | None) -> NoReturn:
    """Handle a signal by unwinding this process."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # a second one shall not cut short what the first one unwinds
    sys.exit(128 + signum)


def _outlive_no_dvc() -> None:
    """Send this process SIGTERM when DVC, its parent or that of the torchrun it is a rank of, is gone."""
    child = psutil.Process(os.getppid() if UNDER_TORCHRUN in os.environ else os.getpid())
    dvc = child.ppid()
    while child.is_running() and child.ppid() == dvc:
        time.sleep(_WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def _end(line: str) -> None:
    emit("mistake", message=line)
    print(f"error: {line}", file=sys.stderr)
    sys.exit(2)
