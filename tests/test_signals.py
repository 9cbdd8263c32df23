import os
import signal
import subprocess
import sys

import pytest

from actupose.signals import signals_held, unwind_on_signals
from tracking.store import uninterrupted

SLOW_END = """
import time
from actupose.signals import unwind_on_signals
unwind_on_signals(once=%s)
try:
    print("begun", flush=True)
    time.sleep(60)
finally:
    print("ending", flush=True)
    time.sleep(1)
    print("ended", flush=True)
"""
ENDS_WITH_ITS_PARENT = """
import os, time
from actupose.signals import end_with_parent_of
end_with_parent_of(os.getpid())
print("begun", flush=True)
time.sleep(60)
print("outlived")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_unwinds_by_its_number(number):
    unwind_on_signals(once=False)
    with pytest.raises(SystemExit) as caught:
        signal.raise_signal(number)
    assert caught.value.code == 128 + number


@pytest.mark.parametrize(("once", "left"), [(True, "ended\n"), (False, "")])
def test_only_where_it_is_ignored_a_second_signal_leaves_the_first_its_time(once, left):
    command = [sys.executable, "-c", SLOW_END % once]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "begun\n"
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "ending\n"
        child.send_signal(signal.SIGTERM)
        assert child.stdout.read() == left
        assert child.wait(30) == 128 + (signal.SIGINT if once else signal.SIGTERM)


def test_a_process_ends_with_its_parent():
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ENDS_WITH_ITS_PARENT!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "begun\n"
        child.kill()
        assert child.stdout.read() == ""  # all that has the pipe is gone


def test_a_held_signal_comes_after_the_block():
    unwind_on_signals(once=False)
    done = []
    with pytest.raises(SystemExit), signals_held():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("the rest of the block")
    assert done


@pytest.mark.parametrize(
    ("address", "done"), [("", True), ("sqlite:///local.db", True), ("http://127.0.0.1:1", False)]
)  # the project's own database is meant where none is named
def test_a_signal_waits_for_a_local_database_and_for_no_server(address, done, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    unwind_on_signals(once=False)
    rest = []
    with pytest.raises(SystemExit), uninterrupted():
        signal.raise_signal(signal.SIGTERM)
        rest.append("done")
    assert bool(rest) == done
