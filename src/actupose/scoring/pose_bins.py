"""Score a split's poses with the VAE and sort them into bins (P1 2.1-2.2), millions of them in little memory.

Poses are read in batches; what stays of each is its name and its score. Only the few of every bin by which
its pose variation is measured are read again.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float, Float32, Int64, Integer
from torch import Tensor

from actupose.core.angles import keypoint_angles, mean_angular_difference
from actupose.core.curriculum import assign_bins
from actupose.core.rng import generator
from actupose.errors import UserError
from actupose.nets.pose_vae import PoseVae
from actupose.scoring.pose_score import pose_tensors, score_poses
from actupose.skeleton import Skeleton
from actupose.tables import BINS, SCORES, make_table, normalised_schema, read_batches

POSES_PER_BIN = 64  # sampled for a bin's variation: 2016 pairs


class SplitPoses:
    """Rows of one split of a normalised table, never all in memory.

    Args:
        path: the table.
        split: train, val or test.
        skeleton: of its poses.

    Raises:
        UserError: the file is missing or is another table.
    """

    def __init__(self, path: Path, split: str, skeleton: Skeleton) -> None:
        self.path = path
        self.split = split
        self.skeleton = skeleton

    def batches(self) -> Iterator[pa.Table]:
        """sample_id, split, pose, visible in the order of the table."""
        schema = normalised_schema(len(self.skeleton))
        for batch in read_batches(self.path, schema, ["sample_id", "split", "pose", "visible"]):
            yield batch.filter(pc.equal(batch.column("split"), self.split))

    def take(self, rows: Integer[np.ndarray, "M"]) -> pa.Table:
        """The rows at ascending positions in the split."""
        first, parts = 0, []
        for batch in self.batches():
            inside = rows[(rows >= first) & (rows < first + len(batch))]
            parts.append(batch.take(inside - first))
            first += len(batch)
        return pa.concat_tables(parts)


def score_split(vae: PoseVae, poses: SplitPoses) -> tuple[pa.Array, Float32[np.ndarray, "N"]]:
    """Sample ids and scores, in the order of the table."""
    names, scores = [], [np.empty(0, np.float32)]
    for batch in poses.batches():
        names += batch.column("sample_id").chunks
        scores.append(score_poses(vae, *pose_tensors(batch)).numpy())
    return pa.chunked_array(names, pa.string()).combine_chunks(), np.concatenate(scores)


def bin_tables(
    names: pa.Array, scores: Float32[np.ndarray, "N"], poses: SplitPoses, num_bins: int
) -> tuple[pa.Table, pa.Table]:
    """Scores table ordered by rank, and the table of bins with their pose variation (P2 figure 3).

    Equal scores are ordered by sample id. A split without rows gives two empty tables.

    Raises:
        UserError: fewer samples than bins.
    """
    if 0 < len(names) < num_bins:
        raise UserError(f"bins: {num_bins} of them for the {len(names)} poses of split {poses.split!r}")
    if len(names) == 0:
        return SCORES.empty_table(), BINS.empty_table()
    by_score = pa.table({"score": scores, "name": names})
    order = pc.sort_indices(by_score, [("score", "ascending"), ("name", "ascending")]).to_numpy()
    ranked = scores[order]
    bins = assign_bins(torch.from_numpy(ranked), num_bins).numpy()
    columns = {
        "sample_id": names.take(pa.array(order)),
        "split": pa.repeat(poses.split, len(names)),
        "score": ranked,
        "rank": np.arange(len(names)),
        "bin": bins,
    }
    return make_table(SCORES, columns), _bins_table(poses, order, ranked, bins)


def _bins_table(
    poses: SplitPoses,
    order: Integer[np.ndarray, "N"],
    scores: Float32[np.ndarray, "N"],
    bins: Int64[np.ndarray, "N"],
) -> pa.Table:
    members = np.split(np.arange(len(bins)), np.flatnonzero(np.diff(bins)) + 1)  # ranks of every bin
    sampled = [_sample(ranks, index) for index, ranks in enumerate(members)]
    angles = _angles(poses, order[np.concatenate(sampled)]).split([len(ranks) for ranks in sampled])
    rows = []
    for index, ranks in enumerate(members):
        inside = torch.from_numpy(scores[ranks])
        rows.append(
            [index, len(ranks), inside.min(), inside.mean(), inside.max(), *_variation(angles[index])]
        )
    columns = zip(*rows, strict=True)
    return make_table(
        BINS,
        {
            name: [float(v) if i > 1 else int(v) for v in column]
            for i, (name, column) in enumerate(zip(BINS.names, columns, strict=True))
        },
    )


def _sample(members: Int64[np.ndarray, "members"], index: int) -> Int64[np.ndarray, "sampled"]:
    chosen = torch.randperm(len(members), generator=generator(0, "bin variation", index))
    sample: np.ndarray = members[chosen[:POSES_PER_BIN].numpy()]
    return sample


def _angles(poses: SplitPoses, rows: Integer[np.ndarray, "M"]) -> Float[Tensor, "M J"]:
    """Keypoint angles of the poses at these positions, radians, NaN where a keypoint is not visible."""
    ascending, place = np.unique(rows, return_inverse=True)
    values, visible = pose_tensors(poses.take(ascending))
    keypoints = torch.where(visible[:, :, None], values.unflatten(1, (-1, 2)), torch.nan)
    return keypoint_angles(keypoints, poses.skeleton.triplets)[torch.from_numpy(place)]


def _variation(angles: Float[Tensor, "M J"]) -> list[float]:
    """Mean, deviation and quantiles of the angular difference between poses of a bin, radians."""
    difference = mean_angular_difference(angles, angles, torch.isfinite(angles))
    pairs = difference[tuple(torch.triu_indices(len(angles), len(angles), offset=1))]
    pairs = pairs[torch.isfinite(pairs)]
    if len(pairs) == 0:
        return [float("nan")] * 7
    quantiles = torch.quantile(pairs, torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95]))
    return [float(pairs.mean()), float(pairs.std(correction=0)), *quantiles.tolist()]
