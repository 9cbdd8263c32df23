"""Run the pipeline: merge the settings, then one Prefect task for each DVC stage.

    python -m pipelines.run --preset surreal2lsp-small --set data.source.root=/data/surreal

DVC decides what has to run, Prefect when, and MLflow hears of it through the stages.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime.flow_run import get_id as flow_run_id
from prefect.states import Completed, Failed
from pydantic import PositiveInt

from actupose.errors import UserError
from actupose.layout import REPORTS
from actupose.signals import unwind_on_signals
from pipelines._dvc_lock import remove_cut_off
from pipelines._settings import check_roots, merge_settings, write_params
from pipelines.stage_runs.artifacts import show_results
from pipelines.stage_runs.graph import read_graph, stale_stages
from pipelines.stage_runs.schedule import Schedule, reproduce_all
from pipelines.stage_runs.slots import slots_on_server
from pipelines.stage_runs.stage_process import StageError
from pipelines.stage_runs.workspace import workspace_lock
from tracking import FLOW_RUN, PARENT_RUN, finish_pipeline_run, run_page, start_pipeline_run


class PipelineError(Exception):
    """Some stages failed, and those behind them did not run."""

    def __init__(self, failures: Sequence[StageError], not_run: Sequence[str]) -> None:
        self.failures = failures
        self.not_run = not_run
        names = ", ".join(failure.stage for failure in failures)
        super().__init__(f"failed: {names}" + (f"; not run: {', '.join(not_run)}" if not_run else ""))


@flow(name="pipeline", persist_result=False)
def pipeline(
    preset: str | None = None,
    settings: Sequence[str] = (),
    stages: Sequence[str] = (),
    jobs: PositiveInt | None = None,
) -> State[Any]:
    """Merge settings into params.yaml and reproduce ``stages`` (all, if none is named).

    A second pipeline in the same workspace waits for the first.

    Args:
        preset: name of a file in ``presets``, or a path; over the base it replaces params.yaml.
        settings: ``key=value``, dotted keys, on top.
        stages: stages or groups of stages; what they need is reproduced with them.
        jobs: how many independent stages run side by side; as many as the server has GPU slots, if not said.
    """
    try:
        with workspace_lock(get_run_logger().info):
            return _run(preset, settings, stages, jobs)
    except UserError as error:
        return Failed(message=str(error), data=error)


def _run(preset: str | None, settings: Sequence[str], stages: Sequence[str], jobs: int | None) -> State[Any]:
    text, params = merge_settings(preset, settings)
    check_roots(params)
    write_params(text)
    remove_cut_off(get_run_logger().warning)
    graph = read_graph(stages)
    slots, stale = slots_on_server(), stale_stages(graph)
    flow_run = flow_run_id() or ""
    parent = start_pipeline_run(params.tracking.experiment, flow_run)
    environment = {FLOW_RUN: flow_run, PARENT_RUN: parent or ""}
    schedule = Schedule(graph, stale, jobs or slots or 1, slots is not None, environment)
    try:
        failures, not_run = reproduce_all(schedule)
    except BaseException as error:  # a signal is none of Exception
        if parent:
            finish_pipeline_run(parent, "FAILED" if isinstance(error, Exception) else "KILLED", REPORTS)
        raise
    if parent:
        finish_pipeline_run(parent, "FAILED" if failures else "FINISHED", REPORTS)
    if failures:
        failed = PipelineError(failures, not_run)
        return Failed(message=str(failed), data=failed)
    show_results(REPORTS, run_page(parent) if parent else None)
    return Completed(message=f"{len(graph)} stages up to date")


def main() -> int:
    """Read the command line, run, and print how it went."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.run", description=__doc__)
    parser.add_argument("stages", nargs="*", help="stages or groups (train, train@udape-0); default: all")
    parser.add_argument(
        "--preset",
        metavar="NAME|PATH",
        help="overlay of the base, in presets/ or anywhere; replaces params.yaml",
    )
    parser.add_argument("--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], dest="settings")
    parser.add_argument(
        "--jobs", type=int, help="stages side by side (default: one for each GPU slot of the server)"
    )
    arguments = parser.parse_args()
    if arguments.jobs is not None and arguments.jobs < 1:
        parser.error("--jobs must be at least 1")
    unwind_on_signals(once=False)
    try:
        check_roots(merge_settings(arguments.preset, arguments.settings)[1])  # before a server starts
        state = pipeline(**vars(arguments), return_state=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    outcome = state.result(raise_on_failure=False)
    if isinstance(outcome, UserError):
        print(f"error: {outcome}", file=sys.stderr)
        return 2
    if isinstance(outcome, PipelineError):
        return _print_failures(outcome)
    if isinstance(outcome, BaseException):
        raise outcome
    _print_comparison()
    return 0


def _print_failures(outcome: PipelineError) -> int:
    for failure in outcome.failures:
        if not failure.by_mistake:
            print("", *failure.lines, sep="\n", file=sys.stderr)
        print(f"error: {failure}", file=sys.stderr)
    if outcome.not_run:
        print(f"not run: {', '.join(outcome.not_run)}", file=sys.stderr)
    return 2 if all(failure.by_mistake for failure in outcome.failures) else 1


def _print_comparison() -> None:
    table = REPORTS / "comparison.md"
    if table.exists():
        print(table.read_text())
        print(f"report: {REPORTS / 'report.html'}")


if __name__ == "__main__":
    sys.exit(main())
