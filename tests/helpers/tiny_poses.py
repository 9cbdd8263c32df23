"""Tables of a few normalised poses, some keypoints of which are not visible."""

import numpy as np
import torch
from tiny_domains import tiny_poses

from actupose.core.pose import normalise_poses
from actupose.tables import make_table, normalised_schema


def normalised_table(poses, visible, ids=None):
    count = len(poses)
    columns = {
        "sample_id": ids or [f"pose-{i:03d}" for i in range(count)],
        "split": ["train"] * count,
        "pose": poses,
        "visible": visible,
        "center": np.zeros((count, 2), np.float32),
        "scale": np.ones(count, np.float32),
    }
    return make_table(normalised_schema(16), columns)


def small_set(count=40, seed=0):
    keypoints = torch.from_numpy(tiny_poses(count, seed))
    visible = torch.ones(count, 16, dtype=torch.bool)
    visible[::4, :3] = False
    poses, _, _ = normalise_poses(keypoints, visible)
    return normalised_table(poses.numpy(), visible.numpy())
