"""Stages as Prefect tasks: each starts once those it needs are done, side by side up to ``jobs``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import Task, exponential_backoff

from pipelines._child_processes import ChildProcesses, StoppedError
from pipelines.stage_runs.artifacts import Progress
from pipelines.stage_runs.slots import computing_slot
from pipelines.stage_runs.stage_process import LockBusyError, StageError, run_stage


@dataclass(frozen=True)
class Schedule:
    """Stages in an order that can run, each with those it needs; which of them DVC may have to run.

    ``jobs`` bounds the stages side by side, those that wait for their needs among them; ``limited`` says that
    the server bounds those that compute.
    """

    needs: Mapping[str, Sequence[str]]
    stale: set[str]
    jobs: int
    limited: bool
    environment: Mapping[str, str]


def _lock_was_busy(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), LockBusyError)


@task(
    task_run_name="{stage}",
    retries=8,
    retry_delay_seconds=exponential_backoff(backoff_factor=1),
    retry_condition_fn=_lock_was_busy,
    cache_policy=NO_CACHE,  # what is up to date is DVC's to know
    persist_result=False,
)
def reproduce(stage: str, schedule: Schedule, processes: ChildProcesses) -> State[Any]:
    """``dvc repro --single-item``; a stage that fails is a failed state, not our traceback."""
    if stage not in schedule.stale:
        return Completed(message="up to date")
    logger, progress = get_run_logger(), Progress(stage)
    try:
        with computing_slot(stage, limited=schedule.limited) as gpu:
            environment = {**schedule.environment, **gpu}
            ran = run_stage(stage, processes, environment, logger.info, progress.show)
    except StageError as failure:
        return Failed(message=str(failure), data=failure)
    except StoppedError:
        return Cancelled(message="stopped with the pipeline")
    return Completed(message="done" if ran else "up to date")


def reproduce_all(schedule: Schedule) -> tuple[list[StageError], list[str]]:
    """Run every stage once those it needs are done; returns failures and stages that could not run."""
    futures: dict[str, PrefectFuture[Any]] = {}
    with ThreadPoolTaskRunner[Any](schedule.jobs) as runner, ChildProcesses() as processes:
        for stage, needs in schedule.needs.items():
            arguments = {"stage": stage, "schedule": schedule, "processes": processes}
            futures[stage] = runner.submit(reproduce, arguments, [futures[need] for need in needs])
        for future in futures.values():
            future.wait()
    states = {stage: future.state for stage, future in futures.items()}
    not_run = [stage for stage, state in states.items() if state.is_pending()]
    failed = [stage for stage, state in states.items() if not state.is_pending() and not state.is_completed()]
    return [_failure(stage, states[stage]) for stage in failed], not_run


def _failure(stage: str, state: State[Any]) -> StageError:
    error = state.result(raise_on_failure=False)
    return error if isinstance(error, StageError) else StageError(stage, [f"{stage}: {state.message}"])
