"""A full disk ends a stage with one line, spoils nothing, and costs no finished work."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from full_disk import room_for
from mlflow import MlflowClient
from mlflow_server import all_runs, points
from shrunk_project import environment, make_project, prepare, run_here
from waiting import wait_until

from actupose.data.image_store import write_images
from actupose.nets.weight_file import write_weights
from actupose.params import load_params
from actupose.tables import REJECTED, make_table, write_table
from stages._entry import run_stage
from tracking import RunMirror, describe_run

ROOT = Path(__file__).parents[1]
EPOCHS = 16
SCHEDULE = {"epochs": EPOCHS, "pretrain_epochs": 1, "steps_per_epoch": 2, "batch_size": 8}
OUTPUTS = ("model.safetensors", "history.parquet", "curriculum.parquet", "epoch_predictions.parquet")


def client_of(project: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{project.resolve() / '.state/mlflow.db'}")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "project"
    make_project(folder, {"schedule": SCHEDULE, "train.methods": ["udape"]})
    prepare(folder)
    (folder / ".state").mkdir()
    client_of(folder).search_experiments()  # makes and migrates the store, which takes seconds
    return folder


def start(project: Path, *stage: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", *stage]
    return subprocess.Popen(
        command,
        cwd=project,
        env=environment(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def checkpoints(project: Path) -> list[Path]:
    return sorted(project.glob(".state/checkpoints/*/step-*.ckpt"))


def fill_disk_after_first_checkpoint(training: subprocess.Popen[str], project: Path) -> None:
    """From then on no file of that process grows beyond half a checkpoint."""

    def has_saved() -> bool:
        assert training.poll() is None, "ended before its first checkpoint"
        return bool(checkpoints(project))

    wait_until(has_saved, 120, every=0.01)
    _, hard = resource.prlimit(training.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(training.pid, resource.RLIMIT_FSIZE, (checkpoints(project)[0].stat().st_size // 2, hard))


def test_training_on_a_full_disk_ends_with_one_line_and_goes_on_to_the_same_end_when_there_is_room(
    prepared: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(prepared, tmp_path / "project", symlinks=True))
    unbroken = Path(shutil.copytree(prepared, tmp_path / "unbroken", symlinks=True))
    training = start(project, "stages.train", "udape", "0")
    fill_disk_after_first_checkpoint(training, project)
    _, errors = training.communicate(timeout=120)
    assert training.returncode == 2, errors
    newest = int(checkpoints(project)[-1].stem.removeprefix("step-"))
    assert errors.splitlines()[-1].startswith("error: File too large: free some space and run again (")
    assert errors.endswith(f".ckpt is not written; the next start goes on from step {newest})\n")
    assert "Traceback" not in errors
    assert not list(project.rglob("*.tmp"))
    assert not (project / "runs").exists()

    run_here(project, "train", "udape", "0")
    run_here(unbroken, "train", "udape", "0")
    for name in OUTPUTS:
        file = Path("runs/udape-0") / name
        assert (project / file).read_bytes() == (unbroken / file).read_bytes(), name
    client = client_of(project)
    (run,) = all_runs(client, "shrunk")
    assert run.info.status == "FINISHED"
    assert [step for step, _ in points(client, run.info.run_id, "source")] == list(range(EPOCHS))


def large_table(rows: int) -> None:
    random = np.random.default_rng(0)
    noise = [random.bytes(50).hex() for _ in range(rows)]
    write_table(Path("out"), make_table(REJECTED, {"path": noise, "reason": noise}), REJECTED)


def large_store(rows: int) -> None:
    write_images(Path("out"), ((b"x" * 1000, 8, 8) for _ in range(rows)))


def large_model(rows: int) -> None:
    write_weights(Path("out"), torch.nn.Linear(100, rows))


@pytest.mark.parametrize("write", [large_table, large_store, large_model])
def test_what_is_not_written_whole_is_not_written(
    write: Callable[[int], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write(1)
    before = Path("out").read_bytes()
    with room_for(20_000), pytest.raises(SystemExit) as ended:
        run_stage(lambda: write(500))
    assert ended.value.code == 2
    assert (
        capsys.readouterr().err
        == "error: File too large: free some space and run again (out is not written)\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert Path("out").read_bytes() == before


def test_a_disk_without_space_is_told_and_another_fault_keeps_its_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        run_stage(lambda: Path("/dev/full").write_text("x"))
    assert capsys.readouterr().err == f"error: {os.strerror(errno.ENOSPC)}: free some space and run again\n"
    with pytest.raises(FileNotFoundError):
        run_stage(lambda: Path("absent").read_text())


def test_ingest_on_a_full_disk_leaves_nothing(prepared: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(prepared, tmp_path / "project", symlinks=True))
    shutil.rmtree(project / "data")
    with room_for(40_000):
        ingest = start(project, "stages.ingest", "source")
    _, errors = ingest.communicate(timeout=120)
    assert ingest.returncode == 2
    assert errors.startswith("error: File too large: free some space and run again (data/ingested/source/")
    assert errors.count("\n") == 1
    assert not [path for path in (project / "data").rglob("*") if path.is_file()]


def test_a_metric_that_found_no_room_is_logged_again_and_no_other(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(prepared / ".state", tmp_path / ".state")
    monkeypatch.chdir(tmp_path)
    run, folder = describe_run(load_params(ROOT / "params.yaml"), "udape", 0), Path("folder")
    with RunMirror.open(folder, run) as mirror:
        mirror.log_epoch(0, {"source": 0.0})
    size = (folder / "metrics.jsonl").stat().st_size
    with (
        pytest.raises(OSError, match="File too large"),
        RunMirror.open(folder, run) as mirror,
        room_for(size + 9),
    ):
        mirror.log_epoch(1, {"source": 1.0})
    assert (folder / "metrics.jsonl").stat().st_size == size + 9  # half a line is there
    with RunMirror.open(folder, run) as mirror:
        mirror.log_epoch(1, {"source": 1.0})
    client = client_of(tmp_path)
    (only,) = all_runs(client)
    assert points(client, only.info.run_id, "source") == [(0, 0.0), (1, 1.0)]
