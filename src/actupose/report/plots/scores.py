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
