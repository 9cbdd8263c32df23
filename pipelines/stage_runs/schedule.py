"""Stages as Prefect tasks: each starts once those it needs are done, side by side up to ``jobs``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.states import Cancelled, Completed, Failed
from prefect.tasks import Task, exponential_backoff

from pipelines._child_processes import StoppedError
from pipelines.stage_runs.artifacts import Progress
from pipelines.stage_runs.slots import computing_slot
from pipelines.stage_runs.stage_process import LockBusyError, StageError, StageProcesses


@dataclass(frozen=True)
class Schedule:
    """Stages in an order that can run, each with those it needs; which of them DVC may have to run.

    ``jobs`` bounds the stages side by side, and ``limited`` says that the server bounds those that compute.
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
def reproduce(stage: str, schedule: Schedule, processes: StageProcesses) -> State[Any]:
    """``dvc repro --single-item``; a stage that fails is a failed state, not our traceback."""
    if stage not in schedule.stale:
        return Completed(message="up to date")
    logger, progress = get_run_logger(), Progress(stage)

    def tell(line: str) -> None:
        logger.info(line)
        progress.read(line)

    try:
        with computing_slot(stage, limited=schedule.limited) as gpu:
            ran = processes.run(stage, {**schedule.environment, **gpu}, tell)
    except StageError as failure:
        return Failed(message=str(failure), data=failure)
    except StoppedError:
        return Cancelled(message="stopped with the pipeline")
    return Completed(message="done" if ran else "up to date")


def reproduce_all(schedule: Schedule, processes: StageProcesses) -> tuple[list[StageError], list[str]]:
    """Start every stage once those it needs are done; returns failures and stages that could not run."""
    graph = schedule.needs
    waiting, started, done = list(graph), dict[str, PrefectFuture[Any]](), set[str]()
    failures: list[StageError] = []
    finished: SimpleQueue[str] = SimpleQueue()
    running = 0
    while True:
        ready = [stage for stage in waiting if done.issuperset(graph[stage])]
        for stage in ready[: schedule.jobs - running]:
            needs = [started[need] for need in graph[stage]]
            future = reproduce.submit(stage, schedule, processes, wait_for=needs, return_state=False)
            future.add_done_callback(partial(_announce, finished, stage))
            started[stage] = future
            waiting.remove(stage)
            running += 1
        if not running:
            return failures, waiting
        stage = finished.get()
        running -= 1
        started[stage].wait()  # takes the state over, with its data
        if started[stage].state.is_completed():
            done.add(stage)
        else:
            failures.append(_failure(stage, started[stage].state))


def _announce(finished: SimpleQueue[str], stage: str, _future: PrefectFuture[Any]) -> None:
    finished.put(stage)


def _failure(stage: str, state: State[Any]) -> StageError:
    error = state.result(raise_on_failure=False)
    return error if isinstance(error, StageError) else StageError(stage, [f"{stage}: {state.message}"])
