"""Run the pipeline for every cell of a sweep, one after the other, and compare the cells.

    python -m pipelines.sweep curriculum --dry-run

A cell that is finished with the same settings is not run again; one that fails does not stop the others.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from actupose.errors import UserError
from actupose.report.sweep import write_summary
from actupose.tables import atomic_path
from pipelines._settings import check_roots, merge_settings, write_params
from pipelines._sweep_cells import SWEEPS, Cell, read_sweep, sweep_cells
from pipelines.run import pipeline
from stages._paths import EVALUATIONS, PARAMS

RESULTS = SWEEPS / "results"


@flow(name="sweep", persist_result=False)
def sweep(name: str, settings: Sequence[str] = (), jobs: int = 1) -> State[Any]:
    """Run what is not finished of a sweep and summarise all that is.

    Args:
        name: of a file in ``sweeps``.
        settings: ``key=value`` on top of the file's settings, in every cell.
        jobs: how many independent stages of a cell run side by side.
    """
    folder, cells = RESULTS / name, sweep_cells(read_sweep(name), settings)
    before = PARAMS.read_text()
    try:
        failed = [
            cell.name for cell in cells if not is_finished(folder, cell) and not _run(folder, cell, jobs)
        ]
    finally:
        write_params(before)
    finished = [cell for cell in cells if cell.name not in failed]
    write_summary(folder, {cell.name: cell.values for cell in finished})
    if failed:
        return Failed(message=f"failed: {', '.join(failed)}", data=failed)
    return Completed(message=f"{len(finished)} cells finished")


def is_finished(folder: Path, cell: Cell) -> bool:
    """Whether the cell's results are there, made with the settings it would be given now."""
    path = folder / cell.name / "params.yaml"
    return path.exists() and path.read_text() == merge_settings(cell.preset, cell.settings)[0]


def _run(folder: Path, cell: Cell, jobs: int) -> bool:
    """Reproduce one cell and keep its metrics; False if a stage failed."""
    text, params = merge_settings(cell.preset, cell.settings)
    state = pipeline(preset=cell.preset, settings=cell.settings, jobs=jobs, return_state=True)
    if not state.is_completed():
        return False
    shutil.rmtree(folder / cell.name, ignore_errors=True)
    for method, seed in product(params.train.methods, params.train.seeds):
        kept = folder / cell.name / f"{method}-{seed}"
        kept.mkdir(parents=True)
        shutil.copy2(EVALUATIONS / f"{method}-{seed}" / "metrics.json", kept)
    with atomic_path(folder / cell.name / "params.yaml") as temporary:  # last: now the cell is finished
        temporary.write_text(text)
    return True


def main() -> int:
    """Read the command line, run, and tell how it went."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.sweep", description=__doc__)
    parser.add_argument("name", help="file in sweeps/ without .yaml")
    parser.add_argument("--set", metavar="KEY=VALUE", nargs="+", action="extend", default=[], dest="settings")
    parser.add_argument("--jobs", type=int, default=1, help="stages of a cell side by side")
    parser.add_argument("--dry-run", action="store_true", help="name the cells and what is left to run")
    arguments = parser.parse_args()
    try:
        cells = sweep_cells(read_sweep(arguments.name), arguments.settings)
        for cell in cells:  # a mistake in any of them shows before the first one runs
            check_roots(merge_settings(cell.preset, cell.settings)[1])
        if arguments.dry_run:
            return _tell_cells(RESULTS / arguments.name, cells)
        state = sweep(arguments.name, arguments.settings, arguments.jobs, return_state=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    summary = RESULTS / arguments.name / "summary.md"
    if summary.exists():
        print(f"{summary.read_text()}\nfigure: {summary.with_suffix('.png')}")
    if not state.is_completed():
        print(f"error: {state.message}", file=sys.stderr)
        return 1
    return 0


def _tell_cells(folder: Path, cells: Sequence[Cell]) -> int:
    for cell in cells:
        print(f"{'finished' if is_finished(folder, cell) else 'to run':8} {cell.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
