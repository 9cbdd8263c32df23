"""One DVC stage as a child process: its output line by line, its end whatever way it comes."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import psutil

from stages._paths import STATE

LOGS = STATE / "logs"
GRACE_SECONDS = 30.0  # to finish a step and save; Prefect's worker kills after 30 s too
_BUSY = re.compile(r"^ERROR: .*(is busy|[Uu]nable to acquire lock)")
_SHOWN_LINES = 20


class StageError(Exception):
    """A stage ended badly; ``mistake`` is the line that tells a user's mistake, if it was one."""

    def __init__(self, stage: str, lines: list[str]) -> None:
        mistakes = [line for line in lines if line.startswith("error: ")]
        by_user = mistakes and any(line.startswith("ERROR: ") and "exited with 2" in line for line in lines)
        self.stage = stage
        self.mistake = mistakes[-1] if by_user else None
        self.lines = lines[-_SHOWN_LINES:]
        super().__init__(self.mistake or f"{stage} failed; its log: {log_path(stage)}")


class LockBusyError(Exception):
    """Another DVC command holds what the stage needs; worth another try."""


class StoppedError(Exception):
    """The pipeline is being stopped."""


def log_path(stage: str) -> Path:
    """File with a stage's output."""
    return LOGS / f"{stage}.log"


class StageProcesses:
    """Runs stages and can stop all of them with everything below them.

    A child gets a process group of its own. Inside a Prefect worker it stays in the flow run's group, which
    the worker signals and kills as a whole.
    """

    def __init__(self) -> None:
        self._own_group = "PREFECT__FLOW_RUN_ID" not in os.environ
        self._running: set[int] = set()
        self._lock = threading.Lock()
        self._stopping = False

    def run(self, stage: str, environment: Mapping[str, str], tell: Callable[[str], None]) -> bool:
        """Reproduce one stage; False if DVC had its outputs already.

        The child writes to a file that is read along: no pipe breaks under it when this process dies first.

        Raises:
            StageError, LockBusyError, StoppedError
        """
        path = log_path(stage)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as out, path.open() as back:
            child = self._start(stage, environment, out)
            lines = []
            for line in _follow(back, child):
                lines.append(line)
                if line.strip():
                    tell(line)
        self._forget(child)
        if self._stopping:
            raise StoppedError(stage)
        if child.returncode and any(_BUSY.match(line) for line in lines):
            raise LockBusyError(stage)
        if child.returncode:
            raise StageError(stage, lines)
        return any(line.startswith("Running stage") for line in lines)

    def stop(self) -> None:
        """Ask every group to end, then insist; returns when none of them is left."""
        with self._lock:
            self._stopping = True
            groups = set(self._running)
        ours = groups if self._own_group else set()
        gone = False
        try:
            gone = any(_end(groups, ours, asked) for asked in (signal.SIGINT, signal.SIGTERM))
        finally:  # a second Ctrl-C does not wait
            if not gone:
                _signal(ours, signal.SIGKILL)

    def _start(self, stage: str, environment: Mapping[str, str], out: TextIO) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage]
        with self._lock:
            if self._stopping:
                raise StoppedError(stage)
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**_inherited(), **environment},
                start_new_session=self._own_group,
            )
            self._running.add(child.pid if self._own_group else os.getpgrp())
        return child

    def _forget(self, child: subprocess.Popen[bytes]) -> None:
        with self._lock:
            if not self._stopping:
                self._running.discard(child.pid)


def _inherited() -> dict[str, str]:
    """Our environment, with this interpreter first on the path: stages say just ``python``."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}


def _follow(file: TextIO, child: subprocess.Popen[bytes]) -> Iterator[str]:
    """Lines as they are written, until the child has ended and all is read."""
    pending = ""
    while True:
        ended = child.poll() is not None
        *lines, pending = (pending + file.read()).split("\n")
        yield from lines
        if ended:
            break
        time.sleep(0.1)
    if pending:
        yield pending


def _end(groups: set[int], ours: set[int], number: signal.Signals) -> bool:
    _signal(ours, number)
    return _wait_until_gone(groups, GRACE_SECONDS)


def _signal(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, number)


def _wait_until_gone(groups: set[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(_is_alive_in(groups, process) for process in psutil.process_iter()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _is_alive_in(groups: set[int], process: psutil.Process) -> bool:
    """True for a process of one of the groups other than this one; a zombie is not alive."""
    try:
        ours = process.pid != os.getpid() and os.getpgid(process.pid) in groups
        return ours and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False
