"""From keypoints in space to pixels of a file."""

import numpy as np

from actupose.data.corpora.records import Refusal


def project(points_cam: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """(K, 3) points in the camera's frame, z ahead, through a (3, 3) matrix to (K, 2) pixels.

    Raises:
        Refusal: a coordinate is not finite, or a point is not in front of the camera.
    """
    depth = points_cam[:, 2:]
    if (depth <= 0).any():
        raise Refusal("a keypoint lies behind the camera")
    points_orig = np.asarray((points_cam @ intrinsics.T)[:, :2] / depth)
    if not (np.isfinite(points_cam).all() and np.isfinite(points_orig).all()):
        raise Refusal("a keypoint is not a finite number")
    return points_orig
