"""Which source poses the gallery shows: a seeded sample from bins spaced evenly from easy to hard."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from actupose.report.read import BinnedPoses
from actupose.tables import keypoint_values, list_values

NUM_BINS = 5
POSES_PER_BIN = 6
SEED = 0


def choose_poses(poses: pa.Table, source: BinnedPoses) -> list[tuple[str, np.ndarray]]:
    """(heading, poses (M, K, 2)) for each chosen bin; a keypoint that is not visible is NaN."""
    rng = np.random.default_rng(SEED)
    numbers = source.bins["bin"].to_numpy()
    places = np.unique(np.linspace(0, len(numbers) - 1, NUM_BINS).round().astype(int))
    rows = []
    for place in places:
        members = source.scores.loc[source.scores["bin"] == numbers[place], "sample_id"].to_numpy()
        chosen = rng.choice(members, min(POSES_PER_BIN, len(members)), replace=False)
        heading = _heading(int(place), len(numbers), float(source.bins["score_mean"].iloc[place]))
        rows.append((heading, poses_of(poses, list(chosen))))
    return rows


def _heading(place: int, num_bins: int, score: float) -> str:
    extreme = {0: "\n(easiest)", num_bins - 1: "\n(hardest)"}.get(place, "")
    return f"bin {place}{extreme}\nmean score {score:.2g}"


def poses_of(poses: pa.Table, sample_ids: list[str]) -> np.ndarray:
    """(M, K, 2) normalised poses of these samples; a keypoint that is not visible is NaN."""
    rows = poses.take(pc.index_in(pa.array(sample_ids, pa.string()), poses.column("sample_id")))
    return np.where(list_values(rows, "visible")[..., None], keypoint_values(rows, "pose"), np.nan)
