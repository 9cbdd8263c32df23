"""``actupose up`` on a copy of the project: a real server, pool and worker, whose deployments run stages."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from mlflow import MlflowClient
from mlflow_server import all_runs, free_port, points
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter, FlowRunFilterId, LogFilter
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling
from shrunk_project import environment, make_project, prepare, run, run_here
from waiting import wait_until

TINY = {
    "train.methods": ["source_only"],
    "schedule": {"epochs": 2, "pretrain_epochs": 1, "steps_per_epoch": 4, "batch_size": 8},
}
PREPARED = ("ingest", "normalise", "train_vae", "score", "train_style")
TRAIN = "train@source_only-0"
LONG = {"schedule.epochs": 40, "evaluation.every_epochs": 40}
ENDS = ("Completed", "Failed", "Crashed", "Cancelled")


@dataclass(frozen=True)
class Stack:
    project: Path
    process: "subprocess.Popen[bytes]"
    prefect: SyncPrefectClient

    def launch(self, name: str, **parameters: object) -> UUID:
        deployment = self.prefect.read_deployment_by_name(name)
        return self.prefect.create_flow_run_from_deployment(deployment.id, parameters=parameters).id

    def wait(self, run: UUID, *names: str) -> FlowRun:
        wait_until(lambda: self.prefect.read_flow_run(run).state_name in (names or ENDS))
        return self.prefect.read_flow_run(run)

    def finish(self, name: str, **parameters: object) -> FlowRun:
        return self.wait(self.launch(name, **parameters))

    def lines(self, run: UUID) -> list[str]:
        return [line.message for line in self.prefect.read_logs(LogFilter(flow_run_id={"any_": [run]}))]

    def mlflow(self) -> MlflowClient:
        return MlflowClient(tracking_uri=f"sqlite:///{self.project / '.state/mlflow.db'}")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    project = tmp_path_factory.mktemp("deployments") / "project"
    make_project(project, TINY)
    prepare(project)  # quicker here than in eight processes
    run(project, "dvc", "commit", "--force", *PREPARED)
    port, mlflow_port = free_port(), free_port()
    command = [sys.executable, "-m", "pipelines.cli", "up", "--port", str(port)]
    output = project.parent / "up.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            [*command, "--mlflow-port", str(mlflow_port)],
            cwd=project,
            env=environment(project)
            | {
                "PYTHONPATH": f"{project / 'src'}{os.pathsep}{project}",
                "PREFECT_HOME": str(project / ".state" / "prefect"),
            },
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        wait_until(lambda: "Ctrl-C ends" in output.read_text() or process.poll() is not None)
        assert process.poll() is None, output.read_text()
        with SyncPrefectClient(api=f"http://127.0.0.1:{port}/api") as client:
            yield Stack(project, process, client)
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.terminate()
        process.wait(60)
        assert alive(family) == []


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return psutil.wait_procs(processes, timeout=5)[1]


def stage_processes(project: Path) -> list[str]:
    """Commands of DVC and stages that run in the project."""
    commands = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(project) and process.status() != psutil.STATUS_ZOMBIE:
                commands.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return [command for command in commands if "stages." in command or "dvc" in command]


def settings(values: dict[str, object]) -> list[str]:
    return [f"{key}={value}" for key, value in values.items()]


@pytest.fixture(scope="module")
def first(stack):
    return stack.finish("pipeline/workspace")


def test_a_deployment_run_reproduces_every_stage_as_a_task(stack, first):
    assert first.state_name == "Completed", stack.lines(first.id)
    only_these = FlowRunFilter(id=FlowRunFilterId(any_=[first.id]))
    tasks = {task.name for task in stack.prefect.read_task_runs(flow_run_filter=only_these)}
    domains = {f"{stage}@{d}" for stage in ("ingest", "normalise", "score") for d in ("source", "target")}
    of_run = {TRAIN, "predict@source_only-0", "evaluate@source_only-0"}
    assert tasks == domains | of_run | {"train_vae", "train_style", "compare"}
    assert "source_only-0 epoch 2/2" in "\n".join(stack.lines(first.id))
    assert "source_only-0 epoch 2/2" in (stack.project / f".state/logs/{TRAIN}.log").read_text()


def test_it_shows_progress_the_comparison_and_where_the_report_is(stack, first):
    artifacts = stack.prefect.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id={"any_": [first.id]}))
    shown = {artifact.key: str(artifact.data) for artifact in artifacts}
    assert float(shown["train-source-only-0"]) == 100
    assert '"method": "source_only"' in shown["comparison"]
    parent = next(run for run in all_runs(stack.mlflow(), "shrunk") if run.info.run_name == "pipeline")
    assert f"/runs/{parent.info.run_id}" in shown["report"]
    assert parent.data.tags["prefect.flow_run"] == str(first.id)


def test_what_it_tracks_is_there_for_runs_without_the_servers(stack, first):
    folder = stack.mlflow().get_experiment_by_name("shrunk").artifact_location
    assert folder.startswith(f"file://{stack.project}/.state/mlartifacts/")
    parent = next(run for run in all_runs(stack.mlflow(), "shrunk") if run.info.run_name == "pipeline")
    assert "reports/report.html" in {
        file.path for file in stack.mlflow().list_artifacts(parent.info.run_id, "reports")
    }


@pytest.fixture(scope="module")
def cancelled(stack, first):
    """A run cancelled in its fourth epoch."""
    log = stack.project / f".state/logs/{TRAIN}.log"
    log.unlink()
    run = stack.launch("pipeline/workspace", settings=settings(LONG), stages=[TRAIN])
    wait_until(lambda: log.exists() and "epoch 3/40" in log.read_text())
    assert stack.prefect.read_global_concurrency_limit_by_name("gpu").active_slots == 1
    stack.prefect.set_flow_run_state(run, Cancelling())
    return stack.wait(run)


def test_a_cancelled_run_saves_and_leaves_no_process_and_no_slot(stack, cancelled):
    assert cancelled.state_name == "Cancelled"
    assert stage_processes(stack.project) == []
    assert stack.prefect.read_global_concurrency_limit_by_name("gpu").active_slots == 0
    assert list((stack.project / ".state/checkpoints").glob("source_only-0-*/step-*.ckpt"))
    statuses = {run.info.run_name: run.info.status for run in all_runs(stack.mlflow(), "shrunk")[:2]}
    assert statuses == {"pipeline": "KILLED", "source_only-0": "KILLED"}


def test_resumed_it_ends_with_the_model_of_an_undisturbed_run(stack, cancelled, tmp_path):
    resumed = stack.finish("pipeline/workspace", settings=settings(LONG), stages=[TRAIN])
    assert resumed.state_name == "Completed", stack.lines(resumed.id)
    assert "epoch 3/40" not in (stack.project / f".state/logs/{TRAIN}.log").read_text()
    [run] = [
        run for run in all_runs(stack.mlflow(), "shrunk") if run.data.params.get("schedule.epochs") == "40"
    ]
    assert [step for step, _ in points(stack.mlflow(), run.info.run_id, "source")] == list(range(40))
    undisturbed = tmp_path / "project"
    left_out = shutil.ignore_patterns(".state", "runs", "cache", ".git")
    shutil.copytree(stack.project, undisturbed, symlinks=True, ignore=left_out)
    run_here(undisturbed, "train", "source_only", "0")
    model = "runs/source_only-0/model.safetensors"
    assert (undisturbed / model).read_bytes() == (stack.project / model).read_bytes()


@pytest.fixture(scope="module")
def at_once(stack, first):
    """Three launched at once, the last of them with a mistake."""
    changes = ["vae.epochs=4", "vae.epochs=5", "vae.epoch=2"]
    return [stack.launch("pipeline/workspace", settings=[change], stages=["train_vae"]) for change in changes]


def test_of_two_users_who_launch_at_once_one_waits_and_both_end_well(stack, at_once):
    runs = at_once[:2]
    assert [stack.wait(run).state_name for run in runs] == ["Completed", "Completed"]
    waited = ["waiting for it" in "\n".join(stack.lines(run)) for run in runs]
    assert sorted(waited) == [False, True]


def test_a_mistake_in_a_launch_is_one_line_in_the_run(stack, at_once):
    mistaken = stack.wait(at_once[2])
    assert mistaken.state_name == "Failed"
    assert mistaken.state.message.endswith("vae.epoch: unknown key")


def test_new_data_start_the_pipeline_again(stack, first):
    def triggered() -> list[FlowRun]:
        return [run for run in stack.prefect.read_flow_runs() if run.deployment_id == again.id]

    again = stack.prefect.read_deployment_by_name("pipeline/on-new-data")
    quiet = stack.finish("watch-data/watch-data")
    assert quiet.state.message == "nothing has changed"
    new = stack.project / "src/actupose/data/figures/new.txt"  # the built-in data are their code
    new.touch()
    noticed = stack.finish("watch-data/watch-data")
    assert noticed.state.message == "changed: source, target"
    wait_until(lambda: bool(triggered()))
    new.unlink()
    for flow_run in triggered():
        stack.wait(flow_run.id, *ENDS, "Running")
        stack.prefect.set_flow_run_state(flow_run.id, Cancelling())
        stack.wait(flow_run.id)


def test_zombies_are_found_by_their_missing_heartbeat(stack):
    [automation] = stack.prefect.read_automations_by_name("actupose: crash flow runs without a heartbeat")
    assert automation.enabled
    assert automation.trigger.within.total_seconds() >= 3 * 180  # heartbeats


def test_the_end_of_the_stack_is_the_end_of_a_run_which_saves(stack, first):
    log = stack.project / f".state/logs/{TRAIN}.log"
    log.unlink()
    stack.launch("pipeline/workspace", settings=settings(LONG | {"optim.lr": 0.002}), stages=[TRAIN])
    wait_until(lambda: log.exists() and "epoch 3/40" in log.read_text())
    everyone = psutil.Process(stack.process.pid).children(recursive=True)
    stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(60) == 128 + signal.SIGINT
    assert alive(everyone) == []
    assert stage_processes(stack.project) == []
    newest = max(
        (stack.project / ".state/checkpoints").glob("source_only-0-*"), key=lambda f: f.stat().st_mtime
    )
    assert list(newest.glob("step-*.ckpt"))
