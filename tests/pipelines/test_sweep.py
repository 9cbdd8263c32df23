"""A sweep over a pipeline of one small stage, which really runs under DVC and Prefect."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from actupose.errors import UserError
from pipelines._sweep_cells import read_sweep, sweep_cells

ROOT = Path(__file__).parents[2]
PIPELINE = """\
stages:
  evaluate:
    cmd: python stage.py
    params: [curriculum, train]
    metrics:
      - evaluations/actupose-0/metrics.json
      - evaluations/actupose-1/metrics.json
"""
STAGE = """\
import json, os, sys, yaml
params = yaml.safe_load(open("params.yaml"))
pace, sigma = params["curriculum"]["pace"], params["curriculum"]["sigma"]
if pace == 3 and not os.path.exists("mended"):
    sys.exit(1)
for seed in params["train"]["seeds"]:
    figures = {"pck": {"all": pace / 10 + seed / 50}, "pck_all_hardest_third": sigma}
    os.makedirs(f"evaluations/actupose-{seed}", exist_ok=True)
    with open(f"evaluations/actupose-{seed}/metrics.json", "w") as file:
        json.dump({"last": figures, "best_on_target": {}}, file)
"""
SWEEP = {
    "preset": None,
    "settings": {"train.methods": ["actupose"], "train.seeds": [0, 1]},
    "vary": "grid",
    "axes": {"curriculum.pace": [1.0, 3.0], "curriculum.sigma": [0.1, 0.5]},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "project"
    (folder / "src/actupose/data/figures").mkdir(parents=True)  # the root that params.yaml names
    (folder / "sweeps").mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=folder, check=True)
    shutil.copy2(ROOT / "params.yaml", folder / "params.yaml")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "stage.py").write_text(STAGE)
    (folder / "sweeps/both.yaml").write_text(yaml.safe_dump(SWEEP))
    return folder


@pytest.fixture(scope="module")
def first(project):
    return run_sweep(project, "both")


@pytest.fixture(scope="module")
def second(project, first):
    (project / "mended").touch()
    return run_sweep(project, "both")


def run_sweep(project, *arguments):
    places = {
        "PREFECT_HOME": str(project / ".state/prefect"),
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
    }
    return subprocess.run(
        [sys.executable, "-m", "pipelines.sweep", *arguments],
        cwd=project,
        env={**os.environ, **places},
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_a_failing_cell_is_named_and_the_others_finish(project, first):
    assert first.returncode == 1
    failing = [f"curriculum.pace=3.0,curriculum.sigma={sigma}" for sigma in (0.1, 0.5)]
    assert f"\nerror: failed: {failing[0]}, {failing[1]}\n" in first.stderr
    assert (project / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()
    assert first.stdout.count("| actupose | 2 |") == 2


def test_a_second_run_does_what_is_left_and_nothing_else(project, second):
    assert second.returncode == 0, second.stderr
    assert second.stderr.count("Running stage 'evaluate'") == 2
    listed = run_sweep(project, "both", "--dry-run").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["finished"] * 4


def test_the_summary_has_mean_and_deviation_of_every_cell(project, second):
    rows = list(csv.DictReader((project / "sweeps/results/both/summary.csv").open()))
    assert (rows[0]["cell"], rows[0]["seeds"]) == ("curriculum.pace=1.0,curriculum.sigma=0.1", "2")
    # Seeds 0.10 and 0.12: mean 0.11, deviation 0.02 / sqrt(2).
    assert (rows[0]["pck_all_mean"], rows[0]["pck_all_std"]) == ("0.110000", "0.014142")
    assert [row["pck_all_hardest_third_mean"] for row in rows] == ["0.100000", "0.500000"] * 2
    assert (project / "sweeps/results/both/summary.png").read_bytes().startswith(b"\x89PNG")


def test_other_settings_are_to_be_run_again(project, second):
    listed = run_sweep(project, "both", "--dry-run", "--set", "schedule.epochs=12").stdout
    assert listed.count("to run") == 4


def test_a_mistake_in_any_cell_shows_before_the_first_runs(project):
    wrong = SWEEP | {"axes": {"curriculum.pace": [1.0, -1.0]}}
    (project / "sweeps/wrong.yaml").write_text(yaml.safe_dump(wrong))
    done = run_sweep(project, "wrong")
    assert done.returncode == 2
    assert "curriculum.pace = -1.0: Input should be greater than 0" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_sweep_is_one_line(project):
    done = run_sweep(project, "nothing")
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        ["error: no sweep nothing; there are both, wrong in sweeps/"],
    )


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "sweeps").glob("*.yaml")])
def test_every_sweep_of_the_project_is_valid_and_names_its_command(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert f"python -m pipelines.sweep {name}" in (ROOT / f"sweeps/{name}.yaml").read_text()
    assert run_sweep(ROOT, name, "--dry-run").stdout.count("to run") == len(sweep_cells(read_sweep(name), []))


def test_one_at_a_time_varies_no_two_keys_together(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps/x.yaml").write_text(yaml.safe_dump(SWEEP | {"vary": "one_at_a_time"}))
    assert [cell.name for cell in sweep_cells(read_sweep("x"), [])] == [
        "curriculum.pace=1.0", "curriculum.pace=3.0", "curriculum.sigma=0.1", "curriculum.sigma=0.5",
    ]  # fmt: skip


def test_a_file_that_is_no_sweep_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps/x.yaml").write_text("axes: {}\nvary: all\n")
    with pytest.raises(UserError, match=r"sweeps/x.yaml: preset: Field required"):
        read_sweep("x")
