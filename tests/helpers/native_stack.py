"""The servers of docker/compose.yaml without containers: its commands, environments and health checks as they
stand there, with other addresses; Postgres, Redis and the object store are those of this machine."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from compose_file import FOLDER, NAMED, builds, one_shots, read_services
from mlflow_server import free_port

POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/nonexistent"))
SECRETS = {"POSTGRES_PASSWORD": "a1b2c3", "S3_SECRET_KEY": "d4e5f6", "DATA_FOLDER": "/srv/data"}
PATIENCE_SECONDS = 120
ADDRESSES = (
    "postgres:5432",
    "redis:6379",
    "object-store:9000",
    "mlflow:5000",
    "prefect-server:4200",
    "worker:8080",
)


class NativeStack:
    """Servers started so far; ``workspace`` is the folder that is /workspace in a container."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder, self.source, self.workspace = folder, source, folder / "workspace"
        self.ports = {address: free_port() for address in ADDRESSES}
        self.started: dict[str, subprocess.Popen[bytes]] = {}
        self.seconds: dict[str, float] = {}
        self._open = ExitStack()
        self.workspace.mkdir()

    def address(self, name: str) -> str:
        return next(f"127.0.0.1:{port}" for key, port in self.ports.items() if key.startswith(f"{name}:"))

    def environment(self, name: str) -> dict[str, str]:
        """What a service of compose.yaml gets, with the settings of the image."""
        given = read_services()[name].get("environment", {})
        own = {key: self.translate(str(value)) for key, value in given.items()}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        image = {
            "PATH": path,
            "PYTHONPATH": f"{self.workspace}:{self.workspace / 'src'}",
            "PYTHONUNBUFFERED": "1",
        }
        places = {
            "PREFECT_HOME": str(self.folder / "prefect" / name),
            "PREFECT_WORKER_WEBSERVER_PORT": str(self.ports["worker:8080"]),
        }
        return {**os.environ, **image, **places, **own}

    def translate(self, text: str) -> str:
        """Put in this machine's addresses and folders, and the secrets."""
        text = NAMED.sub(lambda found: SECRETS[found[1]], text)
        if text.startswith("--allowed-hosts"):
            return text
        for address, port in self.ports.items():
            host, _, inner = address.partition(":")
            text = re.sub(rf"\b({host}|127\.0\.0\.1):{inner}\b", f"127.0.0.1:{port}", text)
            text = text.replace(f"--port={inner}", f"--port={port}")
        text = text.replace("0.0.0.0", "127.0.0.1").replace("/docker/", f"{FOLDER}/")
        return text.replace("/source", str(self.source))

    def command(self, words: Sequence[str]) -> list[str]:
        return [self.translate(word) for word in words]

    def up(self, name: str) -> None:
        """Start a service after those it depends on; a one-shot runs to its end."""
        if name in self.started or name in self.seconds:
            return
        service = read_services()[name]
        for needed in service.get("depends_on", {}):
            self.up(needed)
        begun = time.monotonic()
        if not builds(service):
            self._open.enter_context(STAND_INS[name](self))
        elif name in one_shots():
            self.run(name)
        else:
            self._start(name, service)
        self.seconds[name] = time.monotonic() - begun

    def run(self, name: str) -> None:
        """Run a one-shot service."""
        done = self.call(name, self.command(read_services()[name]["command"]))
        assert done.returncode == 0, f"{name}: {done.stdout}"

    def call(self, name: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command with a service's environment, in the workspace."""
        return subprocess.run(
            command,
            cwd=self.workspace,
            env=self.environment(name),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def healthy(self, name: str) -> bool:
        """Run the service's own health check."""
        check = self.command(read_services()[name]["healthcheck"]["test"][1:])
        return self.call(name, check).returncode == 0

    def stop(self, name: str) -> float:
        """Stop a service as Docker does, by SIGTERM to its first process; returns the seconds it took."""
        begun = time.monotonic()
        server = self.started.pop(name)
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        return time.monotonic() - begun

    def ask(self, database: str, query: str = "", file: Path | None = None) -> str:
        """Put a question, or a file of statements, to Postgres."""
        what = ["--file", str(file)] if file else ["--tuples-only", "--no-align", "--command", query]
        place = ["--host=127.0.0.1", f"--port={self.ports['postgres:5432']}", "--username=actupose"]
        command = ["psql", "--quiet", "--set=ON_ERROR_STOP=1", *place, f"--dbname={database}", *what]
        environment = {**os.environ, "PGPASSWORD": SECRETS["POSTGRES_PASSWORD"]}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def close(self) -> None:
        for name in reversed(list(self.started)):
            self.started[name].terminate()
        for server in self.started.values():
            _end(server)
        self._open.close()

    def _start(self, name: str, service: dict[str, Any]) -> None:
        command = self.command(service["command"])
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            self.started[name] = subprocess.Popen(
                command,
                cwd=self.workspace,
                env=self.environment(name),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        wait_until(lambda: self.healthy(name), f"{name} is not healthy, see {log}", self.started[name])


def wait_until(
    true: Callable[[], bool], otherwise: str, server: subprocess.Popen[bytes] | None = None
) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert server is None or server.poll() is None, f"{otherwise} (it has ended)"
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.5)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Wait for a server that was told to end; what it leaves behind ends as a container's processes would."""
    with suppress(subprocess.TimeoutExpired):
        server.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def _answers(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _as_nobody(command: Sequence[str]) -> list[str]:
    """Postgres refuses to run as root."""
    return ["runuser", "--user", "nobody", "--", *command] if os.getuid() == 0 else list(command)


@contextmanager
def _postgres(stack: NativeStack) -> Iterator[None]:
    data, port = Path(tempfile.mkdtemp(prefix="postgres-")), stack.ports["postgres:5432"]
    password = stack.folder / "password"
    password.write_text(SECRETS["POSTGRES_PASSWORD"])
    password.chmod(0o644)
    data.chmod(0o777)
    shutil.copy(password, data / "password")
    options = ["--username=actupose", "--auth=scram-sha-256", f"--pwfile={data / 'password'}"]
    initdb = [str(POSTGRES / "initdb"), f"--pgdata={data / 'data'}", *options]
    subprocess.run(_as_nobody(initdb), check=True, capture_output=True, cwd="/")
    command = [str(POSTGRES / "postgres"), "-D", str(data / "data"), "-p", str(port), "-k", str(data)]
    server = subprocess.Popen(
        _as_nobody(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/"
    )
    try:
        ready = [str(POSTGRES / "pg_isready"), "--host=127.0.0.1", f"--port={port}", "--username=actupose"]
        wait_until(lambda: _answers(ready), "no Postgres")
        stack.ask("postgres", file=FOLDER / "databases.sql")
        yield
    finally:
        subprocess.run(
            _as_nobody([str(POSTGRES / "pg_ctl"), f"--pgdata={data / 'data'}", "stop", "--mode=immediate"]),
            check=False,
            capture_output=True,
            cwd="/",
        )
        server.wait(20)
        shutil.rmtree(data)


@contextmanager
def _redis(stack: NativeStack) -> Iterator[None]:
    port = stack.ports["redis:6379"]
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", str(stack.folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        ping = ["redis-cli", "-p", str(port), "ping"]
        wait_until(lambda: _answers(ping), "no Redis")
        yield
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def _object_store(stack: NativeStack) -> Iterator[None]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", stack.ports["object-store:9000"], verbose=False)
    server.start()
    try:
        yield
    finally:
        server.stop()


STAND_INS = {"postgres": _postgres, "redis": _redis, "object-store": _object_store}
