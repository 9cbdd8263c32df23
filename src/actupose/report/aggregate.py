"""Means and standard deviations over seeds; pure functions of what was read."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from actupose.params import Params
from actupose.report.columns import (
    SELECTIONS,
    UPPER_BOUND,
    Column,
    Selection,
    comparison_columns,
    method_mark,
)
from actupose.report.read import Run
from actupose.skeleton import SKELETONS

Curves = dict[str, pd.DataFrame]  # per method: mean and std over seeds, indexed by bin or epoch
_RUN_KEYS = ("selection", "method", "seed")


@dataclass(frozen=True)
class Row:
    """One method under one selection rule; keys are those of ``metrics.json``, joined.

    A figure that one of the seeds lacks is absent: a mean over fewer seeds than the row says would mislead.
    ``std`` (sample deviation, n - 1) is empty with one seed.
    """

    method: str
    seeds: int
    mean: dict[str, float]
    std: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """All methods side by side. ``best_on_target`` has no table where no run knows it."""

    threshold: float
    seeds: tuple[int, ...]
    marks: dict[str, str]
    tables: dict[Selection, tuple[Row, ...]]
    columns: dict[Selection, tuple[Column, ...]]

    @property
    def labels(self) -> dict[str, str]:
        """Names of the methods as a person reads them."""
        return {method: f"{method} {mark}".rstrip() for method, mark in self.marks.items()}

    @property
    def upper_bounds(self) -> tuple[str, ...]:
        """Methods that are trained on target labels."""
        return tuple(method for method, mark in self.marks.items() if mark == UPPER_BOUND)

    @property
    def has_target_labels(self) -> bool:
        """Whether any figure was measured on target labels."""
        return any("pck_all" in row.mean for row in self.tables["last"])


def compare_runs(runs: Sequence[Run], params: Params) -> Comparison:
    """Aggregate all runs over their seeds."""
    summary = summarise(run_figures(runs))
    tables = {rule: rows for rule, rows in summary.items() if rule == "last" or any(row.mean for row in rows)}
    wanted = comparison_columns(SKELETONS[params.data.skeleton])
    return Comparison(
        threshold=params.evaluation.threshold,
        seeds=params.train.seeds,
        marks={name: method_mark(params.methods[name]) for name in params.train.methods},
        tables=tables,
        columns={rule: _known_columns(rows, wanted) for rule, rows in tables.items()},
    )


def _known_columns(rows: Sequence[Row], wanted: Sequence[Column]) -> tuple[Column, ...]:
    return tuple(column for column in wanted if any(column.key in row.mean for row in rows))


def run_figures(runs: Sequence[Run]) -> pd.DataFrame:
    """One row for each selection rule and run: selection, method, seed, then every figure any run knows."""
    rows = [
        {"selection": rule, "method": run.method, "seed": run.seed, **run.metrics[rule]}
        for rule in SELECTIONS
        for run in runs
    ]
    return pd.DataFrame(rows)


def summarise(figures: pd.DataFrame) -> dict[Selection, tuple[Row, ...]]:
    """Mean and deviation over the seeds of each method, by selection rule, in the order of the runs."""
    return {rule: _rows(figures[figures["selection"] == rule]) for rule in SELECTIONS}


def _rows(figures: pd.DataFrame) -> tuple[Row, ...]:
    metrics = [name for name in figures.columns if name not in _RUN_KEYS]
    return tuple(
        Row(
            method=str(method),
            seeds=len(part),
            mean=_as_dict(part[metrics].mean(skipna=False)),
            std=_as_dict(part[metrics].std(ddof=1, skipna=False)),
        )
        for method, part in figures.groupby("method", sort=False)
    )


def _as_dict(figures: "pd.Series[float]") -> dict[str, float]:
    return {str(name): float(value) for name, value in figures.dropna().items()}


def per_bin_curves(runs: Sequence[Run], metric: str) -> Curves:
    """One figure of ``per_bin.parquet`` over the target's bins."""
    return _curves([(run.method, run.per_bin) for run in runs], "bin", metric)


def history_curves(runs: Sequence[Run], metric: str) -> Curves:
    """One logged metric over epochs, for the methods that log it."""
    logged = [(run.method, run.history[run.history["metric"] == metric]) for run in runs]
    return _curves([(method, history) for method, history in logged if len(history)], "epoch", "value")


def _curves(tables: Sequence[tuple[str, pd.DataFrame]], x: str, value: str) -> Curves:
    return {
        method: pd.concat([own for other, own in tables if other == method])
        .groupby(x)[[value]]
        .agg(mean=(value, "mean"), std=(value, "std"))
        for method in dict.fromkeys(method for method, _ in tables)
    }
