"""A copy of the project, shrunk so that every stage really runs in seconds."""

import contextlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
NUM_BINS, EPOCHS, STEPS = 4, 3, 8

SHRUNK: dict[str, Any] = {
    "data.source.counts": {"train": 48, "val": 8, "test": 16},
    "data.target.counts": {"train": 32, "val": 8, "test": 24},
    "vae.epochs": 3,
    "evaluation.every_epochs": 1,
    "bins": {"source": NUM_BINS, "target": NUM_BINS},
    "network.width": 0.25,
    "schedule": {"epochs": EPOCHS, "pretrain_epochs": 1, "steps_per_epoch": STEPS, "batch_size": 8},
    "optim.milestones": [2],
    "tracking.experiment": "shrunk",
}


def set_params(project: Path, values: dict[str, Any]) -> None:
    path = project / "params.yaml"
    tree = yaml.safe_load(path.read_text())
    for key, value in values.items():
        *parents, last = key.split(".")
        section = tree
        for parent in parents:
            section = section[parent]
        section[last] = value
    path.write_text(yaml.safe_dump(tree, sort_keys=False))


def environment(project: Path) -> dict[str, str]:
    """The copy's code before the installed one, this interpreter for ``python``, the local MLflow store.

    The shell is the plain one: unlike bash it stays between DVC and a stage that does not replace it.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    changes = {
        "PATH": path,
        "PYTHONPATH": str(project / "src"),
        "PYTHONUNBUFFERED": "1",
        "SHELL": "/bin/sh",
    }
    return {**os.environ, **changes}


def run(project: Path, *command: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env=environment(project) | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout[-6000:]}"
    return done.stdout


def make_project(folder: Path, settings: dict[str, Any]) -> None:
    """Copy what is under version control, and set the shrunk params with ``settings`` on top."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in names:
        if name and (ROOT / name).is_file() and not name.startswith(("tests/", "benchmarks/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    methods = yaml.safe_load((folder / "params.yaml").read_text())["methods"]
    bins = {f"methods.{method}.curriculum.num_bins": NUM_BINS for method in methods}
    set_params(folder, SHRUNK | bins | settings)


def run_here(project: Path, stage: str, *arguments: str) -> None:
    """Run a stage within this process, where what takes it seconds to import is loaded already."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with contextlib.chdir(project), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [stage, *arguments])
        importlib.import_module(f"stages.{stage}").main()
    for number, handler in before.items():
        signal.signal(number, handler)


def prepare(project: Path) -> None:
    """Run what comes before training."""
    for stage in ("ingest", "normalise"):
        for domain in ("source", "target"):
            run_here(project, stage, domain)
    run_here(project, "train_vae")
    for domain in ("source", "target"):
        run_here(project, "score", domain)
    run_here(project, "train_style")
