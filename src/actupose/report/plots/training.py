"""Figures of what training did: which bins it drew from, and how its losses fell."""

from collections.abc import Collection, Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from actupose.report.aggregate import Curves
from actupose.report.plots.look import MethodLooks, count_along, draw_curves, draw_legend, method_labels

_MAX_COLUMNS = 3
_PEAK = "#d9214e"


def plot_schedules(schedules: Mapping[str, pd.DataFrame], with_peak: Collection[str]) -> Figure:
    """Draw the samples taken per epoch and bin, one panel per method; a line along the peak bin."""
    columns = min(len(schedules), _MAX_COLUMNS)
    rows = -(-len(schedules) // columns)
    figure = Figure(figsize=(max(3.1 * columns + 0.9, 6.5), 3.3 * rows + 0.3), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    most = max(float(schedule["drawn"].max()) for schedule in schedules.values())
    for axes, (method, schedule) in zip(panels, schedules.items(), strict=False):
        image = _draw_by_epoch(axes, schedule, "drawn", most)
        axes.set_title(method)
        if method in with_peak:
            _draw_peak(axes, schedule)
    for axes in panels[len(schedules) :]:
        axes.set_axis_off()
    for axes in panels[::columns]:
        axes.set_ylabel("source bin (0 = easiest)")
    figure.colorbar(image, ax=list(panels), label="samples drawn in the epoch", pad=0.02)
    return figure


def plot_reranking(schedules: Mapping[str, pd.DataFrame]) -> Figure:
    """Share of each bin's samples that re-ranking brought from another bin, one panel per method."""
    figure = Figure(figsize=(max(3.6 * len(schedules) + 0.9, 6.5), 3.6), layout="constrained")
    panels = figure.subplots(1, len(schedules), squeeze=False, sharey=True).ravel()
    for axes, (method, schedule) in zip(panels, schedules.items(), strict=True):
        share = schedule.assign(moved=100 * schedule["moved"] / schedule["available"])
        image = _draw_by_epoch(axes, share, "moved", 100)
        axes.set_title(method)
    panels[0].set_ylabel("source bin (0 = easiest)")
    figure.colorbar(image, ax=list(panels), label="came from another bin (%)", pad=0.02)
    return figure


def plot_flow(flows: Mapping[str, pd.DataFrame]) -> Figure:
    """From the bin of the VAE's score (columns) to the bin after the last epoch (rows), a panel a method.

    Each column is the mean over the runs in percent of the samples that began in it.
    """
    figure = Figure(figsize=(4.2 * len(flows) + 0.9, 4.0), layout="constrained")
    panels = figure.subplots(1, len(flows), squeeze=False, sharey=True).ravel()
    for axes, (method, flow) in zip(panels, flows.items(), strict=True):
        counts = flow.pivot_table("count", "bin", "vae_bin", aggfunc="sum", fill_value=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(True)
        image = axes.imshow(100 * counts / counts.sum(), "Blues", origin="lower", vmin=0, vmax=100)
        axes.set(title=method, xlabel="bin by the VAE's score")
        count_along(axes.xaxis)
        count_along(axes.yaxis)
    panels[0].set_ylabel("bin after the last epoch")
    figure.colorbar(image, ax=list(panels), label="samples of the column (%)", pad=0.02)
    return figure


def _draw_by_epoch(axes: Axes, schedule: pd.DataFrame, column: str, most: float) -> AxesImage:
    drawn = schedule.groupby(["bin", "epoch"])[column].mean().unstack("epoch")
    bins, epochs = drawn.index.to_numpy(), drawn.columns.to_numpy()
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    axes.set_xlabel("epoch")
    count_along(axes.xaxis)
    count_along(axes.yaxis)
    extent = (epochs.min() - 0.5, epochs.max() + 0.5, bins.min() - 0.5, bins.max() + 0.5)
    image = axes.imshow(
        drawn.to_numpy(), "Blues", origin="lower", aspect="auto", extent=extent, vmin=0, vmax=most
    )
    image.set_interpolation("nearest")
    return image


def _draw_peak(axes: Axes, schedule: pd.DataFrame) -> None:
    weights = schedule.groupby(["epoch", "bin"])["weight"].mean().unstack("bin")
    peaks = weights.idxmax(axis="columns")
    axes.plot(peaks.index, peaks, color=_PEAK, linewidth=1.6, marker=".", label="peak bin")
    axes.legend(loc="lower right", fontsize=8.5)


def plot_histories(histories: Mapping[str, Curves], looks: MethodLooks) -> Figure:
    """One panel per logged metric over epochs; line = mean over seeds, band = one deviation."""
    columns = min(len(histories), _MAX_COLUMNS)
    rows = -(-len(histories) // columns)
    figure = Figure(figsize=(10, 2.6 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (metric, curves) in zip(panels, histories.items(), strict=False):
        draw_curves(axes, curves, looks)
        axes.set_title(metric)
        axes.set_xlabel("epoch")
        count_along(axes.xaxis)
    for axes in panels[len(histories) :]:
        axes.set_axis_off()
    draw_legend(figure, list(panels), method_labels(looks))
    return figure
