"""Child processes: what they write line by line, and their end, whatever way it comes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import psutil

GRACE_SECONDS = 30.0  # to finish a step and save; Prefect's worker kills after 30 s too
_POLL_SECONDS = 0.1


class StoppedError(Exception):
    """The pipeline is being stopped."""


class ChildProcesses:
    """Runs commands and can stop all of them with everything below them; as a context, after an exception.

    A child gets a process group of its own. Inside a Prefect worker it stays in the flow run's group, which
    the worker signals and kills as a whole.
    """

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self._grace_seconds = grace_seconds
        self._own_group = "PREFECT__FLOW_RUN_ID" not in os.environ
        self._groups: set[int] = set()
        self._lock = threading.Lock()
        self._stopping = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.stop()

    def run(
        self,
        command: Sequence[str],
        log: Path,
        follow: Mapping[Path, Callable[[str], None]],
        environment: Mapping[str, str],
        folder: Path | None = None,
    ) -> int:
        """Run one command to its end, and return its exit status.

        The child writes to files, which are read along: no pipe breaks under it when we die first.

        Args:
            command: program and arguments.
            log: file for standard output and error.
            follow: files that the child writes, emptied first; each with the function that is given every
                line of it that is not blank, as it comes.
            environment: variables on top of ours.
            folder: where it runs; ours, if none is given.

        Raises:
            StoppedError: ``stop`` was called, before or while it ran.
        """
        for path in (log, *follow):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
        with log.open("a") as out:
            child = self._start(command, out, environment, folder)
        try:
            _follow(child, follow)
        except BaseException:  # of our own: nobody would wait for the child any more
            _end_family(psutil.Process(child.pid), self._grace_seconds)
            raise
        finally:
            self._forget(child)
        if self._stopping:
            raise StoppedError(*command)
        return child.returncode

    def stop(self) -> None:
        """Ask everyone to end, then insist; returns when none of them is left."""
        with self._lock:
            self._stopping = True
            groups = set(self._groups)
        if not self._own_group:
            # A worker that cancels has asked the whole group already; after an error of our own nobody has.
            family = psutil.Process().children(recursive=True)
            for left in psutil.wait_procs(family, 2 * self._grace_seconds)[1]:
                _end_family(left, self._grace_seconds)
            return
        gone = False
        try:
            gone = any(self._end(groups, asked) for asked in (signal.SIGINT, signal.SIGTERM))
        finally:  # a second Ctrl-C does not wait
            if not gone:
                _signal(groups, signal.SIGKILL)

    def _start(
        self, command: Sequence[str], out: TextIO, environment: Mapping[str, str], folder: Path | None
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopping:
                raise StoppedError(*command)
            child = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**_inherited(), **environment},
                start_new_session=self._own_group,
            )
            self._groups.add(child.pid)
        return child

    def _forget(self, child: subprocess.Popen[bytes]) -> None:
        with self._lock:
            if not self._stopping:
                self._groups.discard(child.pid)

    def _end(self, groups: set[int], number: signal.Signals) -> bool:
        _signal(groups, number)
        return _wait_until_gone(groups, self._grace_seconds)


def _end_family(process: psutil.Process, grace_seconds: float) -> None:
    """Ask a child and all below it to end, and kill what is left after the grace."""
    with suppress(psutil.NoSuchProcess):
        family = [process, *process.children(recursive=True)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.terminate()
        for left in psutil.wait_procs(family, grace_seconds)[1]:
            with suppress(psutil.NoSuchProcess):
                left.kill()


def _inherited() -> dict[str, str]:
    """Our environment, with this interpreter first on the path: stages say just ``python``."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}


def _follow(child: subprocess.Popen[bytes], files: Mapping[Path, Callable[[str], None]]) -> None:
    """Hand on lines as they are written, until the child has ended and all is read."""
    with ExitStack() as stack:
        readers = [
            _LineReader(stack.enter_context(path.open(errors="replace")), on_line)
            for path, on_line in files.items()
        ]
        ended = False
        while not ended:
            ended = child.poll() is not None
            for reader in readers:
                reader.read(to_the_end=ended)
            if not ended:
                time.sleep(_POLL_SECONDS)


class _LineReader:
    """Reads lines of a file that is being written."""

    def __init__(self, file: TextIO, on_line: Callable[[str], None]) -> None:
        self._file = file
        self._on_line = on_line
        self._begun = ""

    def read(self, *, to_the_end: bool) -> None:
        """Hand on the lines that are whole; at the end, the last one as it is."""
        *lines, self._begun = (self._begun + self._file.read()).split("\n")
        for line in [*lines, self._begun] if to_the_end else lines:
            if line.strip():
                self._on_line(line)


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
    """True for a process of one of the groups; a zombie is not alive."""
    try:
        return os.getpgid(process.pid) in groups and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False
