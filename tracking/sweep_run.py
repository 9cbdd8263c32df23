"""The parent of the pipeline runs of a sweep's cells."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tracking.description import CELL_NAME, KIND, SWEEP, origin_tags
from tracking.store import (
    Status,
    connect,
    create_run,
    experiment_id,
    failures,
    latest_run,
    log_scalars,
    set_status,
    set_tags,
    warning,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient


def start_sweep_run(experiment: str, name: str, axes: Mapping[str, str], *, resumes: bool) -> str | None:
    """Begin the parent run or go on with an earlier start's; None, with a warning, if the server is away."""
    try:
        client = connect()
        experiment = experiment_id(client, experiment)
        tags = {
            KIND: "sweep",
            SWEEP: name,
            **{f"axis.{key}": text for key, text in axes.items()},
            **origin_tags(),
        }
        if resumes and (run_id := latest_run(client, experiment, SWEEP, name)):
            set_status(client, run_id, "RUNNING")
            set_tags(client, run_id, tags)
            return run_id
        return create_run(client, experiment, f"sweep {name}", tags)
    except failures() as error:
        print(f"{warning(error)}; the cells get no parent", file=sys.stderr)
        return None


def finish_sweep_run(
    run_id: str, status: Status, summary: Path, metrics: Mapping[str, Mapping[str, float]]
) -> None:
    """Close the parent run.

    Args:
        run_id: of the parent.
        status: how the sweep ended.
        summary: folder whose files become the parent's artifacts.
        metrics: by the name of a cell; they go to the newest pipeline run of it.
    """
    try:
        client = connect()
        set_status(client, run_id, status)
        for path in sorted(summary.glob("summary.*")):
            client.log_artifact(run_id, str(path))
        cells = _newest_runs_of_cells(client, run_id)
        for cell in cells.keys() & metrics.keys():
            log_scalars(client, cells[cell], metrics[cell])
    except failures() as error:
        print(warning(error), file=sys.stderr)


def _newest_runs_of_cells(client: "MlflowClient", run_id: str) -> dict[str, str]:
    """Run ids by the cell's name."""
    experiment = client.get_run(run_id).info.experiment_id
    children = f"tags.`mlflow.parentRunId` = '{run_id}'"
    runs = client.search_runs(
        [experiment], children, max_results=10_000, order_by=["attributes.start_time ASC"]
    )
    return {run.data.tags[CELL_NAME]: run.info.run_id for run in runs if CELL_NAME in run.data.tags}
