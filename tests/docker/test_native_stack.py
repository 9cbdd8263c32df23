"""compose.yaml's servers for real, without containers: a deployment runs on Postgres, S3 and Redis.

Needs Debian's postgresql and redis-server: pytest -m trial tests/docker/test_native_stack.py -s
"""

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import yaml
from compose_file import ROOT
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow_server import all_runs
from native_stack import POSTGRES, SECRETS, NativeStack, wait_until
from shrunk_project import NUM_BINS, make_project, set_params

pytestmark = [
    pytest.mark.trial,
    pytest.mark.skipif(not POSTGRES.exists(), reason="needs Debian's postgresql"),
    pytest.mark.skipif(not shutil.which("redis-server"), reason="needs Debian's redis-server"),
]
METHOD = "udape"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeStack]:
    folder = tmp_path_factory.mktemp("stack")
    source = folder / "source"
    source.mkdir()
    make_project(source, {"train.methods": [METHOD]})
    commit(source, "A shrunk project")
    stack = NativeStack(folder, source)
    try:
        stack.up("worker-cpu")
        print("", *(f"{name}: {seconds:.1f} s" for name, seconds in stack.seconds.items()), sep="\n")
        yield stack
    finally:
        stack.close()


@pytest.fixture(scope="module")
def run_output(stack: NativeStack) -> str:
    """What `prefect deployment run` says of a run of the whole pipeline."""
    return run_deployment(stack)


def commit(folder: Path, message: str) -> None:
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@localhost"]
    subprocess.run(["git", *identity, "commit", "--quiet", "--message", message], cwd=folder, check=True)


def deployment() -> str:
    """The first deployment that runs the pipeline with params.yaml as it stands."""
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    pipelines = [each for each in deployments if each["entrypoint"] == "pipelines/run.py:pipeline"]
    return next(f"pipeline/{each['name']}" for each in pipelines if not each.get("parameters"))


def run_deployment(stack: NativeStack) -> str:
    command = ["prefect", "deployment", "run", deployment(), "--watch", "--watch-interval", "2"]
    done = stack.call("worker-cpu", command)
    assert done.returncode == 0, done.stdout + (stack.folder / "worker-cpu.log").read_text()[-8000:]
    return done.stdout


def trainings(stack: NativeStack, status: str) -> list[Run]:
    client = MlflowClient(tracking_uri=f"http://{stack.address('mlflow')}")
    runs = all_runs(client, "shrunk")
    return [run for run in runs if run.info.run_name == f"{METHOD}-0" and run.info.status == status]


def test_a_deployment_runs_to_its_end(stack: NativeStack, run_output: str) -> None:
    assert "Completed" in run_output
    assert (stack.workspace / "reports" / "report.html").exists()
    assert stack.ask("prefect", "select count(*) from flow_run where state_type = 'COMPLETED'") == "1"


def test_the_services_hear_of_the_tasks_through_redis(stack: NativeStack, run_output: str) -> None:
    """Task runs reach the database as events: from the server over Redis to the services' recorder."""
    stages = int(stack.ask("prefect", "select count(*) from task_run"))
    assert stages >= 10
    done = "select count(*) from task_run where state_type = 'COMPLETED'"
    wait_until(lambda: stack.ask("prefect", done) == str(stages), "task runs are not recorded")


def test_metrics_are_in_postgres_and_artifacts_in_the_bucket(stack: NativeStack, run_output: str) -> None:
    (training,) = trainings(stack, "FINISHED")
    assert training.data.metrics["target/pck_0.05"] >= 0
    bins = "select count(*) from metrics where key = 'bins/pck_0.05'"
    assert stack.ask("mlflow", bins) == str(NUM_BINS)
    store = boto3.client(
        "s3",
        endpoint_url=f"http://{stack.address('object-store')}",
        aws_access_key_id="actupose",
        aws_secret_access_key=SECRETS["S3_SECRET_KEY"],
        region_name="us-east-1",
    )
    names = [item["Key"] for item in store.list_objects_v2(Bucket="mlflow")["Contents"]]
    assert any(name.endswith("report.html") for name in names), names
    assert any(name.endswith("model.safetensors") or name.endswith("model.pt2") for name in names), names


def test_nothing_of_the_run_is_left_in_local_stores(stack: NativeStack, run_output: str) -> None:
    assert not (stack.workspace / ".state" / "mlflow.db").exists()
    assert not list(stack.workspace.glob("mlruns*"))


def test_mlflow_answers_to_its_name_in_the_network_and_to_no_other(stack: NativeStack) -> None:
    def status(host: str) -> int:
        request = urllib.request.Request(
            f"http://{stack.address('mlflow')}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default",
            headers={"Host": host},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert status("mlflow:5000") == 200
    assert status("mlflow.example.org") == 403


def test_setting_up_again_changes_nothing(stack: NativeStack, run_output: str) -> None:
    before = stack.ask("prefect", "select name from deployment order by name")
    for name in ("create-bucket", "mlflow-schema", "bootstrap"):
        stack.run(name)
    assert stack.ask("prefect", "select name from deployment order by name") == before
    assert stack.ask("prefect", "select count(*) from concurrency_limit_v2 where name = 'gpu'") == "1"


def test_an_upgrade_keeps_what_was_set_in_the_workspace(stack: NativeStack, run_output: str) -> None:
    set_params(stack.workspace, {"train.seeds": [0, 1]})
    (stack.source / "NEWS.md").write_text("newer\n")
    commit(stack.source, "A newer version")
    stack.run("workspace")
    assert (stack.workspace / "NEWS.md").exists()
    assert yaml.safe_load((stack.workspace / "params.yaml").read_text())["train"]["seeds"] == [0, 1]


def test_a_stopped_worker_lets_its_run_save(stack: NativeStack, run_output: str) -> None:
    long = json.dumps({"settings": ["schedule.epochs=500"], "stages": [f"train@{METHOD}-0"]})
    assert (
        stack.call("worker-cpu", ["prefect", "deployment", "run", deployment(), "--params", long]).returncode
        == 0
    )
    wait_until(lambda: any(run.data.metrics for run in trainings(stack, "RUNNING")), "no epoch is over")
    print(f"worker: stopped in {stack.stop('worker-cpu'):.1f} s")
    assert len(trainings(stack, "KILLED")) == 1


def test_services_that_are_gone_are_not_healthy(stack: NativeStack, run_output: str) -> None:
    assert stack.healthy("prefect-services")
    stack.stop("prefect-services")
    wait_until(lambda: not stack.healthy("prefect-services"), "the health check does not see it")
