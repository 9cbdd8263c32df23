"""MLflow's store: where it is, and the few calls made to it."""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from actupose.layout import STATE
from actupose.signals import signals_held

if TYPE_CHECKING:
    from mlflow import MlflowClient

Status = Literal["RUNNING", "FINISHED", "KILLED", "FAILED"]

_KIND = {"mlflow.experimentKind": "custom_model_development"}  # the UI shows charts of runs, not chats

# Training must never hang on its tracker: one try and a short wait, because the journal sends the rest later.
_PATIENCE_SECONDS = 10
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
for _name, _value in _SETTINGS.items():  # MLflow reads some of them when it is imported
    os.environ.setdefault(_name, _value)


def tracking_uri() -> str:
    """``MLFLOW_TRACKING_URI``, else the project's own database: absolute, whatever the working folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{STATE.resolve() / 'mlflow.db'}"


def absolute_tracking_uri() -> str:
    """The same for a process that works in another folder."""
    database = local_database()
    return f"sqlite:///{database.resolve()}" if database else tracking_uri()


def local_database() -> Path | None:
    """File of a store that is a local database; None for a server's."""
    uri = tracking_uri()
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def uninterrupted() -> AbstractContextManager[None]:
    """Hold signals while the block writes to a store that is a local database."""
    return signals_held() if local_database() else nullcontext()


def connect(patience_seconds: int = _PATIENCE_SECONDS) -> "MlflowClient":
    """Open the store; a local database is created or opened under a lock.

    Without the lock, processes that start together on a missing database migrate it twice and fail.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(patience_seconds))
    from mlflow import MlflowClient

    uri = tracking_uri()
    STATE.mkdir(exist_ok=True)
    with (STATE / "mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        client = MlflowClient(tracking_uri=uri)
        if uri.startswith("sqlite:"):
            client.search_experiments(max_results=1)
    return client


def prepare_store() -> None:
    """Migrate a store that is a database of this machine, before anything uses it in parallel."""
    if local_database():
        connect()


def experiment_id(client: "MlflowClient", name: str) -> str:
    """Find or make an experiment; the artifacts of a local one lie beside the database."""
    from mlflow.exceptions import MlflowException

    database = local_database()
    place = (database.parent / "mlartifacts" / name).resolve().as_uri() if database else None
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name, artifact_location=place, tags=_KIND))
    except MlflowException:  # another stage was faster
        if found := client.get_experiment_by_name(name):
            return str(found.experiment_id)
        raise


def failures() -> tuple[type[Exception], ...]:
    """Name what MLflow raises when its store, its network or its disk fails."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, OSError


@contextmanager
def raise_failures_as(kind: type[Exception], where: str = "") -> Iterator[None]:
    """Turn a failure of MLflow into an exception of ours: one line that says where and how."""
    try:
        yield
    except failures() as error:
        raise kind(where + describe_failure(error)) from None


def create_run(client: "MlflowClient", experiment: str, name: str, tags: Mapping[str, str]) -> str:
    """Begin a run and return its id."""
    return str(client.create_run(experiment, tags=dict(tags), run_name=name).info.run_id)


def log_params(client: "MlflowClient", run_id: str, params: Mapping[str, Any]) -> None:
    """Send a run's params; the same ones sent twice are no fault."""
    from mlflow.entities import Param

    client.log_batch(run_id, params=[Param(key, str(value)) for key, value in params.items()])


def exists(client: "MlflowClient", run_id: str) -> bool:
    """Whether the store still has a run."""
    from mlflow.exceptions import MlflowException

    if not run_id:
        return False
    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise


def latest_run(client: "MlflowClient", experiment: str, tag: str, value: str) -> str:
    """Id of the newest run with that tag, or nothing."""
    newest_first = ["attributes.start_time DESC"]
    runs = client.search_runs([experiment], f"tags.`{tag}` = '{value}'", max_results=1, order_by=newest_first)
    return str(runs[0].info.run_id) if runs else ""


def set_tags(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> None:
    """Set or replace tags."""
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def log_lines(client: "MlflowClient", run_id: str, lines: Iterable[Mapping[str, Any]]) -> None:
    """Send lines of a journal; with the time of the line, a point sent twice is one point to MLflow."""
    from mlflow.entities import Metric

    points = [
        Metric(key, value, line["time"], line["step"])
        for line in lines
        for key, value in line["metrics"].items()
    ]
    client.log_batch(run_id, metrics=points)


def log_scalars(client: "MlflowClient", run_id: str, metrics: Mapping[str, float]) -> None:
    """Send single values; those sent again replace what the run's table shows."""
    log_lines(client, run_id, [{"time": int(time.time() * 1000), "step": 0, "metrics": metrics}])


def set_status(client: "MlflowClient", run_id: str, status: Status) -> None:
    """Set a run going or end it."""
    if status == "RUNNING":
        client.update_run(run_id, status=status)
    else:
        client.set_terminated(run_id, status)


def warning(error: BaseException) -> str:
    """Warn in one line that and why MLflow misses something."""
    return f"warning: {describe_failure(error)}"


def describe_failure(error: BaseException) -> str:
    """Say in one line which MLflow failed and how; an address in it has lost its password."""
    uri = tracking_uri()
    shown = without_password(uri)
    reason = str(error).replace(uri, shown).partition("\n")[0] or type(error).__name__
    return f"MLflow at {shown}: {reason[:200]}"


def without_password(uri: str) -> str:
    """Drop name and password from an address that is shown or stored."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.hostname else uri
