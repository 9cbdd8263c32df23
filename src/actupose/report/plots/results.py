"""Figures of what was measured on the target: by joint group, and over bins from easy to hard."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actupose.report.aggregate import Curves, Row
from actupose.report.columns import Column
from actupose.report.plots.look import (
    MethodLook,
    MethodLooks,
    count_along,
    draw_curves,
    draw_legend,
    method_labels,
)

_CLUSTER = 0.8


def plot_groups(
    rows: Sequence[Row], columns: Sequence[Column], looks: MethodLooks, threshold: float
) -> Figure:
    """PCK per joint group: bars for methods, a tick above them for the upper bound."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    axes = figure.subplots()
    methods = [row for row in rows if not looks[row.method].is_upper_bound]
    width = _CLUSTER / max(len(methods), 1)
    for place, row in enumerate(methods):
        offset = (place + 0.5) * width - _CLUSTER / 2
        _draw_bars(axes, row, columns, looks[row.method], offset, width)
    for row in rows:
        if looks[row.method].is_upper_bound:
            _draw_ticks(axes, row, columns, looks[row.method])
    axes.set_xticks(range(len(columns)), [column.title for column in columns])
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="x", visible=False)
    axes.set_ylim(0, 100)
    axes.set_ylabel(f"PCK@{threshold:g} (%)")
    draw_legend(figure, [axes], method_labels(looks))
    return figure


def _draw_bars(
    axes: Axes, row: Row, columns: Sequence[Column], look: MethodLook, offset: float, width: float
) -> None:
    known = [(place, column.key) for place, column in enumerate(columns) if column.key in row.mean]
    x = [place + offset for place, _ in known]
    heights = [100 * row.mean[key] for _, key in known]
    axes.bar(x, heights, width * 0.92, color=look.color, label=look.label)
    if row.std:
        deviations = [100 * row.std[key] for _, key in known]
        axes.errorbar(x, heights, deviations, fmt="none", ecolor="#1f2933", elinewidth=1, capsize=2)


def _draw_ticks(axes: Axes, row: Row, columns: Sequence[Column], look: MethodLook) -> None:
    known = [(place, column.key) for place, column in enumerate(columns) if column.key in row.mean]
    heights = [100 * row.mean[key] for _, key in known]
    starts = [place - _CLUSTER / 2 for place, _ in known]
    ends = [place + _CLUSTER / 2 for place, _ in known]
    axes.hlines(heights, starts, ends, color=look.color, linestyle=look.linestyle, label=look.label)


def plot_per_bin(panels: Mapping[str, Curves], looks: MethodLooks) -> Figure:
    """Draw one panel per metric over the target's bins; line = mean over seeds, band = one deviation."""
    figure = Figure(figsize=(10, 2.5 * len(panels) + 0.8), layout="constrained")
    grid = list(figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0])
    for axes, (name, curves) in zip(grid, panels.items(), strict=True):
        draw_curves(axes, curves, looks, factor=100, marker="o")
        axes.set_ylabel(name)
    grid[-1].set_xlabel(
        "bin of target test poses: 0 = easiest, right = hardest (VAE score of the labelled pose)"
    )
    count_along(grid[-1].xaxis)
    draw_legend(figure, grid, method_labels(looks))
    return figure
