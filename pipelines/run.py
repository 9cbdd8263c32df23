"""Run the pipeline: merge the settings, then one Prefect task for each DVC stage.

    python -m pipelines.run --preset surreal2lsp-small --set data.source.root=/data/surreal

DVC decides what has to run, Prefect when, and MLflow hears of it through the stages.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from functools import partial
from queue import SimpleQueue
from types import FrameType
from typing import Any, NoReturn

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.runtime.flow_run import get_id as flow_run_id
from prefect.states import Completed, Failed
from prefect.tasks import Task, exponential_backoff

from actupose.errors import UserError
from pipelines._graph import read_graph
from pipelines._settings import check_roots, merge_settings, write_params
from pipelines._stage_process import LockBusyError, StageError, StageProcesses
from stages._paths import REPORTS
from stages._tracking import FLOW_RUN, PARENT_RUN, finish_pipeline_run, start_pipeline_run


class PipelineError(Exception):
    """Some stages failed, and those behind them did not run."""

    def __init__(self, failures: Sequence[StageError], not_run: Sequence[str]) -> None:
        self.failures = failures
        self.not_run = not_run
        names = ", ".join(failure.stage for failure in failures)
        super().__init__(f"failed: {names}" + (f"; not run: {', '.join(not_run)}" if not_run else ""))


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
def reproduce(stage: str, environment: dict[str, str], processes: StageProcesses) -> State[Any]:
    """``dvc repro --single-item``; a stage that fails is a failed state, not our traceback."""
    logger = get_run_logger()
    try:
        ran = processes.run(stage, environment, logger.info)
    except StageError as failure:
        return Failed(message=str(failure), data=failure)
    return Completed(message="done" if ran else "up to date")


@flow(name="pipeline", persist_result=False)
def pipeline(
    preset: str | None = None, settings: Sequence[str] = (), stages: Sequence[str] = (), jobs: int = 1
) -> State[Any]:
    """Merge settings into params.yaml and reproduce ``stages`` (all, if none is named).

    Args:
        preset: name of a file in ``presets``; its tree replaces params.yaml.
        settings: ``key=value``, dotted keys, on top.
        stages: stages or groups of stages; what they need is reproduced with them.
        jobs: how many independent stages run side by side.
    """
    text, params = merge_settings(preset, settings)
    write_params(text)
    graph = read_graph(stages)
    flow_run = flow_run_id() or ""
    parent = start_pipeline_run(params.tracking.experiment, flow_run)
    environment = {FLOW_RUN: flow_run, PARENT_RUN: parent or ""}
    processes = StageProcesses()
    try:
        failures, not_run = _reproduce_all(graph, jobs, environment, processes)
    except BaseException:
        processes.stop()
        if parent:
            finish_pipeline_run(parent, "KILLED", REPORTS)
        raise
    if parent:
        finish_pipeline_run(parent, "FAILED" if failures else "FINISHED", REPORTS)
    if failures:
        error = PipelineError(failures, not_run)
        return Failed(message=str(error), data=error)
    return Completed(message=f"{len(graph)} stages up to date")


def _reproduce_all(
    graph: dict[str, list[str]], jobs: int, environment: dict[str, str], processes: StageProcesses
) -> tuple[list[StageError], list[str]]:
    """Start every stage once those it needs are done; returns failures and stages that could not run."""
    waiting, started, done = list(graph), dict[str, PrefectFuture[Any]](), set[str]()
    failures: list[StageError] = []
    finished: SimpleQueue[str] = SimpleQueue()
    running = 0
    while True:
        ready = [stage for stage in waiting if done.issuperset(graph[stage])]
        for stage in ready[: jobs - running]:
            needs = [started[need] for need in graph[stage]]
            future = reproduce.submit(stage, environment, processes, wait_for=needs, return_state=False)
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


def main() -> int:
    """Read the command line, run, and tell how it went."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.run", description=__doc__)
    parser.add_argument("stages", nargs="*", help="stages or groups (train, train@udape-0); default: all")
    parser.add_argument("--preset", metavar="NAME", help="file in presets/ that replaces params.yaml")
    parser.add_argument("--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], dest="settings")
    parser.add_argument("--jobs", type=int, default=1, help="stages side by side")
    arguments = parser.parse_args()
    if arguments.jobs < 1:
        parser.error("--jobs must be at least 1")
    # A process started in the background may ignore SIGINT and would hand that on to its stages.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _exit_cleanly)
    try:
        _, params = merge_settings(arguments.preset, arguments.settings)
        check_roots(params)  # a mistake shows before a server starts
        state = pipeline(**vars(arguments), return_state=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    outcome = state.result(raise_on_failure=False)
    if isinstance(outcome, UserError):
        print(f"error: {outcome}", file=sys.stderr)
        return 2
    if isinstance(outcome, PipelineError):
        return _tell_failures(outcome)
    if isinstance(outcome, BaseException):
        raise outcome
    _tell_comparison()
    return 0


def _exit_cleanly(number: int, _frame: FrameType | None) -> NoReturn:
    """Leave through ``atexit``, where Prefect stops its temporary server."""
    sys.exit(128 + number)


def _tell_failures(outcome: PipelineError) -> int:
    for failure in outcome.failures:
        print("", *failure.lines, sep="\n", file=sys.stderr) if not failure.mistake else None
        print(failure.mistake or f"error: {failure}", file=sys.stderr)
    if outcome.not_run:
        print(f"not run: {', '.join(outcome.not_run)}", file=sys.stderr)
    return 2 if all(failure.mistake for failure in outcome.failures) else 1


def _tell_comparison() -> None:
    table = REPORTS / "comparison.md"
    if table.exists():
        print(table.read_text())
        print(f"report: {REPORTS / 'report.html'}")


if __name__ == "__main__":
    sys.exit(main())
