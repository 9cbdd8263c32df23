"""What stays of a sweep's cells: metrics by which a cell counts as finished, and their summary."""

import math
import shutil
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.artifacts import create_table_artifact

from actupose.files import atomic_path
from actupose.layout import EVALUATIONS
from pipelines.cells.definition import SWEEPS, Cell
from pipelines.stage_runs.artifacts import artifact_key

if TYPE_CHECKING:
    import pandas as pd

_METRICS = {"pck_all": "pck_0.05", "pck_all_hardest_third": "pck_0.05_hardest_third"}


def results_folder(name: str) -> Path:
    """Where a sweep's results are."""
    return SWEEPS / "results" / name


def is_finished(name: str, cell: Cell) -> bool:
    """Whether the cell's results are there, made with the settings it would be given now."""
    path = results_folder(name) / cell.folder / "params.yaml"
    return path.exists() and path.read_text() == cell.merged[0]


def keep_metrics(name: str, cell: Cell, workspace: Path) -> None:
    """Copy what a summary needs from the workspace; from now on the cell is finished."""
    text, params = cell.merged
    folder = results_folder(name) / cell.folder
    shutil.rmtree(folder, ignore_errors=True)
    for method, seed in product(params.train.methods, params.train.seeds):
        kept = folder / f"{method}-{seed}"
        kept.mkdir(parents=True)
        shutil.copy2(workspace / EVALUATIONS / f"{method}-{seed}" / "metrics.json", kept)
    with atomic_path(folder / "params.yaml") as temporary:  # last: it says that the rest is there
        temporary.write_text(text)


def summarise(name: str, cells: Sequence[Cell], decision: str = "") -> "pd.DataFrame":
    """Write the summary of finished cells, show it in Prefect, and return it: one row a cell and method."""
    from actupose.report.sweep import CellResults, write_summary  # draws: slow to import

    folder = results_folder(name)
    found = [CellResults(cell.name, cell.place, folder / cell.folder) for cell in cells]
    rows = write_summary(folder, found, decision)
    if len(rows):
        key = artifact_key(f"sweep-{name}")
        table = rows.astype(object).where(rows.notna(), None)
        shown = [{str(column): value for column, value in row.items()} for row in table.to_dict("records")]
        create_table_artifact(
            shown, key, "Final models on the target's test split; labels judge, never choose."
        )
    return rows


def cell_metrics(rows: "pd.DataFrame") -> dict[str, dict[str, float]]:
    """For MLflow, by the name of a cell: ``sweep/pck_0.05_mean`` and so on; several methods are named."""
    metrics: dict[str, dict[str, float]] = {}
    for cell, of_cell in rows.groupby("cell"):
        for row in of_cell.to_dict("records"):
            place = "sweep" if len(of_cell) == 1 else f"sweep/{row['method']}"
            known = {
                f"{place}/{metric}_{part}": row[f"{figure}_{part}"]
                for figure, metric in _METRICS.items()
                for part in ("mean", "std")
            }
            metrics.setdefault(str(cell), {}).update(
                {key: value for key, value in known.items() if not math.isnan(value)}
            )
    return metrics
