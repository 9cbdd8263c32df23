"""What a sweep starts: ``pipelines.run`` as a child process, in a cell's workspace."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from actupose.layout import PRETRAINED, STATE
from pipelines._child_processes import ChildProcesses, StoppedError
from pipelines.cells.definition import Cell
from pipelines.cells.results import keep_metrics
from pipelines.cells.shared_stages import shared_stages
from pipelines.cells.workspace import absolute_places, clear_workspace, make_workspace, tracked_files
from tracking import CELL, PARENT_RUN, absolute_tracking_uri

_SHOWN_LINES = 20


@dataclass(frozen=True)
class Job:
    """One run of the pipeline in ``workspace``; it waits for the jobs it ``needs``, however they end.

    ``cell`` is None for stages that several cells have in common.
    """

    name: str
    workspace: Path
    log: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    cell: Cell | None = None
    needs: frozenset[str] = frozenset()


@task(task_run_name="{job.name}", cache_policy=NO_CACHE, persist_result=False)
def run_job(job: Job, sweep: str, processes: ChildProcesses) -> State[Any]:
    """Run the pipeline, a flow run of its own, and keep the metrics of a cell that ends well.

    That it fails is a failed state, not our traceback.
    """
    logger = get_run_logger()
    logger.info("output: %s", job.log)
    command = [sys.executable, "-m", "pipelines.run", *job.arguments]
    try:
        status = processes.run(command, job.log, {}, job.environment, job.workspace)
    except StoppedError:
        return Cancelled(message="stopped with the sweep")
    if status:
        logger.error("\n".join(job.log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:]))
        return Failed(message=f"exit status {status}; its log: {job.log}")
    if job.cell:
        keep_metrics(sweep, job.cell, job.workspace)
        clear_workspace(job.workspace)
    return Completed(message="done")


def cell_jobs(
    folder: Path, cells: Sequence[Cell], stages_at_once: int | None, parent: str | None
) -> list[Job]:
    """One job a cell, its workspace in ``folder`` made from the project as it is at this moment.

    Args:
        folder: of the sweep.
        cells: those to run.
        stages_at_once: how many stages of a cell run side by side; None leaves it to ``pipelines.run``.
        parent: MLflow's run of the sweep.
    """
    services = {
        "MLFLOW_TRACKING_URI": absolute_tracking_uri(),
        "PREFECT_API_URL": str(get_client(sync_client=True).api_url),  # the flow's own, if it is temporary
        PARENT_RUN: parent or "",
        PRETRAINED: str((STATE / "pretrained").resolve()),  # cells differ in their adaptation, most of them
    }
    files, jobs = tracked_files(), []
    for cell in cells:
        text, params = cell.merged
        workspace = folder / cell.folder
        make_workspace(workspace, files, text)
        log = workspace / STATE / "logs" / "pipeline.log"
        settings = [*cell.settings, *absolute_places(params, files)]
        environment = {
            **services,
            "PYTHONPATH": os.pathsep.join([str((workspace / "src").resolve()), *_python_path()]),
            CELL: json.dumps({"name": cell.name, "values": cell.values}),
        }
        at_once = ("--jobs", str(stages_at_once)) if stages_at_once else ()
        arguments = (*at_once, "--set", *settings)
        jobs.append(Job(cell.name, workspace, log, arguments, environment, cell))
    return jobs


def _python_path() -> list[str]:
    return [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []


def with_shared_stages(cells: Sequence[Job]) -> list[Job]:
    """Put jobs for what cells have in common before them, each in the workspace of the first that has it."""
    by_workspace = {cell.workspace: cell for cell in cells}
    jobs: list[Job] = []
    needs: dict[Path, set[str]] = {workspace: set() for workspace in by_workspace}
    for shared in shared_stages(list(by_workspace)):
        owner = by_workspace[shared.workspaces[0]]
        name = f"{', '.join(shared.stages)}: common to {len(shared.workspaces)} cells, run in {owner.name}"
        environment = {key: value for key, value in owner.environment.items() if key != CELL}
        # What is more widely shared comes first; and one workspace runs one pipeline at a time.
        before = frozenset(set.intersection(*(needs[workspace] for workspace in shared.workspaces)))
        before |= {job.name for job in jobs if job.workspace == owner.workspace}
        log = owner.log.with_name(f"shared-{shared.stages[0]}.log")
        arguments = (*shared.stages, *owner.arguments)
        jobs.append(Job(name, owner.workspace, log, arguments, environment, None, before))
        for workspace in shared.workspaces:
            needs[workspace].add(name)
    return [*jobs, *(replace(cell, needs=frozenset(needs[cell.workspace])) for cell in cells)]
