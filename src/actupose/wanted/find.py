"""Which poses of the target the source lacks, by what a model finds on photos without labels.

Only poses that the model is surest of count, as in a curriculum that follows the target: what it gets wrong
would be asked for as if it were there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from actupose.core.coverage import (
    alike_share,
    bone_directions,
    nearest_poses,
    pick_prototypes,
    pose_similarity,
)
from actupose.core.curriculum import bins_of_scores
from actupose.core.pose import normalise_poses
from actupose.errors import UserError
from actupose.evaluation.predictions import ModelPredictions
from actupose.nets.pose_model import is_sure, mean_peaks
from actupose.scoring.pose_bins import SplitPoses
from actupose.scoring.pose_score import load_vae, pose_tensors, score_keypoints
from actupose.skeleton import Skeleton
from actupose.tables import SCORES, WANTED_BINS, make_table, read_table, wanted_schema

COUNT, ALIKE = 25, 0.9  # a mean cosine of 0.9 is about 25 degrees
MAX_POSES = 5000  # of the target, of which all pairs are compared: a table of 100 MB
NUM_PHOTOS, NUM_SOURCES = 5, 3  # named for a bin or a pose


@dataclass(frozen=True)
class Search:
    """How many poses are looked for at most, and from which mean cosine of their bones two are alike."""

    count: int = COUNT
    alike: float = ALIKE

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UserError(f"--count {self.count}: a whole number above 0")
        if not 0 < self.alike < 1:
            raise UserError(f"--alike {self.alike:g}: a mean cosine between 0 and 1, both left out")


@dataclass(frozen=True)
class Inputs:
    """What earlier stages have written.

    Attributes:
        predictions: of the run's model.
        photos: sample ids of the target's training split, in the order of its table.
        source_poses: the source's normalised poses.
        source_scores: their VAE scores and bins.
        vae: folder of the pose VAE.
    """

    predictions: ModelPredictions
    photos: Sequence[str]
    source_poses: Path
    source_scores: Path
    vae: Path


@dataclass(frozen=True)
class Wanted:
    """Tables ``wanted_bins.parquet`` and ``wanted.parquet``."""

    bins: pa.Table
    poses: pa.Table


@dataclass(frozen=True)
class _TargetPoses:
    """Poses found on the M photos that the model is surest of, the surest first.

    Attributes:
        poses: (M, K, 2) normalised, NaN where all keypoints are found in one place.
        scores, bins: (M,) by the VAE, and among the source's bins.
    """

    sample_ids: np.ndarray
    poses: Tensor
    scores: Tensor
    bins: Tensor

    def __getitem__(self, chosen: Tensor) -> "_TargetPoses":
        return _TargetPoses(
            self.sample_ids[chosen.numpy()], self.poses[chosen], self.scores[chosen], self.bins[chosen]
        )

    def surest(self, among: Tensor) -> list[str]:
        """The first photos of those that (M,) names."""
        names: list[str] = self.sample_ids[among.numpy()][:NUM_PHOTOS].tolist()
        return names


def find_wanted(inputs: Inputs, skeleton: Skeleton, search: Search | None = None) -> Wanted:
    """Count the source's bins among the target's poses, and pick poses that stand for what it lacks.

    Raises:
        UserError: a table is missing, or the predictions are not of the target's training photos.
    """
    search = search or Search()
    scored = read_table(inputs.source_scores, SCORES, ["score", "bin"])
    scores, bins = (torch.from_numpy(scored.column(name).to_numpy().copy()) for name in ("score", "bin"))
    target = _sure_poses(inputs, scores, bins)
    names, directions = _source_directions(inputs.source_poses, skeleton)
    return Wanted(_bins_table(target, bins), _poses_table(target, names, directions, skeleton, search))


def _sure_poses(inputs: Inputs, source_scores: Tensor, source_bins: Tensor) -> _TargetPoses:
    found = inputs.predictions.of("target", "train", inputs.photos)
    order = mean_peaks(found.confidence).argsort(descending=True, stable=True)
    order = order[is_sure(found.confidence)[order]]
    keypoints = found.keypoints[order]
    poses, _, _ = normalise_poses(keypoints, torch.ones(keypoints.shape[:2], dtype=torch.bool))
    scores = score_keypoints(load_vae(inputs.vae), keypoints)
    names = np.array(inputs.photos, dtype=object)[order.numpy()]
    return _TargetPoses(names, poses, scores, bins_of_scores(scores, source_scores, source_bins))


def _source_directions(path: Path, skeleton: Skeleton) -> tuple[pa.ChunkedArray, Tensor]:
    """Sample ids and bone directions (N, 2n) of the source's training poses."""
    names: list[pa.Array] = []
    directions = []
    for batch in SplitPoses(path, "train", skeleton).batches():
        poses, visible = pose_tensors(batch)
        names += batch.column("sample_id").chunks
        directions.append(bone_directions(poses.unflatten(1, (-1, 2)), visible, skeleton.bones))
    return pa.chunked_array(names, pa.string()), torch.cat(directions)


def _bins_table(target: _TargetPoses, source_bins: Tensor) -> pa.Table:
    counts = source_bins.bincount()
    found = target.bins.bincount(minlength=len(counts))
    source_share, target_share = counts / len(source_bins), found / len(target.bins)
    columns = {
        "bin": np.arange(len(counts)),
        "target_count": found.numpy(),
        "target_share": target_share.numpy(),
        "source_share": source_share.numpy(),
        "deficit": (target_share - source_share).numpy(),
        "sample_ids": [target.surest(target.bins == number) for number in range(len(counts))],
    }
    return make_table(WANTED_BINS, columns)


def _poses_table(
    target: _TargetPoses, names: pa.ChunkedArray, source: Tensor, skeleton: Skeleton, search: Search
) -> pa.Table:
    target = target[_spread(len(target.poses))]
    directions = bone_directions(target.poses, target.poses.isfinite().all(-1), skeleton.bones)
    alike = pose_similarity(directions, directions) >= search.alike
    source_share = alike_share(directions, source, search.alike)
    picked, covered = pick_prototypes(alike, source_share, search.count)
    nearest = nearest_poses(directions[picked], source, min(NUM_SOURCES, len(source)))
    target_share = alike[picked].double().mean(1)
    columns = {
        "rank": np.arange(len(picked)),
        "pose": target.poses[picked].numpy(),
        "bin": target.bins[picked].numpy(),
        "score": target.scores[picked].numpy(),
        "target_count": covered.numpy(),
        "target_share": target_share.numpy(),
        "source_share": source_share[picked].numpy(),
        "deficit": (target_share - source_share[picked]).numpy(),
        "sample_ids": [target.surest(row) for row in alike[picked]],
        "source_ids": [names.take(pa.array(row)).to_pylist() for row in nearest.numpy()],
    }
    metadata = {"skeleton": skeleton.name, "alike": repr(search.alike)}
    return make_table(wanted_schema(len(skeleton)), columns, metadata)


def _spread(count: int) -> Tensor:
    """Positions of ``MAX_POSES`` of so many, evenly spread; of all where they are no more."""
    return torch.linspace(0, count - 1, min(count, MAX_POSES), dtype=torch.float64).round().long()
