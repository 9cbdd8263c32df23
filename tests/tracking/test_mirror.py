import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow_server import all_runs, points

from actupose.params import Params, load_params
from tracking import RunMirror, describe_run, finish_pipeline_run, start_pipeline_run

ROOT = Path(__file__).parents[2]
FOLDER = Path(".state/checkpoints/udape-0-0123")


@pytest.fixture
def params() -> Params:
    return load_params(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path.read_bytes()


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated_store: bytes) -> Path:
    """An empty project whose local store is already migrated (that takes seconds)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Path(".state").mkdir()
    Path(".state/mlflow.db").write_bytes(migrated_store)
    return tmp_path


def local_client() -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{Path('.state/mlflow.db').resolve()}")


def test_a_run_has_its_metrics_params_and_tags(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "train@udape-0")
    monkeypatch.setenv("DVC_EXP_NAME", "bold-fox")
    monkeypatch.setenv("ACTUPOSE_PARENT_RUN_ID", "abc")
    Path("dvc.lock").write_text("schema: '2.0'\n")
    with RunMirror.open(FOLDER, describe_run(params, "udape", 0)) as mirror:
        mirror.log_epoch(0, {"source": 2.0, "learning_rate": 0.001, "pairs": float("nan")})
        mirror.log_epoch(1, {"source": 1.0, "learning_rate": 0.001, "pairs": float("inf")})
    (run,) = all_runs(local_client())
    assert (run.info.run_name, run.info.status) == ("udape-0", "FINISHED")
    assert points(local_client(), run.info.run_id, "source") == [(0, 2.0), (1, 1.0)]
    assert "pairs" not in run.data.metrics
    assert run.data.params["method.kind"] == "mean_teacher"
    assert run.data.params["schedule.epochs"] == "20"
    wanted = {"dvc.stage": "train@udape-0", "dvc.experiment": "bold-fox", "mlflow.parentRunId": "abc"}
    wanted |= {"skeleton": "body16", "source": "figures", "target": "figures", "selection": "last"}
    wanted |= {"supervision": "source", "mlflow.source.type": "LOCAL"}
    assert wanted.items() <= run.data.tags.items()
    assert {"dvc.lock", "params_hash", "mlflow.user", "mlflow.source.name"} <= set(run.data.tags)
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_artifacts_of_the_local_store_lie_in_the_project(params: Params, project: Path) -> None:
    note = project / "note.txt"
    note.write_text("hello")
    with RunMirror.open(FOLDER, describe_run(params, "udape", 0)) as mirror:
        mirror.log_files("tables", [note])
    (found,) = (project / ".state" / "mlartifacts").rglob("note.txt")
    assert found.parent.name == "tables"
    assert not (project / "mlruns").exists()


def test_a_resumed_run_goes_on_without_gap_or_doubled_step(params: Params) -> None:
    run = describe_run(params, "udape", 0)
    with pytest.raises(SystemExit), RunMirror.open(FOLDER, run) as mirror:
        for epoch in range(3):
            mirror.log_epoch(epoch, {"source": float(epoch), "samples_per_second": 10.0})
        raise SystemExit(143)
    assert all_runs(local_client())[0].info.status == "KILLED"
    with RunMirror.open(FOLDER, run) as mirror:  # the checkpoint was of epoch 1: epoch 2 comes again
        assert all_runs(local_client())[0].info.status == "RUNNING"
        for epoch in range(2, 5):
            mirror.log_epoch(epoch, {"source": float(epoch), "samples_per_second": 20.0})
    (only,) = all_runs(local_client())
    assert points(local_client(), only.info.run_id, "source") == [(e, float(e)) for e in range(5)]
    assert len(points(local_client(), only.info.run_id, "samples_per_second")) == 5


def test_a_fault_marks_the_run_failed(params: Params) -> None:
    with pytest.raises(ZeroDivisionError), RunMirror.open(FOLDER, describe_run(params, "udape", 0)):
        raise ZeroDivisionError
    assert all_runs(local_client())[0].info.status == "FAILED"


def test_a_line_cut_off_by_a_kill_is_dropped(params: Params) -> None:
    run = describe_run(params, "udape", 0)
    RunMirror.open(FOLDER, run).log_epoch(0, {"source": 1.0})
    with (FOLDER / "metrics.jsonl").open("a") as journal:
        journal.write('{"time": 1, "step": 1, "met')
    with RunMirror.open(FOLDER, run) as mirror:
        mirror.log_epoch(1, {"source": 0.5})
    (only,) = all_runs(local_client())
    assert points(local_client(), only.info.run_id, "source") == [(0, 1.0), (1, 0.5)]


def test_evaluation_finds_the_run_that_trained(params: Params) -> None:
    run = describe_run(params, "udape", 0)
    with RunMirror.open(FOLDER, run) as mirror:
        mirror.log_epoch(0, {"source": 1.0})
    for _ in range(2):  # the second evaluation repeats nothing
        with RunMirror.reopen(run) as mirror:
            mirror.log_epochs([{"epoch": 0, "metric": "source", "value": 1.0}])
            mirror.log_series({"bins/pck_0.05": {0: 0.9, 1: 0.5}, "bins/count": {0: 4, 1: 4}})
            mirror.log_scalars({"target/pck_0.05": 0.7})
    (only,) = all_runs(local_client())
    client = local_client()
    assert points(client, only.info.run_id, "bins/pck_0.05") == [(0, 0.9), (1, 0.5)]
    assert points(client, only.info.run_id, "source") == [(0, 1.0)]
    assert only.data.metrics["target/pck_0.05"] == 0.7
    assert "actupose.training" not in only.data.tags


def test_evaluation_without_local_traces_finds_the_run_by_its_key(params: Params) -> None:
    run = describe_run(params, "udape", 0)
    with RunMirror.open(FOLDER, run):
        pass
    Path(".state/mlflow_runs/udape-0.json").unlink()
    with RunMirror.reopen(run) as mirror:
        mirror.log_scalars({"target/pck_0.05": 0.7})
    (only,) = all_runs(local_client())
    assert only.data.metrics["target/pck_0.05"] == 0.7


def test_other_settings_are_another_run(params: Params) -> None:
    slower = params.model_copy(update={"schedule": params.schedule.model_copy(update={"epochs": 40})})
    with RunMirror.open(FOLDER, describe_run(params, "udape", 0)):
        pass
    with RunMirror.reopen(describe_run(slower, "udape", 0)) as mirror:
        mirror.log_scalars({"target/pck_0.05": 0.7})
    newest, oldest = all_runs(local_client())
    assert "target/pck_0.05" not in oldest.data.metrics
    assert newest.data.tags["actupose.training"].startswith("cached")
    assert newest.data.params["schedule.epochs"] == "40"


def test_settings_of_other_methods_do_not_change_a_run(params: Params) -> None:
    others = {**params.methods, "actupose": params.methods["udape"]}
    changed = params.model_copy(update={"methods": others})
    assert describe_run(changed, "udape", 0).key == describe_run(params, "udape", 0).key
    assert describe_run(changed, "actupose", 0).key != describe_run(params, "actupose", 0).key


def test_a_deleted_run_is_begun_anew_with_everything(params: Params) -> None:
    run = describe_run(params, "udape", 0)
    with RunMirror.open(FOLDER, run) as mirror:
        mirror.log_epoch(0, {"source": 1.0})
    local_client().delete_run(all_runs(local_client())[0].info.run_id)
    RunMirror.open(FOLDER, run).finish("FINISHED")
    (only,) = all_runs(local_client())
    assert points(local_client(), only.info.run_id, "source") == [(0, 1.0)]


def test_another_store_receives_everything(
    params: Params, project: Path, migrated_store: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = describe_run(params, "udape", 0)
    with RunMirror.open(FOLDER, run) as mirror:
        mirror.log_epoch(0, {"source": 1.0})
    (project / "other.db").write_bytes(migrated_store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'other.db'}")
    RunMirror.open(FOLDER, run).finish("FINISHED")
    other = MlflowClient(tracking_uri=f"sqlite:///{project / 'other.db'}")
    (only,) = all_runs(other)
    assert points(other, only.info.run_id, "source") == [(0, 1.0)]


def test_processes_that_start_together_share_a_new_store(project: Path) -> None:
    Path(".state/mlflow.db").unlink()
    code = "from tracking.store import connect, experiment_id; print(experiment_id(connect(), 'task'))"
    children = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [child.communicate(timeout=120)[0] for child in children] == ["1\n"] * 3


def test_the_parent_run_holds_its_children_and_the_report(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = start_pipeline_run("figures", "flow-1")
    assert parent
    monkeypatch.setenv("ACTUPOSE_PARENT_RUN_ID", parent)
    with RunMirror.open(FOLDER, describe_run(params, "udape", 0)):
        pass
    reports = Path("reports")
    reports.mkdir()
    (reports / "comparison.md").write_text("| method |")
    finish_pipeline_run(parent, "FINISHED", reports)
    client = local_client()
    (child,) = [run for run in all_runs(client) if run.data.tags.get("mlflow.parentRunId") == parent]
    assert child.info.run_name == "udape-0"
    assert client.get_run(parent).info.status == "FINISHED"
    assert [item.path for item in client.list_artifacts(parent, "reports")] == ["reports/comparison.md"]


def test_data_sets_are_logged_with_dvcs_hash(params: Params) -> None:
    outs = [{"path": "data/ingested/source/samples.parquet", "md5": "0" * 32}]
    Path("dvc.lock").write_text(json.dumps({"stages": {"ingest@source": {"outs": outs}}}))
    with RunMirror.reopen(describe_run(params, "udape", 0)) as mirror:
        mirror.log_datasets()
    assert "MLFLOW_TRACKING_URI" not in os.environ
    (run,) = all_runs(local_client())
    digests = {item.dataset.name: item.dataset.digest for item in run.inputs.dataset_inputs}
    assert digests == {"source": "0" * 32, "target": "not-in-dvc"}


def machine_points(run_id: str) -> list[Metric]:
    return list(local_client().get_metric_history(run_id, "system/cpu_utilization_percentage"))


def train_for(seconds: float, params: Params) -> None:
    with RunMirror.open(FOLDER, describe_run(params, "udape", 0)) as mirror:
        mirror.log_epoch(0, {"source": 1.0})
        time.sleep(seconds)


def test_a_training_run_shows_the_machine_and_a_resumed_one_goes_on(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    train_for(1.0, params)
    (run,) = all_runs(local_client())
    first = machine_points(run.info.run_id)
    assert len(first) > 2
    assert 0 < run.data.metrics["system/system_memory_usage_percentage"] <= 100
    train_for(1.0, params)
    points = machine_points(run.info.run_id)
    assert len(points) > len(first) + 2
    assert [point.step for point in points] == list(range(len(points)))
    assert all(before.timestamp < after.timestamp for before, after in pairwise(points))
    with RunMirror.reopen(describe_run(params, "udape", 0)):  # an evaluation tells nothing of its machine
        time.sleep(0.3)
    assert len(machine_points(run.info.run_id)) == len(points)


def test_the_machine_is_left_out_where_the_settings_say_so(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    tracking = params.tracking.model_copy(update={"system_metrics": False})
    train_for(0.3, params.model_copy(update={"tracking": tracking}))
    (run,) = all_runs(local_client())
    assert not [key for key in run.data.metrics if key.startswith("system/")]
