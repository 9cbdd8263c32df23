"""One DVC stage as a child process."""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from actupose.layout import STATE
from pipelines._child_processes import ChildProcesses
from stages.events import EVENTS

LOGS = STATE / "logs"
# Its prose, because DVC ends with the same exit status whatever it could not do.
_BUSY = re.compile(r"^ERROR: .*(is busy|[Uu]nable to acquire lock)")
_SHOWN_LINES = 20


class StageError(Exception):
    """A stage ended badly, ``by_mistake`` of the user or not; ``lines`` are the last it wrote."""

    def __init__(self, stage: str, lines: Sequence[str], mistake: str | None = None) -> None:
        self.stage = stage
        self.lines = lines[-_SHOWN_LINES:]
        self.by_mistake = mistake is not None
        super().__init__(mistake or f"{stage} failed; its log: {log_path(stage)}")


class LockBusyError(Exception):
    """Another DVC command holds what the stage needs; worth another try."""


def log_path(stage: str) -> Path:
    """File with a stage's output."""
    return LOGS / f"{stage}.log"


def run_stage(
    stage: str,
    processes: ChildProcesses,
    environment: Mapping[str, str],
    on_line: Callable[[str], None],
    on_progress: Callable[[int, int], None],
) -> bool:
    """Reproduce one stage; False if it told of no start, because DVC had its outputs already.

    Args:
        stage: DVC's name of it.
        processes: can stop it.
        environment: variables on top of ours.
        on_line: is given what it prints, for people.
        on_progress: is given how much is done, and of how much.

    Raises:
        StageError, LockBusyError, StoppedError
    """
    events: list[dict[str, Any]] = []

    def on_event(line: str) -> None:
        with suppress(json.JSONDecodeError):  # cut off by a full disk
            events.append(json.loads(line))
            if events[-1]["event"] == "progress":
                on_progress(events[-1]["done"], events[-1]["total"])

    command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage]
    log, journal = log_path(stage), LOGS / f"{stage}.jsonl"
    environment = {**environment, EVENTS: str(journal.resolve())}
    if processes.run(command, log, {log: on_line, journal: on_event}, environment):
        lines = log.read_text(errors="replace").splitlines()
        if any(_BUSY.match(line) for line in lines):
            raise LockBusyError(stage)
        mistakes = [event["message"] for event in events if event["event"] == "mistake"]
        raise StageError(stage, lines, *mistakes[-1:])
    return bool(events)
