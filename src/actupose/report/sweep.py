"""Compare the cells of a sweep: one table, one figure with a panel for each varied key."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actupose.report.plots.look import draw_legend, png_bytes, report_style
from actupose.report.read import read_metrics
from actupose.tables import atomic_path

FIGURES = {"pck_all": "All", "pck_all_hardest_third": "hardest third"}
_COLORS = {"All": "#0072b2", "hardest third": "#d55e00"}


def write_summary(folder: Path, values: Mapping[str, Mapping[str, Any]]) -> None:
    """Write ``summary.csv`` (fractions), ``summary.md`` (x100) and ``summary.png`` of the finished cells.

    Args:
        folder: of the sweep; each cell is a folder in it with ``<method>-<seed>/metrics.json``.
        values: of the varied keys, by the cell's name.
    """
    if not values:
        return
    summary = _summarise(folder, values)
    contents = {
        "summary.csv": summary.to_csv(index=False, float_format="%.6f", lineterminator="\n").encode(),
        "summary.md": _markdown(summary).encode(),
        "summary.png": _draw(summary, values),
    }
    for name, content in contents.items():
        with atomic_path(folder / name) as path:
            path.write_bytes(content)


def _summarise(folder: Path, values: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One row a cell and method: seeds, mean and sample deviation of each figure (``last``)."""
    rows = []
    for name in values:
        for path in sorted((folder / name).glob("*/metrics.json")):
            method, _, seed = path.parent.name.rpartition("-")
            known = read_metrics(path)["last"]
            rows.append({"cell": name, "method": method, "seed": seed} | {f: known.get(f) for f in FIGURES})
    grouped = pd.DataFrame(rows).groupby(["cell", "method"], sort=False)
    parts = {f"{f}_{part}": grouped[f].agg(part) for f in FIGURES for part in ("mean", "std")}
    return pd.DataFrame({"seeds": grouped.size(), **parts}).reset_index()


def _markdown(summary: pd.DataFrame) -> str:
    header = ["Cell", "Method", "Seeds", *(f"PCK@0.05 {name}" for name in FIGURES.values())]
    lines = [header, ["---"] * 2 + ["---:"] * (len(header) - 2)]
    for row in summary.to_dict("records"):
        figures = [_figure(row[f"{name}_mean"], row[f"{name}_std"]) for name in FIGURES]
        lines.append([row["cell"], row["method"], str(row["seeds"]), *figures])
    note = "Selection: last; x100, mean ± standard deviation over seeds.\n\n"
    return note + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _figure(mean: float, std: float) -> str:
    if pd.isna(mean):
        return "-"
    return f"{100 * mean:.1f}" + ("" if pd.isna(std) else f" ± {100 * std:.1f}")


def _draw(summary: pd.DataFrame, values: Mapping[str, Mapping[str, Any]]) -> bytes:
    """One panel a varied key; a cell that varies several keys is in each of their panels."""
    keys = list(dict.fromkeys(key for cell in values.values() for key in cell))
    with report_style():
        figure = Figure(figsize=(3.2 * len(keys) + 0.6, 3.2), layout="constrained")
        panels = figure.subplots(1, len(keys), squeeze=False, sharey=True).ravel()
        for axes, key in zip(panels, keys, strict=True):
            _draw_axis(axes, key, summary, values)
        panels[0].set_ylabel("PCK@0.05 (x100)")
        draw_legend(figure, list(panels), list(_COLORS))
        return png_bytes(figure)


def _draw_axis(axes: Axes, key: str, summary: pd.DataFrame, values: Mapping[str, Mapping[str, Any]]) -> None:
    varied = summary[[key in values[cell] for cell in summary["cell"]]]
    shown = [json.dumps(values[cell][key]) for cell in varied["cell"]]
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
    axes.set_xlabel(key)
