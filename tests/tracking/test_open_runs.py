"""Runs that MLflow shows as RUNNING: which of them still have a process, and the end of the others."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow_server import all_runs

from actupose.params import load_params
from tracking import OpenRun, RunMirror, close_dead, describe_run, open_runs, start_pipeline_run

ROOT = Path(__file__).parents[2]
FOLDER = Path(".state/checkpoints/udape-0-0123")
KILLED_IN_TRAINING = f"""
import os
from pathlib import Path
from actupose.params import load_params
from tracking import RunMirror, describe_run, start_pipeline_run
start_pipeline_run("figures", "flow")
run = describe_run(load_params(Path("{ROOT}/params.yaml")), "udape", 0)
RunMirror.open(Path("{FOLDER}"), run).__enter__()
os._exit(9)
"""


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder, shared because its store takes seconds to make."""
    return tmp_path_factory.mktemp("project")


@pytest.fixture
def client(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowClient]:
    """Of a store that has no open run before the test."""
    monkeypatch.chdir(store)
    connected = MlflowClient(tracking_uri=f"sqlite:///{store}/.state/mlflow.db")
    yield connected
    for run in open_runs():
        connected.delete_run(run.run_id)


def by_name(runs: list[OpenRun]) -> dict[str, bool | None]:
    return {run.name: run.alive for run in runs}


def test_runs_of_a_killed_process_are_closed_and_one_of_them_goes_on_when_it_is_resumed(
    client: MlflowClient,
) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED_IN_TRAINING], check=False).returncode == 9
    found = open_runs()
    assert by_name(found) == {"udape-0": False, "pipeline": False}
    assert {run.name for run in close_dead(found)} == {"udape-0", "pipeline"}
    assert {run.info.status for run in all_runs(client)} == {"KILLED"}
    assert open_runs() == []

    with RunMirror.open(FOLDER, describe_run(load_params(ROOT / "params.yaml"), "udape", 0)):
        assert by_name(open_runs()) == {"udape-0": True}
        assert open_runs()[0].process.startswith(f"process {os.getpid()} on ")
        assert close_dead(found) == []  # listed as dead, resumed since
    assert open_runs() == []


def test_only_what_is_known_to_be_dead_is_closed(client: MlflowClient) -> None:
    runs = {
        "lives": {},
        "another process has its number now": {"actupose.process_started": "1000000000.00"},
        "elsewhere": {"actupose.host": "elsewhere"},
    }
    ids = {}
    for name, tags in runs.items():
        ids[name] = start_pipeline_run("figures", "flow")
        for key, value in {"mlflow.runName": name, **tags}.items():
            client.set_tag(ids[name], key, value)
    experiment = client.get_experiment_by_name("figures").experiment_id
    client.create_run(experiment, run_name="of an older version", tags={"actupose.kind": "run"})
    client.create_run(experiment, run_name="of another tool")

    found = by_name(open_runs())
    assert found.pop("another process has its number now") is False
    assert found.pop("of an older version") is None
    assert found == {"lives": True, "elsewhere": None}
    close_dead(open_runs())
    assert set(by_name(open_runs())) == {"lives", "elsewhere", "of an older version"}
    assert client.get_run(ids["lives"]).info.status == "RUNNING"
