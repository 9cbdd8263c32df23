"""Which process a run belongs to, and whether that process still lives."""

import os
import socket
from collections.abc import Mapping

import psutil

_HOST, _PID, _STARTED = "actupose.host", "actupose.pid", "actupose.process_started"
_CLOCK_SECONDS = 2.0  # a process's start is read off a clock that may have been set since


def process_tags() -> dict[str, str]:
    """Name this process; its start too, because its number will be another's one day."""
    started = psutil.Process().create_time()
    return {_HOST: socket.gethostname(), _PID: str(os.getpid()), _STARTED: f"{started:.2f}"}


def is_alive(tags: Mapping[str, str]) -> bool | None:
    """Whether the process in ``tags`` lives; None if it is another host's, or none is named."""
    if tags.get(_HOST) != socket.gethostname():
        return None
    try:
        process = psutil.Process(int(tags[_PID]))
        same = abs(process.create_time() - float(tags[_STARTED])) < _CLOCK_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def describe_process(tags: Mapping[str, str]) -> str:
    """Say whose the run is."""
    return f"process {tags[_PID]} on {tags[_HOST]}" if _HOST in tags else "a process not recorded"
