"""How a stage ends when it is told to."""

import signal
import subprocess
import sys

import pytest

WAITS = """
import time
from stages._entry import run_stage

def body():
    print("begun", flush=True)
    time.sleep(60)

run_stage(body)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stage_by_its_number_and_without_a_traceback(number: signal.Signals) -> None:
    command = [sys.executable, "-c", WAITS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.readline() == "begun\n"
        child.send_signal(number)
        assert child.wait(timeout=30) == 128 + number
        assert child.stderr.read() == ""
