"""One round of the fuzz run, which the benchmarks have for hours."""

import subprocess
import sys
from pathlib import Path

from tiny_corpora import TINY_CORPORA

FUZZ = Path(__file__).parents[2] / "benchmarks" / "fuzz_readers.py"


def test_a_round_over_all_readers_ends_without_a_crash():
    command = [sys.executable, str(FUZZ), "--seconds", "0", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    head, *rows = (line.split() for line in done.stdout.splitlines())
    assert head == ["reader", "stored", "rejected", "told", "crash"]
    assert [row[0] for row in rows] == list(TINY_CORPORA)
    for _, *counts, crashes in rows:
        assert sum(map(int, counts)) == 1 and crashes == "0"
