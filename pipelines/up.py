"""Start everything on this machine: Prefect's server with all deployments, a worker, MLflow.

It stays in the foreground; Ctrl-C ends all of it, and runs in progress save and can be resumed. The servers
listen on this machine alone and keep what they know in .state.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from actupose.errors import UserError
from actupose.layout import STATE
from pipelines.stage_runs.stage_process import LOGS

HOST = "127.0.0.1"
_START_SECONDS = 120.0
_STOP_SECONDS = 60.0  # a run in progress has 30 s to save
_POLL_SECONDS = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--port", type=int, default=4200, help="of Prefect's server (default: 4200)")
    parser.add_argument("--mlflow-port", type=int, default=5000, help="of MLflow's server (default: 5000)")
    parser.add_argument("--slots", type=int, help="stages that compute at once (default: one for each GPU)")


def run(arguments: argparse.Namespace) -> int:
    """Start all, say where it is, and wait for the end of one of them or for Ctrl-C."""
    if not Path("prefect.yaml").exists():
        raise UserError("prefect.yaml: no such file here; run from the project's root")
    for option, port in (("--port", arguments.port), ("--mlflow-port", arguments.mlflow_port)):
        _check_free(option, port)
    prefect, mlflow = f"http://{HOST}:{arguments.port}", f"http://{HOST}:{arguments.mlflow_port}"
    os.environ |= {"PREFECT_API_URL": f"{prefect}/api", "MLFLOW_TRACKING_URI": mlflow}
    with (
        _process("prefect", _prefect_command(arguments.port)) as prefect_server,
        _process("mlflow", _mlflow_command(arguments.mlflow_port)) as mlflow_server,
    ):
        from pipelines.bootstrap import POOL, bootstrap  # Prefect reads its settings when it is imported

        _wait_until_healthy("prefect", prefect_server, f"{prefect}/api/health")
        _wait_until_healthy("mlflow", mlflow_server, f"{mlflow}/health")

        bootstrap(arguments.slots)
        with _process("worker", ["prefect", "worker", "start", "--pool", POOL]) as worker:
            _print_summary(prefect, mlflow)
            ended = _wait_for_one({"prefect": prefect_server, "mlflow": mlflow_server, "worker": worker})
    raise UserError(f"{ended} has ended; its log: {LOGS / f'{ended}.log'}")


def _prefect_command(port: int) -> list[str]:
    return ["prefect", "server", "start", "--host", HOST, "--port", str(port)]


def _mlflow_command(port: int) -> list[str]:
    """One worker and no jobs: the default takes 2 GB and is slower here.

    Artifacts are plain files, so that runs without this server find and add to them too.
    """
    store = f"sqlite:///{STATE.resolve() / 'mlflow.db'}"
    artifacts = (STATE / "mlartifacts").resolve().as_uri()
    address = ["--host", HOST, "--port", str(port), "--workers", "1"]
    place = ["--no-serve-artifacts", "--default-artifact-root", artifacts]
    return ["mlflow", "server", *address, "--backend-store-uri", store, *place]


def _check_free(option: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OverflowError:
            raise UserError(f"{option} {port}: a port is a number up to 65535") from None
        except OSError as error:
            raise UserError(f"{option} {port}: {error.strerror}; name another one") from None


@contextmanager
def _process(name: str, command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A child in a group of its own, so that Ctrl-C reaches it through us, in order."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / f"{name}.log").open("w") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,
        )
    try:
        yield child
    finally:
        _stop(child)


def _environment() -> Mapping[str, str]:
    """Runs without this server have a database of their own: what is in ours would keep theirs busy."""
    database = f"sqlite+aiosqlite:///{(STATE / 'prefect' / 'up.db').resolve()}"
    ours = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONUNBUFFERED": "1"}
    return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database, **os.environ, **ours}


def _stop(child: "subprocess.Popen[bytes]") -> None:
    """End a child and all below it: Prefect's worker does not wait for its runs, which save first."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(child.pid)
        family = [process, *process.children(recursive=True)]
        process.terminate()
        for left in psutil.wait_procs(family, _STOP_SECONDS)[1]:
            left.kill()


def _wait_until_healthy(name: str, server: "subprocess.Popen[bytes]", health: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(health):
        if server.poll() is not None or time.monotonic() > deadline:
            raise UserError(f"{name}: does not start; its log: {LOGS / f'{name}.log'}")
        time.sleep(_POLL_SECONDS)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=2).close()
    except OSError:
        return False
    return True


def _wait_for_one(processes: Mapping[str, "subprocess.Popen[bytes]"]) -> str:
    """Name of the first that ends."""
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                return name
        time.sleep(_POLL_SECONDS)


def _print_summary(prefect: str, mlflow: str) -> None:
    print(f"Prefect {prefect}    MLflow {mlflow}")
    print(f"In another terminal: export PREFECT_API_URL={prefect}/api")
    print("  prefect deployment run pipeline/demo --watch")
    print("Ctrl-C ends all of it.", flush=True)
