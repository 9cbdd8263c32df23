import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_script_for_a_gpu_rehearses_every_cell_without_one(tmp_path):
    done = subprocess.run(
        ["benchmarks/device.sh", "--rehearse", "--results", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cells = json.loads((tmp_path / "device-rehearsal.json").read_text())
    assert {section: len(rows) for section, rows in cells.items()} == {
        "machine": 1,
        "ceilings": 1,
        "step": 10,
        "passes": 2,
        "decoding": 1,
        "scoring": 1,
        "loading": 1,
        "iteration": 1,
    }
    (decoding,) = cells.pop("decoding")
    assert decoding["left out"] == "needs a GPU and torchvision"
    assert not [row for rows in cells.values() for row in rows if {"failed", "left out"} & row.keys()]
    assert all(row["median ms"] > 0 and row["loss"] > 0 for row in cells["step"])
    assert cells["iteration"][0]["iteration ms"] > 0
