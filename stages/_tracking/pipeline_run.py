"""The parent of all runs of one ``pipelines.run``."""

import sys
from pathlib import Path

from stages._tracking.description import KIND, origin_tags
from stages._tracking.store import Status, connect, create_run, experiment_id, failures, set_status, warning


def start_pipeline_run(experiment: str, flow_run: str) -> str | None:
    """Begin the parent run; None, with a warning, if the server is away."""
    try:
        client = connect()
        tags = {KIND: "pipeline", **origin_tags(), "prefect.flow_run": flow_run}
        return create_run(client, experiment_id(client, experiment), "pipeline", tags)
    except failures() as error:
        print(f"{warning(error)}; the runs get no parent", file=sys.stderr)
        return None


def finish_pipeline_run(run_id: str, status: Status, reports: Path) -> None:
    """Close the parent run; the comparison's files become its artifacts."""
    try:
        client = connect()
        if status == "FINISHED" and reports.is_dir():
            client.log_artifacts(run_id, str(reports), "reports")
        set_status(client, run_id, status)
    except failures() as error:
        print(warning(error), file=sys.stderr)
