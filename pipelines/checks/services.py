"""What answers, or should: MLflow's store and the runs in it, Prefect's server."""

import os
import urllib.request

from pipelines.checks.check import Check
from tracking import (
    OpenRun,
    StoreUnavailableError,
    local_database,
    open_runs,
    tracking_uri,
    without_password,
)

_PATIENCE_SECONDS = 3


def check_runs() -> tuple[list[Check], list[OpenRun]]:
    """Whether the store answers and who left runs open in it; and those runs."""
    place, database = without_password(tracking_uri()), local_database()
    if database and not database.exists():
        return [Check("MLflow", "ok", f"{place}: not there yet; the first run makes it")], []
    try:
        runs = open_runs()
    except StoreUnavailableError as error:
        advice = "start the server, or correct MLFLOW_TRACKING_URI; metrics wait in .state/checkpoints"
        return [Check("MLflow", "problem", str(error), advice)], []
    return [Check("MLflow", "ok", f"{place} answers"), _judge(runs)], runs


def _judge(runs: list[OpenRun]) -> Check:
    """One line for all open runs: the dead are named first."""
    kinds = {False: "left open by dead", True: "of", None: "cannot be judged from here: of"}
    groups = [
        f"{kinds[alive]} " + ", ".join(f"{run.process} ({run.name})" for run in runs if run.alive is alive)
        for alive in kinds
        if any(run.alive is alive for run in runs)
    ]
    if any(run.alive is False for run in runs):
        return Check("open runs", "warning", "; ".join(groups), "actupose doctor --close marks them KILLED")
    return Check("open runs", "ok", "; ".join(groups) or "none")


def check_prefect() -> Check:
    """Whether the API that flows will use answers."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return Check("Prefect", "ok", "PREFECT_API_URL is not set: a run starts a server of its own")
    try:
        urllib.request.urlopen(f"{url}/health", timeout=_PATIENCE_SECONDS).close()
    except (OSError, ValueError) as error:
        found = f"{without_password(url)}/health: {error}"
        return Check("Prefect", "problem", found, "prefect server start, or unset PREFECT_API_URL")
    return Check("Prefect", "ok", f"{without_password(url)} answers")
