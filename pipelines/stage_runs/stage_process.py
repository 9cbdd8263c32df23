"""One DVC stage as a child process."""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from actupose.layout import STATE
from pipelines._child_processes import ChildProcesses

LOGS = STATE / "logs"
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


def log_path(stage: str) -> Path:
    """File with a stage's output."""
    return LOGS / f"{stage}.log"


class StageProcesses:
    """Runs stages and can stop all of them with everything below them."""

    def __init__(self) -> None:
        self._children = ChildProcesses()

    def run(self, stage: str, environment: Mapping[str, str], tell: Callable[[str], None]) -> bool:
        """Reproduce one stage; False if DVC had its outputs already.

        Raises:
            StageError, LockBusyError, StoppedError
        """
        command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage]
        status, lines = self._children.run(command, log_path(stage), tell, environment)
        if status and any(_BUSY.match(line) for line in lines):
            raise LockBusyError(stage)
        if status:
            raise StageError(stage, lines)
        return any(line.startswith("Running stage") for line in lines)

    def stop(self) -> None:
        """End all of them; returns when none is left."""
        self._children.stop()
