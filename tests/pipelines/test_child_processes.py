import os
import sys
import threading
from pathlib import Path

import psutil
import pytest

from pipelines._child_processes import ChildProcesses, StoppedError

SLOW = "import os, time; print(os.getpgrp(), flush=True); time.sleep(1); print('saved')"


def run(processes: ChildProcesses, log: Path, code: str) -> tuple[int, list[str]]:
    return processes.run([sys.executable, "-c", code], log, lambda _line: None, {})


def test_exit_status_and_lines_are_told(tmp_path: Path) -> None:
    code = "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"
    assert run(ChildProcesses(), tmp_path / "logs/log", code) == (3, ["one", "two"])
    assert (tmp_path / "logs/log").read_text() == "one\ntwo\n"


def test_an_error_while_it_is_told_ends_the_child_and_all_below_it(tmp_path: Path) -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLOW!r}])"

    def tell(_line: str) -> None:
        raise RuntimeError("not mine")

    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(RuntimeError, match="not mine"):
        ChildProcesses().run([sys.executable, "-c", parent], tmp_path / "log", tell, {})
    assert "saved" not in (tmp_path / "log").read_text()
    assert set(psutil.Process().children(recursive=True)) <= before


def test_bytes_that_are_no_text_are_told_all_the_same(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.buffer.write(b'\\xff done\\n')"
    assert run(ChildProcesses(), tmp_path / "log", code) == (0, ["\ufffd done"])


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
