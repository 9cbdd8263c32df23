"""How every stage starts, and how it reports a user's mistake or a full disk."""

import errno
import os
import sys
from collections.abc import Callable

from actupose.errors import UserError
from actupose.signals import end_with_parent_of, unwind_on_signals
from stages.events import emit

UNDER_TORCHRUN = "TORCHELASTIC_RUN_ID"  # torchrun has started this process
RANKS = "ACTUPOSE_RANKS"  # how many processes of torchrun train
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run_stage(body: Callable[[], None]) -> None:
    """Run a stage; a user's mistake or a full disk becomes one line on stderr and exit status 2."""
    unwind_on_signals(once=True)
    if "DVC_STAGE" in os.environ:  # DVC is the parent, or that of the torchrun of which this is a rank
        end_with_parent_of(os.getppid() if UNDER_TORCHRUN in os.environ else os.getpid())
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


def _end(line: str) -> None:
    emit("mistake", message=line)
    print(f"error: {line}", file=sys.stderr)
    sys.exit(2)
