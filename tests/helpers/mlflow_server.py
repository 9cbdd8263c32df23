"""A real MLflow server in a process of its own, and what a test asks a store."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run


def all_runs(client: MlflowClient, experiment: str = "figures") -> list[Run]:
    return list(client.search_runs([client.get_experiment_by_name(experiment).experiment_id]))


def points(client: MlflowClient, run_id: str, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run_id, key)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(port: int, folder: Path) -> Iterator[str]:
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with running_server(command, environment, folder / "server.log", uri):
        yield uri


@contextmanager
def running_server(
    command: list[str], environment: Mapping[str, str], log: Path, address: str
) -> Iterator[None]:
    """Any server, from the first time that ``/health`` below its address answers to the end of the block."""
    with log.open("a") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file, env=environment, start_new_session=True)
    try:
        _wait_for_server(address, server)
        yield
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for_server(uri: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while True:
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server does not answer"
        try:
            urllib.request.urlopen(f"{uri}/health", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
