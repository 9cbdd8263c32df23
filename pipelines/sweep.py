"""Run the pipeline for every cell of a sweep, and compare the cells.

    python -m pipelines.sweep curriculum --dry-run
    python -m pipelines.sweep --axis schedule.epochs=20,40 --axis 'train.seeds=[0],[1]' --cells 2

Each cell runs in a copy of the project below .state/sweeps, with params of its own and the project's DVC
cache: params.yaml, dvc.lock and outputs of the project stay as they are, and it may be edited meanwhile. What
cells have in common is computed once. A cell that fails does not stop the others; the next start goes on with
what is not finished, from its checkpoints, and leaves alone what is finished with the same settings; after a
change of code remove sweeps/results/<name>.

Cells are tasks of Prefect, whose task runner bounds how many run side by side and lets them wait for what
they have in common; DVC knows what in a cell has to run, and `dvc exp run --queue` runs a grid too. What
neither of them does is here: a cell's copy has its data roots and MLflow's store, outlasts its run and so
keeps its checkpoints; what cells have in common is found and computed first; values may vary one at a time;
and what is compared are means and deviations over seeds.

Metrics of finished cells stay in sweeps/results; the rest, but logs, is in DVC's cache alone until `dvc gc`:
`python -m pipelines.run --set` with a cell's values brings it back.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.utilities.annotations import allow_failure
from pydantic import PositiveInt

from actupose.errors import UserError
from actupose.layout import STATE
from actupose.signals import unwind_on_signals
from pipelines._child_processes import GRACE_SECONDS, ChildProcesses
from pipelines._file_lock import take_lock
from pipelines.cells.definition import SWEEPS, Cell, Sweep, parse_axes, read_sweep, sweep_cells
from pipelines.cells.jobs import Job, cell_jobs, run_job, with_shared_stages
from pipelines.cells.results import cell_metrics, is_finished, results_folder, summarise
from tracking import Status, finish_sweep_run, start_sweep_run

WORKSPACES = STATE / "sweeps"
_GRACE_SECONDS = 2 * GRACE_SECONDS + 15  # a pipeline asks its stages twice before it kills them


@flow(name="sweep", persist_result=False)
def sweep(
    name: str,
    settings: Sequence[str] = (),
    jobs: PositiveInt | None = None,
    cells: PositiveInt = 1,
    grid: Sweep | None = None,
) -> State[Any]:
    """Run what is not finished of a sweep and summarise all that is.

    Args:
        name: of a file in ``sweeps``, or of ``grid``.
        settings: ``key=value`` on top of the sweep's settings, in every cell.
        jobs: how many independent stages of a cell run side by side; if not said, as in ``pipelines.run``.
        cells: how many cells run side by side.
        grid: a sweep that has no file.
    """
    try:
        check_name(name)
        return _run(name, grid or read_sweep(name), settings, jobs, cells)
    except UserError as error:
        return Failed(message=str(error), data=error)


def check_name(name: str) -> None:
    """Raise a UserError unless a folder can be called so."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"--name {name}: letters, digits, '-', '_' and '.' only")


def _run(name: str, definition: Sweep, settings: Sequence[str], jobs: int | None, cells: int) -> State[Any]:
    every = sweep_cells(definition, settings)
    with exclusive(name):
        left = [cell for cell in every if not is_finished(name, cell)]
        resumes = len(left) < len(every) or (WORKSPACES / name).exists()
        parent = _start_run(name, definition, every[0], resumes=resumes)
        try:
            failed = _run_all(name, cell_jobs(WORKSPACES / name, left, jobs, parent), cells)
            finished = [cell for cell in every if is_finished(name, cell)]
            metrics = cell_metrics(summarise(name, finished, definition.decision))
        except BaseException as error:  # a signal is none of Exception
            _finish_run(parent, "FAILED" if isinstance(error, Exception) else "KILLED", name)
            raise
        _finish_run(parent, "FAILED" if failed else "FINISHED", name, metrics)
    if failed:
        return Failed(message="failed: " + "; ".join(f"{job.name} (log: {job.log})" for job in failed))
    return Completed(message=f"{len(finished)} cells finished")


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Keep a second start of the same sweep out of its workspaces."""
    WORKSPACES.mkdir(parents=True, exist_ok=True)
    with (WORKSPACES / f"{name}.lock").open("w") as lock:
        if not take_lock(lock):
            raise UserError(f"sweep {name} is running already: wait for its end, or stop it")
        yield


def _start_run(name: str, definition: Sweep, cell: Cell, *, resumes: bool) -> str | None:
    axes = {key: json.dumps(values) for key, values in definition.varied.items()}
    return start_sweep_run(cell.merged[1].tracking.experiment, name, axes, resumes=resumes)


def _finish_run(
    parent: str | None, status: Status, name: str, metrics: Mapping[str, Mapping[str, float]] | None = None
) -> None:
    if parent:
        finish_sweep_run(parent, status, results_folder(name), metrics or {})


def _run_all(name: str, jobs: Sequence[Job], limit: int) -> list[Job]:
    """Run cells side by side, each once what it has in common is computed; returns those that failed."""
    if limit > 1:  # one after the other, they find it in DVC's run-cache
        jobs = with_shared_stages(jobs)
    futures: dict[str, PrefectFuture[Any]] = {}
    with ThreadPoolTaskRunner[Any](limit) as runner, ChildProcesses(_GRACE_SECONDS) as processes:
        for job in jobs:
            needs: list[Any] = [allow_failure(futures[need]) for need in job.needs]
            arguments = {"job": job, "sweep": name, "processes": processes}
            futures[job.name] = runner.submit(run_job, arguments, needs)
        for future in futures.values():
            future.wait()
    return [job for job in jobs if job.cell and not futures[job.name].state.is_completed()]


def main() -> int:
    """Read the command line, run, and print how it went."""
    parser = _parser()
    arguments = parser.parse_args()
    if (arguments.sweep is None) == (not arguments.axis):
        parser.error("name a file of sweeps/, or give --axis")
    if arguments.cells < 1 or (arguments.jobs is not None and arguments.jobs < 1):
        parser.error("--jobs and --cells must be at least 1")
    try:
        name, grid = _definition(arguments)
        cells = sweep_cells(grid or read_sweep(name), arguments.settings)
        if arguments.dry_run:
            return _print_cells(name, cells)
        unwind_on_signals(once=False)
        state = sweep(name, arguments.settings, arguments.jobs, arguments.cells, grid, return_state=True)
        return _print_outcome(name, state)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.sweep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sweep", nargs="?", help="file in sweeps/ without .yaml")
    values = "KEY=VALUE,VALUE,..."
    parser.add_argument(
        "--axis", metavar=values, action="append", default=[], help="an axis of a sweep without file"
    )
    parser.add_argument("--name", help="of a sweep without file; default: the last parts of its keys")
    parser.add_argument(
        "--one-at-a-time", action="store_true", help="vary one axis while the others stay as set"
    )
    parser.add_argument(
        "--preset", metavar="NAME|PATH", help="in presets/ or anywhere: what a sweep without file starts from"
    )
    parser.add_argument("--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], dest="settings")
    parser.add_argument("--cells", type=int, default=1, help="cells side by side")
    parser.add_argument(
        "--jobs", type=int, help="stages of a cell side by side (default: that of pipelines.run)"
    )
    parser.add_argument("--dry-run", action="store_true", help="name the cells and what is left to run")
    return parser


def _definition(arguments: argparse.Namespace) -> tuple[str, Sweep | None]:
    """Name of the sweep, and what it is if it has no file."""
    if arguments.sweep:
        return arguments.sweep, None
    axes = parse_axes(arguments.axis)
    name = arguments.name or "-".join(key.rpartition(".")[2] for key in axes)
    check_name(name)
    if (SWEEPS / f"{name}.yaml").exists():
        raise UserError(f"--name {name}: {SWEEPS}/{name}.yaml has that name; choose another")
    vary = "one_at_a_time" if arguments.one_at_a_time else "grid"
    return name, Sweep(preset=arguments.preset, settings={}, vary=vary, axes=axes)


def _print_cells(name: str, cells: Sequence[Cell]) -> int:
    for cell in cells:
        print(f"{'finished' if is_finished(name, cell) else 'to run':8} {cell.name}")
    return 0


def _print_outcome(name: str, state: State[Any]) -> int:
    outcome = state.result(raise_on_failure=False)
    if isinstance(outcome, BaseException):
        raise outcome
    summary = results_folder(name) / "summary.md"
    if summary.exists():
        print(f"{summary.read_text()}\nfigure: {summary.with_suffix('.png')}")
    if not state.is_completed():
        print(f"error: {state.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
