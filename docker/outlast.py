"""Run a command, and end when all that it started has ended: python outlast.py COMMAND...

Prefect's worker hands SIGTERM on to its runs but does not wait for them. Were it a container's first process,
the container would end with it, and the runs be killed before they have saved.
"""

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from types import FrameType

_SET_CHILD_SUBREAPER = 36  # of prctl: processes whose parent has ended become ours

ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
command = subprocess.Popen(sys.argv[1:])


def hand_on(number: int, _frame: FrameType | None) -> None:
    """Tell the command; what it started is its to tell."""
    with suppress(ProcessLookupError):
        os.kill(command.pid, number)


signal.signal(signal.SIGTERM, hand_on)
signal.signal(signal.SIGINT, hand_on)

status = 0
while True:
    try:
        ended, code = os.wait()
    except ChildProcessError:  # none is left
        break
    if ended == command.pid:
        status = os.waitstatus_to_exitcode(code)
sys.exit(status if status >= 0 else 128 - status)
