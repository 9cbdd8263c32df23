"""Normalised poses: place and size taken out, as the pose VAE and the pose scores need them (METHODS 1)."""

import torch
from torch import Tensor

# A pose spread over less than a millionth of a pixel is one point with rounding noise.
MIN_SCALE = 1e-6


def normalise_poses(keypoints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Centre poses on the mean of the visible keypoints and divide by their RMS distance from it.

    Args:
        keypoints: (N, K, 2) pixels; NaN where not annotated.
        visible: (N, K) bool.

    Returns:
        pose (N, K, 2), NaN where not annotated; center (N, 2) pixels; scale (N,) pixels. A pose with fewer
        than two visible keypoints, or with all in one place, has scale 0 and a pose of NaN: ``scale > 0``
        tells the usable ones.
    """
    shown = visible[..., None]
    count = shown.sum(1)
    exact = keypoints.double()
    center = torch.where(shown, exact, 0).sum(1) / count
    offset = exact - center[:, None]
    scale = (torch.where(shown, offset, 0).square().sum((1, 2)) / count[:, 0]).sqrt()
    pose = offset / torch.where(scale > MIN_SCALE, scale, torch.nan)[:, None, None]
    scale = torch.where(scale > MIN_SCALE, scale, 0)
    return pose.to(keypoints.dtype), center.to(keypoints.dtype), scale.to(keypoints.dtype)
