import os
import sys
import threading
from pathlib import Path

import pytest

from pipelines._child_processes import ChildProcesses, StoppedError

SLOW = "import os, time; print(os.getpgrp(), flush=True); time.sleep(1); print('saved')"


def run(processes: ChildProcesses, log: Path, code: str) -> tuple[int, list[str]]:
    return processes.run([sys.executable, "-c", code], log, lambda _line: None, {})


def test_exit_status_and_lines_are_told(tmp_path: Path) -> None:
    code = "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"
    assert run(ChildProcesses(), tmp_path / "logs/log", code) == (3, ["one", "two"])
    assert (tmp_path / "logs/log").read_text() == "one\ntwo\n"


def test_in_a_worker_a_child_stays_in_the_group_and_has_time_to_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "of-a-worker")
    processes, ended = ChildProcesses(), []
    told = threading.Event()

    def body() -> None:
        with pytest.raises(StoppedError):
            command = [sys.executable, "-c", SLOW]
            processes.run(command, tmp_path / "log", lambda _line: told.set(), {})
        ended.append(True)

    thread = threading.Thread(target=body)
    thread.start()
    assert told.wait(30)
    processes.stop()
    thread.join(30)
    assert ended
    assert (tmp_path / "log").read_text() == f"{os.getpgrp()}\nsaved\n"  # nobody signalled it
