"""The only room that knows MLflow: one run for each (method, seed), mirrored from a local journal.

Every metric is first a line in ``metrics.jsonl``; MLflow receives what it has not seen yet. A server that is
away costs a warning and no metric: the rest goes out at the next call, at the end or in the next stage.

    with RunMirror.open(checkpoint_folder, describe_run(params, method, seed)) as mirror:   # stages.train
        mirror.log_epoch(epoch, {"loss/heatmap": 0.1})
    with RunMirror.reopen(describe_run(params, method, seed)) as mirror:                    # stages.evaluate
        mirror.log_series({"bins/pck_0.05": {0: 0.9, 1: 0.7}})
"""

from tracking.description import CELL, FLOW_RUN, PARENT_RUN, TrackedRun, describe_run
from tracking.mirror import RunMirror
from tracking.open_runs import OpenRun, StoreUnavailableError, close_dead, open_runs
from tracking.pipeline_run import finish_pipeline_run, run_page, start_pipeline_run
from tracking.registry import (
    CANDIDATE,
    CHAMPION,
    Version,
    aliases,
    annotate,
    fetch_model,
    model_name,
    set_aliases,
    versions,
)
from tracking.store import (
    Status,
    absolute_tracking_uri,
    local_database,
    prepare_store,
    tracking_uri,
    without_password,
)
from tracking.sweep_run import finish_sweep_run, start_sweep_run

__all__ = [
    "CANDIDATE",
    "CELL",
    "CHAMPION",
    "FLOW_RUN",
    "PARENT_RUN",
    "OpenRun",
    "RunMirror",
    "Status",
    "StoreUnavailableError",
    "TrackedRun",
    "Version",
    "absolute_tracking_uri",
    "aliases",
    "annotate",
    "close_dead",
    "describe_run",
    "fetch_model",
    "finish_pipeline_run",
    "finish_sweep_run",
    "local_database",
    "model_name",
    "open_runs",
    "prepare_store",
    "run_page",
    "set_aliases",
    "start_pipeline_run",
    "start_sweep_run",
    "tracking_uri",
    "versions",
    "without_password",
]
