"""The parent of all runs of one ``pipelines.run``."""

import json
import os
import sys
from pathlib import Path

from tracking.description import CELL, CELL_NAME, KIND, origin_tags
from tracking.store import (
    Status,
    connect,
    create_run,
    experiment_id,
    failures,
    log_params,
    set_status,
    tracking_uri,
    warning,
    without_password,
)

UI = "ACTUPOSE_MLFLOW_UI"  # where people's browsers find MLflow, if not where stages do


def start_pipeline_run(experiment: str, flow_run: str) -> str | None:
    """Begin the parent run, named by its cell in a sweep; None, with a warning, if the server is away."""
    cell = json.loads(os.environ.get(CELL, "{}"))
    tags = {KIND: "pipeline", **origin_tags(), "prefect.flow_run": flow_run}
    tags |= {CELL_NAME: cell["name"]} if cell else {}
    try:
        client = connect()
        run_id = create_run(client, experiment_id(client, experiment), cell.get("name", "pipeline"), tags)
        log_params(client, run_id, cell.get("values", {}))
    except failures() as error:
        print(f"{warning(error)}; the runs get no parent", file=sys.stderr)
        return None
    return run_id


def finish_pipeline_run(run_id: str, status: Status, reports: Path) -> None:
    """Close the parent run; the comparison's files become its artifacts."""
    try:
        client = connect()
        set_status(client, run_id, status)
        if status == "FINISHED" and reports.is_dir():
            client.log_artifacts(run_id, str(reports), "reports")
    except failures() as error:
        print(warning(error), file=sys.stderr)


def run_page(run_id: str) -> str | None:
    """Address of a run's page in MLflow's UI; None where no server shows it."""
    server = os.environ.get(UI) or tracking_uri()
    if not server.startswith("http"):
        return None
    try:
        experiment = connect().get_run(run_id).info.experiment_id
    except failures() as error:
        print(warning(error), file=sys.stderr)
        return None
    return f"{without_password(server).rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"
