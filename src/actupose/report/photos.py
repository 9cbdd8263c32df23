"""Which target photographs the report shows, and how well each method does on them.

Photographs are chosen by bin and name, never by result.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from actupose.report.read import Evidence, Run
from actupose.skeleton import Skeleton
from actupose.tables import keypoint_values, list_values, table_metadata

NUM_PHOTOS = 8


@dataclass(frozen=True)
class Prediction:
    """One method's (K, 2) keypoints on one photograph; ``is_right`` (K,) is None without labels.

    ``evalpose`` is weighted by bone, NaN where no bone is labelled.
    """

    keypoints: np.ndarray
    is_right: np.ndarray | None
    scored: np.ndarray
    evalpose: float

    @property
    def accuracy(self) -> str:
        """PCK of this photograph over the scored keypoints that are labelled, and EvalPose."""
        if self.is_right is None or not self.scored.any():
            return ""
        right, total = int(self.is_right[self.scored].sum()), int(self.scored.sum())
        evalpose = f"\nEvalPose {100 * self.evalpose:.1f}" if np.isfinite(self.evalpose) else ""
        return f"PCK {100 * right / total:.1f}  ({right}/{total}){evalpose}"


@dataclass(frozen=True)
class Photo:
    """A photograph, its label (None where it has none) and the predictions by method."""

    heading: str
    image: np.ndarray
    label: np.ndarray | None
    predictions: Mapping[str, Prediction]


def choose_photos(evidence: Evidence, skeleton: Skeleton, threshold: float) -> list[Photo]:
    """Photographs from the easiest bin to the hardest, with the first seed's predictions of every method."""
    first_runs = {run.method: run for run in reversed(evidence.runs)}
    runs = {method: first_runs[method] for method in dict.fromkeys(run.method for run in evidence.runs)}
    chosen = _sample_per_bin(next(iter(runs.values())))
    return [
        Photo(
            heading=_heading(bin_number, list(chosen)),
            image=evidence.target.image(sample_id),
            label=_label(next(iter(runs.values())), sample_id),
            predictions={m: _prediction(run, sample_id, skeleton, threshold) for m, run in runs.items()},
        )
        for bin_number, sample_id in chosen.items()
    ]


def _heading(bin_number: int, chosen: list[int]) -> str:
    extreme = {chosen[0]: "\neasiest", chosen[-1]: "\nhardest"}.get(bin_number, "")
    return f"bin {bin_number}{extreme}"


def _sample_per_bin(run: Run) -> dict[int, str]:
    """Take the first sample by name of ``NUM_PHOTOS`` bins, spaced evenly over those that exist."""
    table = run.predictions.select(["sample_id", "bin"]).to_pandas()
    table = table[table["bin"] >= 0]  # a test image with too few labels for a score has bin -1
    first: pd.Series = table.groupby("bin")["sample_id"].min()
    places = np.linspace(0, len(first) - 1, min(NUM_PHOTOS, len(first))).round().astype(int)
    return {int(first.index[place]): str(first.iloc[place]) for place in places}


def _row_of(run: Run, sample_id: str) -> int:
    return int(pc.index(run.predictions.column("sample_id"), sample_id).as_py())


def _label(run: Run, sample_id: str) -> np.ndarray | None:
    row = run.predictions.slice(_row_of(run, sample_id), 1)
    visible = list_values(row, "visible")[0]
    label = np.where(visible[:, None], keypoint_values(row, "keypoints_true")[0], np.nan)
    return label if np.isfinite(label).any() else None


def _prediction(run: Run, sample_id: str, skeleton: Skeleton, threshold: float) -> Prediction:
    row = run.predictions.slice(_row_of(run, sample_id), 1)
    keypoints = keypoint_values(row, "keypoints_pred")[0]
    evalpose = row.column("evalpose_bone")[0].as_py()
    label = _label(run, sample_id)
    if label is None:
        return Prediction(keypoints, None, np.zeros(len(keypoints), bool), evalpose)
    reach = threshold * float(table_metadata(run.predictions)["image_side"])
    is_scored = np.isin(np.arange(len(skeleton)), [skeleton.index(name) for name in skeleton.scored])
    is_right = np.linalg.norm(keypoints - label, axis=1) < reach
    return Prediction(keypoints, is_right, is_scored & np.isfinite(label).all(axis=1), evalpose)
