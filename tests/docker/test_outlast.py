import signal
import subprocess
import sys
import time
from pathlib import Path

from compose_file import FOLDER

SAVES_SLOWLY = """
import signal, sys, time
def save(number, frame):
    time.sleep(1)
    open("saved", "w").close()
    sys.exit()
signal.signal(signal.SIGTERM, save)
open("started", "w").close()
time.sleep(60)
"""
# Like Prefect's worker: the run has a session of its own, is told of the end and not waited for.
IMPATIENT = f"""
import os, signal, subprocess, sys, time
run = subprocess.Popen([sys.executable, "-c", {SAVES_SLOWLY!r}], start_new_session=True)
def stop(number, frame):
    os.killpg(run.pid, signal.SIGTERM)
    os._exit(7)
signal.signal(signal.SIGTERM, stop)
time.sleep(60)
"""


def outlast(folder: Path, code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(FOLDER / "outlast.py"), sys.executable, "-c", code], cwd=folder
    )


def test_runs_get_to_save_after_their_worker_has_ended(tmp_path: Path) -> None:
    outer = outlast(tmp_path, IMPATIENT)
    while not (tmp_path / "started").exists():
        assert outer.poll() is None
        time.sleep(0.05)
    outer.send_signal(signal.SIGTERM)
    assert outer.wait(30) == 7
    assert (tmp_path / "saved").exists()


def test_a_command_killed_by_a_signal_ends_as_shells_say_it(tmp_path: Path) -> None:
    killed = outlast(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert killed.wait(30) == 128 + signal.SIGKILL
