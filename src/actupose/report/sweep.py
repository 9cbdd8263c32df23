"""Compare the cells of a sweep: one table, and one figure with a row of panels for each method."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actupose.files import atomic_path
from actupose.report.columns import Column, format_figure
from actupose.report.plots.look import draw_legend, png_bytes, report_style
from actupose.report.read import read_metrics

FIGURES = {"pck_all": "All", "pck_all_hardest_third": "hardest third"}
_LONGEST_LEVEL = 12  # letters of a tick's label that has room beside its neighbours
_COLORS = {"All": "#0072b2", "hardest third": "#d55e00"}
_NOTE = """\
Selection: last; x100, mean ± standard deviation over seeds, on the target's test split.
Its labels judge the cells; a setting that is chosen by them is not an unsupervised result.
"""


@dataclass(frozen=True)
class CellResults:
    """A finished cell: values of the varied keys; its folder holds ``<method>-<seed>/metrics.json``."""

    name: str
    values: Mapping[str, Any]
    folder: Path


def write_summary(folder: Path, cells: Sequence[CellResults], decision: str = "") -> pd.DataFrame:
    """Write ``summary.csv`` (fractions), ``summary.md`` (x100) and ``summary.png`` of the finished cells.

    ``decision`` is what somebody concluded, below the table of ``summary.md``.

    Returns:
        One row a cell and method: seeds, mean and sample deviation of each figure (``last``).
    """
    if not cells:
        for old in folder.glob("summary.*"):  # of cells with other settings
            old.unlink()
        return pd.DataFrame(columns=["cell"])
    summary = _summarise(cells)
    contents = {
        "summary.csv": summary.to_csv(index=False, float_format="%.6f", lineterminator="\n").encode(),
        "summary.md": _markdown(summary, decision).encode(),
        "summary.png": _draw(summary, {cell.name: cell.values for cell in cells}),
    }
    for name, content in contents.items():
        with atomic_path(folder / name) as path:
            path.write_bytes(content)
    return summary


def _summarise(cells: Sequence[CellResults]) -> pd.DataFrame:
    rows = []
    for cell in cells:
        for path in sorted(cell.folder.glob("*/metrics.json")):
            method, _, seed = path.parent.name.rpartition("-")
            known = read_metrics(path)["last"]
            figures = {figure: known.get(figure, float("nan")) for figure in FIGURES}
            rows.append({"cell": cell.name, "method": method, "seed": seed} | figures)
    grouped = pd.DataFrame(rows).groupby(["cell", "method"], sort=False)
    parts = {f"{f}_{part}": grouped[f].agg(part) for f in FIGURES for part in ("mean", "std")}
    return pd.DataFrame({"seeds": grouped.size(), **parts}).reset_index()


def _markdown(summary: pd.DataFrame, decision: str) -> str:
    header = ["Cell", "Method", "Seeds", *(f"PCK@0.05 {name}" for name in FIGURES.values())]
    lines = [header, ["---"] * 2 + ["---:"] * (len(header) - 2)]
    known = summary.astype(object).where(summary.notna(), None)
    for row in known.to_dict("records"):
        figures = [
            format_figure(Column(name, label), row[f"{name}_mean"], row[f"{name}_std"])
            for name, label in FIGURES.items()
        ]
        lines.append([row["cell"], row["method"], str(row["seeds"]), *figures])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    return f"{_NOTE}\n{table}" + (f"\n{decision.strip()}\n" if decision else "")


def _draw(summary: pd.DataFrame, values: Mapping[str, Mapping[str, Any]]) -> bytes:
    """A row a method: one panel a varied key, and heat maps where every cell varies the same two keys.

    A cell that varies several keys is in each of their panels.
    """
    keys = list(dict.fromkeys(key for cell in values.values() for key in cell))
    of_two = len(keys) == 2 and all(len(cell) == 2 for cell in values.values())
    columns = len(keys) + (len(FIGURES) if of_two else 0)
    methods = list(dict.fromkeys(summary["method"]))
    with report_style():
        figure = Figure(figsize=(3.2 * columns + 0.6, 3.2 * len(methods)), layout="constrained")
        rows = figure.subplots(len(methods), columns, squeeze=False)
        for panels, method in zip(rows, methods, strict=True):
            of_method = summary[summary["method"] == method]
            for axes, key in zip(panels, keys, strict=False):
                _draw_axis(axes, key, of_method, values)
                axes.sharey(rows[0][0])
            panels[0].set_ylabel(f"{method}\nPCK@0.05 (x100)")
            for axes, name in zip(panels[len(keys) :], FIGURES, strict=False):
                _draw_heat_map(axes, keys, name, of_method, values)
        draw_legend(figure, list(rows[0]), list(_COLORS))
        return png_bytes(figure)


def _draw_axis(axes: Axes, key: str, summary: pd.DataFrame, values: Mapping[str, Mapping[str, Any]]) -> None:
    varied = summary[[key in values[cell] for cell in summary["cell"]]]
    shown = _shown(key, varied, values)
    ticks = list(dict.fromkeys(shown))
    for figure, label in FIGURES.items():
        mean, std = 100 * varied[f"{figure}_mean"], 100 * varied[f"{figure}_std"].fillna(0)
        axes.errorbar(
            [ticks.index(text) for text in shown],
            mean,
            std,
            fmt="o-" if len(ticks) == len(shown) else "o",
            color=_COLORS[label],
            capsize=3,
            label=label,
        )
    axes.set_xticks(range(len(ticks)), ticks)
    if max(map(len, ticks)) > _LONGEST_LEVEL:
        axes.tick_params(axis="x", labelrotation=90)
    axes.set_xlabel(key)


def _draw_heat_map(
    axes: Axes,
    keys: Sequence[str],
    figure: str,
    summary: pd.DataFrame,
    values: Mapping[str, Mapping[str, Any]],
) -> None:
    """Means over two keys, each in its place as a number; a cell that is not finished stays empty."""
    columns, rows = (_shown(key, summary, values) for key in keys)
    table = pd.DataFrame({"row": rows, "column": columns, "mean": 100 * summary[f"{figure}_mean"].to_numpy()})
    grid = table.pivot_table(values="mean", index="row", columns="column", sort=False, dropna=False)
    axes.imshow(grid, cmap="Blues", aspect="auto", alpha=0.6)
    for y, row in enumerate(grid.to_numpy()):
        for x, mean in enumerate(row):
            axes.text(x, y, "" if pd.isna(mean) else f"{mean:.1f}", ha="center", va="center")
    axes.set_xticks(range(grid.shape[1]), grid.columns)
    axes.set_yticks(range(grid.shape[0]), grid.index)
    axes.set(title=FIGURES[figure], xlabel=keys[0], ylabel=keys[1])
    axes.grid(visible=False)


def _shown(key: str, summary: pd.DataFrame, values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The key's value in each row, as text."""
    shown = (values[cell][key] for cell in summary["cell"])
    return [value if isinstance(value, str) else json.dumps(value) for value in shown]
