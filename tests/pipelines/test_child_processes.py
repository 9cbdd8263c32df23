import os
import sys
import threading
from pathlib import Path

import psutil
import pytest

from pipelines._child_processes import ChildProcesses, StoppedError

SLOW = "import os, time; print(os.getpgrp(), flush=True); time.sleep(1); print('saved')"


def run(processes: ChildProcesses, log: Path, code: str) -> tuple[int, list[str]]:
    lines: list[str] = []
    status = processes.run([sys.executable, "-c", code], log, {log: lines.append}, {})
    return status, lines


def test_exit_status_and_lines_are_handed_on(tmp_path: Path) -> None:
    code = "import sys; print('one\\n'); print('two', end='', file=sys.stderr); sys.exit(3)"
    assert run(ChildProcesses(), tmp_path / "logs/log", code) == (3, ["one", "two"])
    assert (tmp_path / "logs/log").read_text() == "one\n\ntwo"


def test_a_second_file_is_followed_from_this_start_on(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.write_text("of an earlier start\n")
    code = "import sys; file = open(sys.argv[1], 'a'); file.write('now\\n')"
    lines: list[str] = []
    command = [sys.executable, "-c", code, str(journal)]
    assert ChildProcesses().run(command, tmp_path / "log", {journal: lines.append}, {}) == 0
    assert lines == ["now"]


def test_an_error_while_a_line_is_handed_on_ends_the_child_and_all_below_it(tmp_path: Path) -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLOW!r}])"

    def fail(_line: str) -> None:
        raise RuntimeError("not mine")

    before, log = set(psutil.Process().children(recursive=True)), tmp_path / "log"
    with pytest.raises(RuntimeError, match="not mine"):
        ChildProcesses().run([sys.executable, "-c", parent], log, {log: fail}, {})
    assert "saved" not in log.read_text()
    assert set(psutil.Process().children(recursive=True)) <= before


def test_bytes_that_are_no_text_are_handed_on_all_the_same(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.buffer.write(b'\\xff done\\n')"
    assert run(ChildProcesses(), tmp_path / "log", code) == (0, ["\ufffd done"])


def test_in_a_worker_a_child_stays_in_the_group_and_has_time_to_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "of-a-worker")
    processes, ended = ChildProcesses(), []
    begun, log = threading.Event(), tmp_path / "log"

    def body() -> None:
        with pytest.raises(StoppedError):
            command = [sys.executable, "-c", SLOW]
            processes.run(command, log, {log: lambda _line: begun.set()}, {})
        ended.append(True)

    thread = threading.Thread(target=body)
    thread.start()
    assert begun.wait(30)
    processes.stop()
    thread.join(30)
    assert ended
    assert log.read_text() == f"{os.getpgrp()}\nsaved\n"  # nobody signalled it
