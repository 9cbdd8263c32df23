"""Figures of the pose scores: how hard the source's and the target's poses are, bin by bin."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from actupose.report.plots.look import DOMAIN_COLORS, count_along, draw_legend

_HISTOGRAM_BINS = 48


def plot_scores(scores: Mapping[str, pd.DataFrame], bins: Mapping[str, pd.DataFrame]) -> Figure:
    """Three panels by domain: distribution of scores, score by bin, pose variation by bin (P2 figure 3)."""
    figure = Figure(figsize=(10, 3.5), layout="constrained")
    density, by_bin, variation = figure.subplots(1, 3)
    _draw_densities(density, scores)
    for domain, frame in bins.items():
        low, middle, high = frame["score_min"], frame["score_mean"], frame["score_max"]
        _draw_band(by_bin, frame["bin"], low, middle, high, domain)
        low, middle, high = frame["variation_q25"], frame["variation_q50"], frame["variation_q75"]
        _draw_band(variation, frame["bin"], low, middle, high, domain)
    by_bin.set(title="Score by bin", ylabel="score: mean, min to max", yscale="log")
    variation.set(title="Pose variation by bin", ylabel="angular difference (rad):\nmedian, quartiles")
    for axes in (by_bin, variation):
        axes.set_xlabel("bin of its own domain")
        count_along(axes.xaxis)
    draw_legend(figure, [density], [_label(domain, frame) for domain, frame in scores.items()])
    return figure


def _label(domain: str, scores: pd.DataFrame) -> str:
    return f"{domain} ({len(scores)} poses)"


def _draw_densities(axes: Axes, scores: Mapping[str, pd.DataFrame]) -> None:
    """Shares rather than counts: the domains differ in size. A score of zero has no place on a log axis."""
    values = {domain: frame["score"].to_numpy()[frame["score"] > 0] for domain, frame in scores.items()}
    every = np.concatenate(list(values.values()))
    edges = np.geomspace(every.min(), every.max() * 1.001, _HISTOGRAM_BINS + 1).tolist()
    for domain, own in values.items():
        weights = np.full(len(own), 100 / len(own))
        color, label = DOMAIN_COLORS[domain], _label(domain, scores[domain])
        axes.hist(own, edges, weights=weights, histtype="stepfilled", color=color, alpha=0.25, label=label)
        axes.hist(own, edges, weights=weights, histtype="step", color=color)
    axes.set(title="Distribution of scores", xscale="log", ylabel="share of poses (%)")
    axes.set_xlabel("VAE score of the pose")


def _draw_band(
    axes: Axes, x: pd.Series, low: pd.Series, middle: pd.Series, high: pd.Series, domain: str
) -> None:
    axes.plot(x, middle, color=DOMAIN_COLORS[domain])
    axes.fill_between(x, low, high, color=DOMAIN_COLORS[domain], alpha=0.18, linewidth=0)


def plot_similarity(similarity: np.ndarray) -> Figure:
    """Matrix of two bins' mean EvalPose similarity, x100 (P1 figure 3b)."""
    figure = Figure(figsize=(5.4, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    image = axes.imshow(100 * similarity, "viridis", origin="lower")
    axes.set(xlabel="source bin (0 = easiest)", ylabel="source bin")
    for axis in (axes.xaxis, axes.yaxis):
        count_along(axis)
    figure.colorbar(image, ax=axes, label="EvalPose angle (x100)")
    return figure


def plot_variation(bins: pd.DataFrame) -> Figure:
    """Box plot of the angular difference between poses of each bin (P2 figure 3): quartiles, 5 to 95 %."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    axes = figure.subplots()
    quantiles = {"whislo": "q05", "q1": "q25", "med": "q50", "q3": "q75", "whishi": "q95"}
    boxes = [
        {"label": str(row["bin"]), "mean": row["variation_mean"]}
        | {name: row[f"variation_{quantile}"] for name, quantile in quantiles.items()}
        for row in bins.to_dict("records")
    ]
    axes.bxp(boxes, showfliers=False, showmeans=True)
    axes.set(xlabel="source bin (0 = easiest)", ylabel="angular difference (rad)")
    return figure
