"""Everything a comparison is made of, read and checked before anything is drawn."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from actupose.data.dataset import Domain
from actupose.errors import UserError
from actupose.evaluation.evaluate import Evaluation
from actupose.params import Params
from actupose.report.columns import SELECTIONS, Selection
from actupose.skeleton import SKELETONS
from actupose.tables import (
    BINS,
    CURRICULUM,
    FLOW,
    HISTORY,
    PER_BIN,
    SCORES,
    normalised_schema,
    predictions_schema,
    read_table,
)

DomainName = Literal["source", "target"]
DOMAINS: tuple[DomainName, ...] = ("source", "target")


@dataclass(frozen=True)
class Folders:
    """Where earlier stages wrote."""

    evaluations: Path
    runs: Path
    bins: Path
    normalised: Path
    ingested: Path
    style: Path


@dataclass(frozen=True)
class Run:
    """One method trained with one seed; ``metrics`` holds what is known, as fractions."""

    method: str
    seed: int
    metrics: dict[Selection, dict[str, float]]
    per_bin: pd.DataFrame
    predictions: pa.Table
    history: pd.DataFrame
    curriculum: pd.DataFrame
    flow: pd.DataFrame


@dataclass(frozen=True)
class BinnedPoses:
    """Pose scores of one domain and its bins; no rows where the domain has no labels."""

    scores: pd.DataFrame
    bins: pd.DataFrame


@dataclass(frozen=True)
class BinnedData:
    """The scored poses of both domains, and the source's poses themselves: the same for all runs."""

    domains: dict[DomainName, BinnedPoses]
    source_poses: pa.Table


@dataclass(frozen=True)
class Evidence:
    """All runs (in the order of the params) and the domain with the photos they are shown on."""

    runs: tuple[Run, ...]
    target: Domain


def read_evidence(folders: Folders, params: Params) -> Evidence:
    """Read the runs of ``train.methods`` x ``train.seeds`` and the tables behind them.

    What is missing or damaged is a UserError that names the command that writes it.
    """
    names = [(method, seed) for method in params.train.methods for seed in params.train.seeds]
    _require_evaluations(folders.evaluations, [f"{method}-{seed}" for method, seed in names])
    skeleton = SKELETONS[params.data.skeleton]
    return Evidence(
        runs=tuple(_read_run(folders, method, seed, len(skeleton)) for method, seed in names),
        target=Domain(folders.ingested / "target", skeleton, labels=False),
    )


def evaluated_run(method: str, seed: int, result: Evaluation, history: pa.Table, training: Path) -> Run:
    """A run whose evaluation and history are in memory; the rest is read of ``training``, its folder."""
    return Run(
        method=method,
        seed=seed,
        metrics=_figures_by_rule(result.metrics),
        per_bin=result.per_bin.to_pandas(),
        predictions=result.predictions,
        history=history.to_pandas(),
        curriculum=_frame(training / "curriculum.parquet", CURRICULUM),
        flow=_frame(training / "flow.parquet", FLOW),
    )


def read_binned_data(folders: Folders, params: Params) -> BinnedData:
    """Read what scoring made of the data; what is missing or damaged is a UserError."""
    schema = normalised_schema(len(SKELETONS[params.data.skeleton]))
    return BinnedData(
        domains={domain: _read_binned(folders.bins / domain) for domain in DOMAINS},
        source_poses=read_table(
            folders.normalised / "source.parquet", schema, ["sample_id", "pose", "visible"]
        ),
    )


def _require_evaluations(folder: Path, names: list[str]) -> None:
    missing = [name for name in names if not (folder / name / "metrics.json").is_file()]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UserError(
            f"{folder / missing[0]}: no evaluation of this run{more}; run: dvc repro evaluate@{missing[0]}"
        )


def _read_run(folders: Folders, method: str, seed: int, num_keypoints: int) -> Run:
    evaluation = folders.evaluations / f"{method}-{seed}"
    training = folders.runs / f"{method}-{seed}"
    return Run(
        method=method,
        seed=seed,
        metrics=read_metrics(evaluation / "metrics.json"),
        per_bin=_frame(evaluation / "per_bin.parquet", PER_BIN),
        predictions=read_table(evaluation / "predictions.parquet", predictions_schema(num_keypoints)),
        history=_frame(training / "history.parquet", HISTORY),
        curriculum=_frame(training / "curriculum.parquet", CURRICULUM),
        flow=_frame(training / "flow.parquet", FLOW),
    )


def _read_binned(folder: Path) -> BinnedPoses:
    return BinnedPoses(
        scores=_frame(folder / "scores.parquet", SCORES), bins=_frame(folder / "bins.parquet", BINS)
    )


def _frame(path: Path, schema: pa.Schema) -> pd.DataFrame:
    frame: pd.DataFrame = read_table(path, schema).to_pandas()
    return frame


def read_metrics(path: Path) -> dict[Selection, dict[str, float]]:
    """Figures by selection rule; nested keys are joined: ``pck_all``, ``pck_tllib_all``."""
    again = f"run: dvc repro -f evaluate@{path.parent.name}"
    try:
        tree = json.loads(path.read_text())
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {error}; {again}") from None
    if not isinstance(tree, dict) or not all(isinstance(tree.get(rule), dict) for rule in SELECTIONS):
        raise UserError(f"{path}: needs the keys {' and '.join(SELECTIONS)}; {again}")
    return _figures_by_rule(tree)


def _figures_by_rule(tree: Mapping[str, Any]) -> dict[Selection, dict[str, float]]:
    return {rule: _known_figures(tree[rule]) for rule in SELECTIONS}


def _known_figures(tree: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    known: dict[str, float] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            known |= _known_figures(value, f"{prefix}{key}_")
        elif value is not None and math.isfinite(value):
            known[prefix + key] = float(value)
    return known
