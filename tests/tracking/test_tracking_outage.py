"""MLflow's server away, back, deaf or silent: training goes on, and every metric is there exactly once."""

import math
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow_server import all_runs, free_port, mlflow_server, points
from shrunk_project import NUM_BINS, environment, make_project, prepare, run_here
from waiting import wait_until

from actupose.params import Params, load_params
from actupose.tables import HISTORY, read_table
from tracking import RunMirror, describe_run

ROOT = Path(__file__).parents[2]
FOLDER = Path(".state/checkpoints/udape-0-0123")
EPOCHS = 24  # so many that a training does not end while a test looks at it
LONGER = {
    "schedule": {"epochs": EPOCHS, "pretrain_epochs": 1, "steps_per_epoch": 2, "batch_size": 8},
    "evaluation.every_epochs": 4,
    "train.methods": ["source_only"],
}


@pytest.fixture
def params() -> Params:
    return load_params(ROOT / "params.yaml")


@pytest.fixture
def empty_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "project"
    make_project(folder, LONGER)
    prepare(folder)
    return folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "project", symlinks=True))


def test_no_metric_is_lost_or_doubled_when_the_server_goes_away_and_returns(
    params: Params, empty_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port, run = free_port(), describe_run(params, "udape", 0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@127.0.0.1:{port}")
    with RunMirror.open(FOLDER, run) as mirror:
        mirror.log_epoch(0, {"source": 0.0})  # never seen a server
        with mlflow_server(port, empty_project):
            mirror.log_epoch(1, {"source": 1.0})
        start = time.monotonic()
        mirror.log_epoch(2, {"source": 2.0})
        mirror.log_epoch(3, {"source": 3.0})
        assert time.monotonic() - start < 5  # training does not wait for it
        with mlflow_server(port, empty_project) as uri:
            mirror.log_epoch(4, {"source": 4.0})
            client = MlflowClient(tracking_uri=uri)
            (only,) = all_runs(client)
            assert points(client, only.info.run_id, "source") == [(e, float(e)) for e in range(5)]
            mirror.finish("FINISHED")
            assert client.get_run(only.info.run_id).info.status == "FINISHED"
    warnings = capsys.readouterr().err
    assert warnings.count("warning: MLflow at") == 1
    assert "secret" not in warnings
    assert "secret" not in (FOLDER / "mlflow_run.json").read_text()


class LosesFirstAnswers(BaseHTTPRequestHandler):
    """Hands every request on; of each kind the first one's answer is lost on the way back."""

    server_port: int
    heard: set[str]

    def hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = HTTPConnection("127.0.0.1", self.server_port)
        server.request(self.command, self.path, body, {"Content-Type": "application/json"})
        answer = server.getresponse()
        content = answer.read()
        kind = self.path.partition("?")[0]
        if kind in self.heard:
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        self.heard.add(kind)

    do_GET = do_POST = hand_on  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def losing_first_answers(port: int) -> Iterator[tuple[str, set[str]]]:
    handler = type("Handler", (LosesFirstAnswers,), {"server_port": port, "heard": set()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{relay.server_port}", handler.heard
        relay.shutdown()


def test_nothing_is_doubled_when_the_server_did_as_asked_and_its_answer_was_lost(
    params: Params, empty_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, run = free_port(), describe_run(params, "udape", 0)
    with mlflow_server(port, empty_project) as uri, losing_first_answers(port) as (relay, heard):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", relay)
        for epoch in range(8):
            with RunMirror.open(FOLDER, run) as mirror:
                mirror.log_epoch(epoch, {"source": float(epoch)})
        assert {Path(kind).name for kind in heard} >= {"create", "log-batch", "search", "update"}
        client = MlflowClient(tracking_uri=uri)
        (only,) = all_runs(client)
        assert points(client, only.info.run_id, "source") == [(e, float(e)) for e in range(8)]
        assert only.data.params["schedule.epochs"] == "20"
        assert only.info.status == "FINISHED"


def test_a_server_that_never_answers_is_waited_for_at_the_start_and_the_end_alone(
    params: Params, empty_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        with RunMirror.open(FOLDER, describe_run(params, "udape", 0)) as mirror:
            for epoch in range(10):
                mirror.log_epoch(epoch, {"source": float(epoch)})
            mirror.log_datasets()
        assert count_callers(silent) == 2


def count_callers(server: socket.socket) -> int:
    server.settimeout(0.2)
    callers = 0
    while True:
        try:
            server.accept()[0].close()
        except TimeoutError:
            return callers
        callers += 1


class Training:
    """``python -m stages.train`` in a project, told a server's address."""

    def __init__(self, project: Path, uri: str, seed: int) -> None:
        self.name = f"source_only-{seed}"
        self.project = project
        self.errors = project / f"{self.name}.err"
        variables = environment(project) | {"MLFLOW_TRACKING_URI": uri}
        command = [sys.executable, "-m", "stages.train", "source_only", str(seed)]
        with self.errors.open("w") as errors:
            self.child = subprocess.Popen(command, cwd=project, env=variables, stderr=errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()
        self.child.wait()

    def wait_for_epochs(self, count: int) -> None:
        def are_done() -> bool:
            assert self.child.poll() is None, f"ended too early: {self.errors.read_text()}"
            return self.epochs_done() >= count

        wait_until(are_done, 120, every=0.01)

    def epochs_done(self) -> int:
        journals = self.project.glob(f".state/checkpoints/{self.name}-*/metrics.jsonl")
        return sum(journal.read_text().count("\n") for journal in journals)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The training stands still, lest it end before others are where they shall be."""
        self.child.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.child.send_signal(signal.SIGCONT)

    def finish(self) -> None:
        assert self.child.wait(timeout=120) == 0, self.errors.read_text()
        assert self.errors.read_text().count("warning: MLflow at") == 1


def test_of_two_trainings_whose_server_is_killed_one_meets_it_again_and_one_leaves_it_to_evaluate(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, uri = free_port(), ""
    with ExitStack() as stack:
        with mlflow_server(port, project) as uri:
            slow, fast = (stack.enter_context(Training(project, uri, seed)) for seed in (0, 1))
            slow.wait_for_epochs(2)
            with slow.paused():
                fast.wait_for_epochs(2)
        slow.wait_for_epochs(5)
        with slow.paused():
            fast.finish()
            stack.enter_context(mlflow_server(port, project))
        slow.finish()
        client = MlflowClient(tracking_uri=uri)
        assert_every_epoch_is_there_once(client, slow)
        assert run_of(client, fast).info.status == "RUNNING"  # the server has not heard of its end

        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        run_here(project, "predict", "source_only", "1")
        run_here(project, "evaluate", "source_only", "1")
        assert_every_epoch_is_there_once(client, fast)
        bins = points(client, run_of(client, fast).info.run_id, "bins/pck_0.05")
        assert [step for step, _ in bins] == list(range(NUM_BINS))


def run_of(client: MlflowClient, training: Training) -> Run:
    (run,) = [run for run in all_runs(client, "shrunk") if run.info.run_name == training.name]
    return run


def assert_every_epoch_is_there_once(client: MlflowClient, training: Training) -> None:
    """MLflow's history of every metric is what the run's own files have: no step missing, none twice."""
    run = run_of(client, training)
    assert run.info.status == "FINISHED"
    table = read_table(training.project / "runs" / training.name / "history.parquet", HISTORY).to_pylist()
    for metric in {row["metric"] for row in table}:
        wanted = [(row["epoch"], row["value"]) for row in table if row["metric"] == metric]
        finite = [(epoch, value) for epoch, value in wanted if math.isfinite(value)]
        assert sorted(points(client, run.info.run_id, metric)) == finite, metric
    speeds = points(client, run.info.run_id, "samples_per_second")
    assert sorted(step for step, _ in speeds) == list(range(EPOCHS))
