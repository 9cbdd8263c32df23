"""kill -9 at random moments: what is begun again ends, byte for byte, as what was never disturbed.

The short version here kills every kind of stage once, as it writes; ``pytest -m trial tests/test_kills.py``
kills ``dvc repro`` twenty times for every method, and for ingest, score, predict and evaluate.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from shrunk_project import environment, make_project, prepare, run, run_here
from waiting import wait_until

from pipelines._dvc_lock import remove_cut_off

EVERY_STEP = 1e-9  # minutes between checkpoints: many moments fall into the writing of one
STAGES = {
    "ingest": (("stages.ingest", "source"), "data/ingested/source"),
    "score": (("stages.score", "source"), "data/bins/source"),
    "train": (("stages.train", "actupose", "0"), "runs/actupose-0"),
    "predict": (("stages.predict", "actupose", "0"), "data/predictions"),
    "evaluate": (("stages.evaluate", "actupose", "0"), "evaluations/actupose-0"),
}
METHODS = (
    *("source_only", "oracle", "regda", "regda_vae_hm", "regda_vae_cl", "poseda"),
    *("udape", "udape_vae_hm", "udape_vae_cl", "actupose", "ensemble_teacher"),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything up to an evaluated run of actupose."""
    folder = tmp_path_factory.mktemp("kills") / "project"
    make_project(folder, {"train.methods": ["actupose"], "compute.checkpoint_minutes": EVERY_STEP})
    prepare(folder)
    for stage in ("train", "predict", "evaluate"):
        run_here(folder, stage, "actupose", "0")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but those in the making: their names begin with a dot."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def start(project: Path, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=project,
        env=environment(project),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_group(child: subprocess.Popen[bytes]) -> None:
    """End every process of the group at once, without a chance to tidy up."""
    members = [process for process in psutil.process_iter() if _group(process.pid) == child.pid]
    with suppress(ProcessLookupError):  # it had ended
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    psutil.wait_procs(members, timeout=30)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def kill(child: subprocess.Popen[bytes]) -> bool:
    """Kill a command; returns whether it was still going."""
    is_hit = child.poll() is None
    kill_group(child)
    return is_hit


def duration(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_killed_as_it_writes_ends_as_if_never_disturbed(
    project: Path, tmp_path: Path, stage: str
) -> None:
    copy = tmp_path / "project"
    shutil.copytree(project, copy, symlinks=True, ignore=shutil.ignore_patterns(".state"))
    command, outputs = STAGES[stage]
    wanted = contents(project / outputs)
    shutil.rmtree(copy / outputs)
    child = start(copy, *command)
    wait_until(lambda: any((copy / outputs).glob("*")), 120, every=0.001)
    assert kill(child)
    left = contents(copy / outputs)
    assert left.items() <= wanted.items(), "half an output was left under its own name"
    run(copy, *command)
    assert contents(copy / outputs) == wanted


def assert_survives_twenty_kills(project: Path, stage: str, outputs: Path) -> None:
    command = ("dvc", "repro", "--single-item", "--force", stage)
    run(project, *command)  # makes MLflow's database as well
    seconds = duration(lambda: run(project, *command))
    wanted = contents(outputs)
    moments, hits = random.Random(stage), 0
    while hits < 20:
        shutil.rmtree(project / ".state" / "pretrained", ignore_errors=True)  # it would be taken over
        child = start(project, *command)
        time.sleep(moments.uniform(0, seconds))
        is_hit = kill(child)
        assert is_hit or child.returncode == 0
        hits += is_hit
        remove_cut_off(print)  # DVC's own file, as actupose doctor says and pipelines do
    run(project, *command)
    assert contents(outputs) == wanted


@pytest.mark.trial
@pytest.mark.parametrize("method", METHODS)
def test_twenty_kills_of_a_training_change_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make_project(tmp_path, {"train.methods": [method], "compute.checkpoint_minutes": EVERY_STEP})
    run(tmp_path, "dvc", "repro", "score", "train_style")
    assert_survives_twenty_kills(tmp_path, f"train@{method}-0", tmp_path / "runs" / f"{method}-0")


@pytest.mark.trial
@pytest.mark.parametrize(
    ("stage", "outputs"),
    [
        ("ingest@source", "data/ingested/source"),
        ("score@source", "data/bins/source"),
        ("predict@actupose-0", "data/predictions"),
        ("evaluate@actupose-0", "evaluations/actupose-0"),
    ],
)
def test_twenty_kills_of_another_stage_change_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, outputs: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make_project(tmp_path, {"train.methods": ["actupose"]})
    run(tmp_path, "dvc", "repro")
    assert_survives_twenty_kills(tmp_path, stage, tmp_path / outputs)
