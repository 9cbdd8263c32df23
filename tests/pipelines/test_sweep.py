"""Sweeps over a pipeline of two small stages, which really run under DVC, Prefect and MLflow."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow_server import all_runs, free_port, running_server
from waiting import wait_for

from actupose.errors import UserError
from pipelines.sweep import exclusive, main

ROOT = Path(__file__).parents[2]
PIPELINE = """\
stages:
  prepare:
    cmd: exec python stage.py prepare
    params: [vae]
    outs: [prepared.txt]
  evaluate:
    cmd: exec python stage.py evaluate
    deps: [prepared.txt]
    params: [methods.actupose, train]
    metrics:
      - evaluations/actupose-0/metrics.json
      - evaluations/actupose-1/metrics.json
"""
# Notes what runs when and where; the first two cells wait for each other, the last one fails at first.
STAGE = """\
import json, os, sys, time, yaml
from pathlib import Path

def note(event):
    with open(os.environ["NOTES"], "a") as file:
        file.write(f"{event} {Path.cwd().name} {time.time()}\\n")

if sys.argv[1] == "prepare":
    note("prepare")
    Path("prepared.txt").write_text("prepared")
    sys.exit()
params = yaml.safe_load(open("params.yaml"))
curriculum = params["methods"]["actupose"]["curriculum"]
pace, sigma = curriculum["pace"], curriculum["sigma"]
checkpoint = Path(".state/checkpoints/step")
note("resume" if checkpoint.exists() else "begin")
deadline = time.time() + 90
while Path(os.environ["NOTES"]).read_text().count("begin") < 2 and time.time() < deadline:
    time.sleep(0.1)
if (pace, sigma) == (3.0, 0.5) and os.environ["LAST"] == "fails":
    print("the last cell is not mended")
    sys.exit(1)
if os.environ["LAST"] == "long":
    checkpoint.parent.mkdir()
    checkpoint.write_text("7")
    time.sleep(99)
for seed in params["train"]["seeds"]:
    figures = {"pck": {"all": pace / 10 + seed / 50}, "pck_all_hardest_third": sigma}
    os.makedirs(f"evaluations/actupose-{seed}", exist_ok=True)
    with open(f"evaluations/actupose-{seed}/metrics.json", "w") as file:
        json.dump({"last": figures, "best_on_target": {}}, file)
note("end")
"""
SWEEP = {
    "preset": None,
    "settings": {"train.methods": ["actupose"], "train.seeds": [0, 1]},
    "vary": "grid",
    "axes": {"methods.actupose.curriculum.pace": [1.0, 3.0], "methods.actupose.curriculum.sigma": [0.1, 0.5]},
}
CELLS = [
    f"methods.actupose.curriculum.pace={pace},methods.actupose.curriculum.sigma={sigma}"
    for pace in (1.0, 3.0)
    for sigma in (0.1, 0.5)
]
LAST_LOG = f".state/sweeps/both/{CELLS[3]}/.state/logs/pipeline.log"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "project"
    (folder / "src/actupose/data/figures").mkdir(parents=True)
    (folder / "src/actupose/data/figures/README").touch()  # the root that params.yaml names
    (folder / "sweeps").mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=folder, check=True)
    shutil.copy2(ROOT / "params.yaml", folder / "params.yaml")
    shutil.copy2(ROOT / ".gitignore", folder / ".gitignore")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "stage.py").write_text(STAGE)
    (folder / "sweeps/both.yaml").write_text(yaml.safe_dump(SWEEP))
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    """A Prefect server for all: a temporary one for each start would cost ten seconds."""
    folder, port = tmp_path_factory.mktemp("prefect"), free_port()
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    environment = {**os.environ, "PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    address = f"http://127.0.0.1:{port}/api"
    with running_server(command, environment, folder / "log", address):
        yield address


@pytest.fixture(scope="module")
def first(project: Path, server: str) -> subprocess.CompletedProcess[str]:
    """Two cells at a time; the last one fails."""
    return finish(start(project, server, "fails", "--cells", "2"))


@pytest.fixture(scope="module")
def stopped(project: Path, server: str, first: object) -> tuple[int, list[psutil.Process]]:
    """A second start, which SIGTERM ends in the middle of the last cell: exit status, and who is alive."""
    sweep = start(project, server, "long")
    checkpoint = project / f".state/sweeps/both/{CELLS[3]}/.state/checkpoints/step"
    wait_for(checkpoint, 120)
    everyone = psutil.Process(sweep.pid).children(recursive=True)
    assert len(everyone) >= 3  # the pipeline, dvc, the stage
    sweep.send_signal(signal.SIGTERM)
    status = sweep.wait(timeout=90)
    _, alive = psutil.wait_procs(everyone, timeout=20)
    return status, [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def third(project: Path, server: str, stopped: object) -> subprocess.CompletedProcess[str]:
    return finish(start(project, server, "ends"))


def start(project: Path, server: str, last_cell: str, *arguments: str) -> subprocess.Popen[str]:
    variables = {
        "PREFECT_HOME": str(project / ".state/prefect"),
        "PREFECT_API_URL": server,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
        "NOTES": str(project.parent / "notes"),
        "LAST": last_cell,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.sweep", "both", *arguments],
        cwd=project,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(sweep: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    output, errors = sweep.communicate(timeout=240)
    return subprocess.CompletedProcess(sweep.args, sweep.returncode, output, errors)


def notes(project: Path, *events: str) -> dict[str, float]:
    """When each cell had one of these events; the last time counts."""
    lines = [line.split() for line in (project.parent / "notes").read_text().splitlines()]
    return {cell: float(seconds) for event, cell, seconds in lines if event in events}


def tracked(project: Path) -> list[Run]:
    return all_runs(MlflowClient(tracking_uri=f"sqlite:///{project / '.state/mlflow.db'}"))


def sweep_here(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> int:
    """For what ends before anything runs: within this process, where Prefect is imported already."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["sweep", *arguments])
    return main()


def test_a_failing_cell_is_named_with_its_log_and_the_others_finish(
    project: Path, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 1, first.stderr
    assert first.stderr.endswith(f"\nerror: failed: {CELLS[3]} (log: {LAST_LOG})\n")
    assert "the last cell is not mended" in (project / LAST_LOG).read_text()
    assert "ERROR: failed to reproduce 'evaluate'" in first.stderr  # the end of the log is shown
    assert [cell for cell in CELLS if f"| {cell} | actupose | 2 |" in first.stdout] == CELLS[:3]


def test_what_cells_have_in_common_is_computed_once(project: Path, first: object, third: object) -> None:
    lines = (project.parent / "notes").read_text().splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("prepare")] == [["prepare", CELLS[0]]]
    assert "Stage 'prepare' is cached - skipping run" in (project / LAST_LOG).read_text()


def test_two_cells_overlap(project: Path, first: object) -> None:
    begun, ended = notes(project, "begin"), notes(project, "end")
    assert begun[CELLS[0]] < ended[CELLS[1]]
    assert begun[CELLS[1]] < ended[CELLS[0]]
    assert begun[CELLS[2]] > min(ended.values())  # but not three


def test_the_project_stays_as_it_was(project: Path, third: object) -> None:
    assert (project / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()
    names = {path.name for path in project.iterdir()}
    written = {".dvc", ".dvcignore", ".git", ".gitignore", ".state", "sweeps", "src"}
    assert names == written | {"params.yaml", "dvc.yaml", "stage.py"}  # no dvc.lock, no outputs


def test_sigterm_leaves_no_process_behind(stopped: tuple[int, list[psutil.Process]]) -> None:
    assert stopped == (128 + signal.SIGTERM, [])


def test_the_next_start_goes_on_with_what_is_left_from_its_checkpoint(
    project: Path, third: subprocess.CompletedProcess[str]
) -> None:
    assert third.returncode == 0, third.stderr
    assert list(notes(project, "resume")) == [CELLS[3]]
    lines = (project.parent / "notes").read_text().splitlines()
    assert len([line for line in lines if line.startswith("begin")]) == 5  # the last cell twice


def test_a_finished_cell_leaves_its_logs_and_no_outputs(project: Path, third: object) -> None:
    workspaces = project / ".state/sweeps/both"
    assert {path.name for path in workspaces.iterdir()} == set(CELLS)
    assert {path.name for workspace in workspaces.iterdir() for path in workspace.iterdir()} == {".state"}


def test_the_summary_has_mean_and_deviation_of_every_cell(project: Path, third: object) -> None:
    rows = list(csv.DictReader((project / "sweeps/results/both/summary.csv").open()))
    assert [(row["cell"], row["seeds"]) for row in rows] == [(cell, "2") for cell in CELLS]
    # Seeds 0.10 and 0.12: mean 0.11, deviation 0.02 / sqrt(2).
    assert (rows[0]["pck_all_mean"], rows[0]["pck_all_std"]) == ("0.110000", "0.014142")
    assert [row["pck_all_hardest_third_mean"] for row in rows] == ["0.100000", "0.500000"] * 2
    assert (project / "sweeps/results/both/summary.png").read_bytes().startswith(b"\x89PNG")


def test_mlflow_has_one_sweep_and_its_cells_below_it(project: Path, third: object) -> None:
    runs = tracked(project)
    (parent,) = [run for run in runs if run.data.tags["actupose.kind"] == "sweep"]
    assert (parent.info.status, parent.data.tags["actupose.sweep"]) == ("FINISHED", "both")
    assert parent.data.tags["axis.methods.actupose.curriculum.pace"] == "[1.0, 3.0]"
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == len(runs) - 1
    ends = {(run.data.tags.get("actupose.cell"), run.info.status) for run in children}
    finished = {(cell, "FINISHED") for cell in CELLS} | {(None, "FINISHED")}  # and what they have in common
    assert ends == finished | {(CELLS[3], "FAILED"), (CELLS[3], "KILLED")}


def test_mlflow_has_each_cells_values_beside_its_result(project: Path, third: object) -> None:
    done = [run for run in tracked(project) if run.info.status == "FINISHED"]
    cells = {run.data.tags["actupose.cell"]: run for run in done if "actupose.cell" in run.data.tags}
    cell = cells[CELLS[1]]
    assert cell.data.params == {
        "methods.actupose.curriculum.pace": "1.0",
        "methods.actupose.curriculum.sigma": "0.5",
    }
    assert cell.info.run_name == CELLS[1]
    assert cell.data.metrics == pytest.approx(
        {
            "sweep/pck_0.05_mean": 0.11,
            "sweep/pck_0.05_std": 0.02 / 2**0.5,
            "sweep/pck_0.05_hardest_third_mean": 0.5,
            "sweep/pck_0.05_hardest_third_std": 0.0,
        }
    )


def test_the_summary_is_an_artifact_of_the_sweep(project: Path, third: object) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{project / '.state/mlflow.db'}")
    (parent,) = [run for run in tracked(project) if run.data.tags["actupose.kind"] == "sweep"]
    names = [file.path for file in client.list_artifacts(parent.info.run_id)]
    assert names == ["summary.csv", "summary.md", "summary.png"]


def test_other_settings_are_to_be_run_again(project: Path, third: object, monkeypatch, capsys) -> None:
    assert sweep_here(monkeypatch, project, "both", "--dry-run") == 0
    assert capsys.readouterr().out.count("finished") == 4
    assert sweep_here(monkeypatch, project, "both", "--dry-run", "--set", "schedule.epochs=12") == 0
    assert capsys.readouterr().out.count("to run") == 4


def test_a_mistake_in_any_cell_shows_before_the_first_runs(project: Path, monkeypatch, capsys) -> None:
    axis = ["--axis", "methods.actupose.curriculum.pace=1.0,-1.0"]
    assert sweep_here(monkeypatch, project, *axis) == 2
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1)
    assert "methods.actupose.curriculum.pace = -1.0: Input should be greater than 0" in told.err


def test_an_unknown_sweep_is_one_line(project: Path, monkeypatch, capsys) -> None:
    assert sweep_here(monkeypatch, project, "nothing") == 2
    assert capsys.readouterr().err == "error: no sweep nothing; there are both in sweeps/\n"


def test_a_grid_needs_no_file(project: Path, monkeypatch, capsys) -> None:
    axes = ["--axis", "methods.actupose.curriculum.pace=1.0,2.0", "--axis", "train.seeds=[0],[1, 2]"]
    assert sweep_here(monkeypatch, project, *axes, "--dry-run") == 0
    assert capsys.readouterr().out.splitlines() == [
        "to run   methods.actupose.curriculum.pace=1.0,train.seeds=[0]",
        "to run   methods.actupose.curriculum.pace=1.0,train.seeds=[1, 2]",
        "to run   methods.actupose.curriculum.pace=2.0,train.seeds=[0]",
        "to run   methods.actupose.curriculum.pace=2.0,train.seeds=[1, 2]",
    ]


@pytest.mark.parametrize(
    ("name", "reason"), [("../up", "letters, digits"), ("both", "sweeps/both.yaml has that")]
)
def test_a_grids_name_is_a_plain_one_that_no_file_has(
    project: Path, monkeypatch, capsys, name, reason
) -> None:
    assert (
        sweep_here(monkeypatch, project, "--axis", "methods.actupose.curriculum.pace=1.0", "--name", name)
        == 2
    )
    assert capsys.readouterr().err.startswith(f"error: --name {name}: {reason}")


@pytest.mark.parametrize("name", [path.stem for path in (ROOT / "sweeps").glob("*.yaml")])
def test_every_sweep_of_the_project_is_valid_and_names_its_command(name, monkeypatch, capsys) -> None:
    text = (ROOT / f"sweeps/{name}.yaml").read_text()
    assert f"python -m pipelines.sweep {name}" in text
    content = yaml.safe_load(text)
    roots = [f"data.{domain}.root={ROOT}" for domain in ("source", "target")] if content["preset"] else []
    assert sweep_here(monkeypatch, ROOT, name, "--dry-run", *(f"--set={root}" for root in roots)) == 0
    values = sum(len(values) for values in content.get("axes", {}).values())  # all vary one at a time
    assert len(capsys.readouterr().out.splitlines()) == values + len(content.get("cells", {}))


def test_a_second_start_of_the_same_sweep_is_told_so(project: Path, monkeypatch) -> None:
    monkeypatch.chdir(project)
    refused = pytest.raises(UserError, match="sweep both is running already")
    with exclusive("both"), refused, exclusive("both"):
        pass
