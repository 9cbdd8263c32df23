"""Locks that the system takes back when their process ends, however it ends."""

import fcntl
from typing import TextIO


def take_lock(file: TextIO) -> bool:
    """Lock an open file until it is closed; False if another process, or another opening, holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
