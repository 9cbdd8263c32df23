"""How alike the poses of two bins are (P1 figure 3b)."""

import numpy as np
import pyarrow as pa
import torch

from actupose.core.angles import keypoint_angles
from actupose.report.gallery import poses_of
from actupose.report.read import BinnedPoses
from actupose.skeleton import Skeleton

POSES_PER_BIN = 40
SEED = 0


def bin_similarity(poses: pa.Table, source: BinnedPoses, skeleton: Skeleton) -> np.ndarray:
    """(Nb, Nb) mean EvalPose similarity of a bin's sampled poses to another's; a pose is not held to itself.

    EvalPose is the cosine between two poses' vectors of triplet angles (P1 eq. 3) over the triplets that both
    show.
    """
    rng = np.random.default_rng(SEED)
    numbers = source.bins["bin"].to_numpy()
    angles, owners = [], []
    for number in numbers:
        members = source.scores.loc[source.scores["bin"] == number, "sample_id"].to_numpy()
        chosen = rng.choice(members, min(POSES_PER_BIN, len(members)), replace=False)
        keypoints = torch.from_numpy(poses_of(poses, list(chosen)))
        angles.append(keypoint_angles(keypoints, skeleton.triplets).numpy())
        owners.append(np.full(len(chosen), number))
    similarity = angle_similarity(np.concatenate(angles))
    np.fill_diagonal(similarity, np.nan)
    members_of = [np.flatnonzero(np.concatenate(owners) == number) for number in numbers]
    return np.array([[_mean(similarity[np.ix_(a, b)]) for b in members_of] for a in members_of])


def angle_similarity(angles: np.ndarray) -> np.ndarray:
    """(N, N) cosine between the rows of (N, J) angles over what both know; NaN where they share nothing."""
    known = np.isfinite(angles).astype(float)
    values = np.nan_to_num(angles)
    lengths = np.sqrt((values**2 @ known.T) * (known @ values.T**2))
    with np.errstate(invalid="ignore"):
        cosines: np.ndarray = values @ values.T / lengths
    return cosines


def _mean(block: np.ndarray) -> float:
    return float(np.nanmean(block)) if np.isfinite(block).any() else np.nan
