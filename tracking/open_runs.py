"""Runs that MLflow shows as RUNNING, and the end of those whose process is dead."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tracking.description import KIND
from tracking.process import describe_process, is_alive
from tracking.store import connect, raise_failures_as, set_status

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PATIENCE_SECONDS = 3  # somebody waits for the answer


class StoreUnavailableError(Exception):
    """The store does not answer; the message is one line that says where and why."""


@dataclass(frozen=True)
class OpenRun:
    """A run that has not ended; ``alive`` is None where that cannot be known from here."""

    run_id: str
    name: str
    process: str
    alive: bool | None


def open_runs() -> list[OpenRun]:
    """All runs of this project's kind that are RUNNING, of whatever experiment.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    with raise_failures_as(StoreUnavailableError):
        client = connect(_PATIENCE_SECONDS)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        ours = f"attributes.status = 'RUNNING' and tags.`{KIND}` LIKE '%'"
        return [_open_run(run) for run in client.search_runs(experiments, ours)]


def close_dead(runs: Iterable[OpenRun]) -> list[OpenRun]:
    """Mark those of ``runs`` KILLED whose process is dead, and return them.

    A run may have been resumed since it was listed, so each is asked for once more.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    with raise_failures_as(StoreUnavailableError):
        client = connect(_PATIENCE_SECONDS)
        return [run for run in runs if run.alive is False and _close(client, run)]


def _close(client: "MlflowClient", run: OpenRun) -> bool:
    now = client.get_run(run.run_id)
    if now.info.status != "RUNNING" or _open_run(now).alive is not False:
        return False
    set_status(client, run.run_id, "KILLED")
    return True


def _open_run(run: "Run") -> OpenRun:
    tags = run.data.tags
    return OpenRun(run.info.run_id, run.info.run_name, describe_process(tags), is_alive(tags))
