"""``stages.evaluate`` on the predictions of a shrunk project."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from file_opens import counted_opens
from shrunk_project import make_project, prepare, run_here

from actupose.report.plots import look
from actupose.tables import (
    WANTED_BINS,
    keypoint_values,
    make_table,
    read_table,
    samples_schema,
    wanted_schema,
    write_table,
)

FIGURES = {"per_bin.png", "predictions.png", "learning_curves.png"}
NAME = "source_only-0"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate") / "project"
    make_project(folder, {"train.methods": ["source_only"]})
    prepare(folder)
    for stage in ("train", "predict", "evaluate"):
        run_here(folder, stage, "source_only", "0")
    return folder


@pytest.fixture
def project(evaluated: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil; MLflow has not heard of it."""
    folder = tmp_path / "project"
    shutil.copytree(evaluated, folder, ignore=shutil.ignore_patterns(".state"))
    return folder


def outputs(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "evaluations" / NAME).iterdir()}


def figures(project: Path) -> set[str]:
    """Names of what MLflow keeps as figures."""
    return {path.name for path in project.glob(".state/**/figures/*.png")}


def evaluate_again(project: Path) -> None:
    shutil.rmtree(project / "evaluations")
    run_here(project, "evaluate", "source_only", "0")


def without_images(project: Path, _: pytest.MonkeyPatch) -> None:
    (project / "data/ingested/target/images.arrow").unlink()


def with_a_flow_of_nonsense(project: Path, _: pytest.MonkeyPatch) -> None:
    (project / f"runs/{NAME}/flow.parquet").write_text("no table")


def in_an_impossible_style(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(look._STYLE, "savefig.dpi", 2e6)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (without_images, "UserError: data/ingested/target/images.arrow: no such image store"),
        (with_a_flow_of_nonsense, f"UserError: runs/{NAME}/flow.parquet: not a readable Parquet table"),
        (in_an_impossible_style, "ValueError: Image size of "),
    ],
)
def test_what_cannot_be_drawn_is_measured_all_the_same(project, capsys, monkeypatch, spoil, reason) -> None:
    wanted = outputs(project)
    spoil(project, monkeypatch)
    evaluate_again(project)
    assert outputs(project) == wanted
    said = capsys.readouterr()
    assert f"{NAME}: PCK@0.05 " in said.out
    warnings = [line for line in said.err.splitlines() if line.startswith("warning:")]
    assert len(warnings) == (2 if spoil is in_an_impossible_style else 1)  # of the wanted poses too
    assert all(line.startswith(f"warning: {NAME}: no figures: {reason}") for line in warnings)
    assert list(project.glob(".state/**/evaluation/metrics.json")), "MLflow has not been told"
    assert not figures(project)


def test_every_table_is_read_once(project) -> None:
    tables = [
        project / f"data/predictions/{NAME}.parquet",
        project / "data/ingested/source/samples.parquet",
        project / "data/ingested/target/samples.parquet",
        project / "data/bins/target/scores.parquet",
        project / "data/bins/source/scores.parquet",
        project / "data/normalised/source.parquet",
        project / f"runs/{NAME}/epoch_predictions.parquet",
        project / f"runs/{NAME}/flow.parquet",
    ]
    copied = [project / f"runs/{NAME}/{table}.parquet" for table in ("history", "curriculum")]
    with counted_opens([*tables, *copied]) as opens:
        evaluate_again(project)
    assert opens == dict.fromkeys(tables, 1) | dict.fromkeys(copied, 2)  # MLflow gets a copy
    assert figures(project) >= FIGURES


def test_what_the_source_lacks_is_written_and_kept_by_mlflow(project) -> None:
    evaluate_again(project)
    folder = project / "evaluations" / NAME
    bins = read_table(folder / "wanted_bins.parquet", WANTED_BINS)
    assert 16 <= sum(bins.column("target_count").to_pylist()) <= 32  # half of the photos, or more if equals
    poses = read_table(folder / "wanted.parquet", wanted_schema(16))
    people = json.loads((folder / "wanted.json").read_text())["annotations"]
    assert 0 < len(poses) == len(people)
    kept = {path.name for path in project.glob(".state/**/artifacts/wanted/*")}
    assert kept == {"wanted_bins.parquet", "wanted.parquet", "wanted.json", "wanted.png"}


def test_labels_of_the_targets_training_photos_change_no_byte(project) -> None:
    evaluate_again(project)
    before = outputs(project)
    path = project / "data/ingested/target/samples.parquet"
    samples = read_table(path, samples_schema(16))
    is_train = np.array(samples.column("split").to_pylist()) == "train"
    points = keypoint_values(samples, "keypoints")
    points[is_train] = np.nan
    columns = {name: samples.column(name).combine_chunks() for name in samples.column_names}
    write_table(path, make_table(samples_schema(16), columns | {"keypoints": points}), samples_schema(16))
    evaluate_again(project)
    assert outputs(project) == before
