"""Labelled samples become poses that differ in shape alone: centred, and scaled to RMS distance 1."""

from typing import Literal

import numpy as np
import pyarrow as pa
import torch

from actupose.core.pose import normalise_poses
from actupose.errors import UserError
from actupose.skeleton import Skeleton
from actupose.tables import REJECTED, keypoint_values, list_values, make_table, normalised_schema


def normalise(
    samples: pa.Table, domain: Literal["source", "target"], skeleton: Skeleton
) -> tuple[pa.Table, pa.Table]:
    """(poses, rejected) of the labelled samples, in the samples' order.

    A pose with fewer than two visible keypoints, or with all of them at one point, is rejected.

    Raises:
        UserError: the source has no usable pose. A target without labels gives empty tables.
    """
    keypoints_px = keypoint_values(samples, "keypoints")
    is_labelled = np.isfinite(keypoints_px).all(axis=2).any(axis=1)
    labelled = samples.filter(pa.array(is_labelled))
    visible = list_values(labelled, "visible")
    pose, center, scale = (
        values.numpy()
        for values in normalise_poses(
            torch.from_numpy(keypoints_px[is_labelled]), torch.from_numpy(visible.copy())
        )
    )
    too_few = visible.sum(axis=1) < 2
    usable = ~too_few & (scale > 0)
    if domain == "source" and not usable.any():
        raise UserError("the source has no labelled pose; data.source must be a corpus with labels")
    kept = labelled.filter(pa.array(usable))
    columns = {
        "sample_id": kept.column("sample_id").combine_chunks(),
        "split": kept.column("split").combine_chunks(),
        "pose": pose[usable],
        "visible": visible[usable],
        "center": center[usable],
        "scale": scale[usable],
    }
    poses = make_table(normalised_schema(len(skeleton)), columns)
    return poses, _rejected(labelled.column("sample_id").to_pylist(), too_few, usable)


def _rejected(sample_ids: list[str], too_few: np.ndarray, usable: np.ndarray) -> pa.Table:
    reasons = np.where(too_few, "fewer than two visible keypoints", "visible keypoints all at one point")
    refused = np.flatnonzero(~usable)
    columns = {
        "path": [sample_ids[row] for row in refused],
        "reason": [str(reasons[row]) for row in refused],
    }
    return make_table(REJECTED, columns)
