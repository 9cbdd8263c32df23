"""Normalised poses: place and size taken out, as the pose VAE and the pose scores need them (METHODS 1)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# A pose spread over less than a millionth of a pixel is one point with rounding noise.
MIN_SCALE = 1e-6


def normalise_poses(
    keypoints_px: Float[Tensor, "N K 2"], visible: Bool[Tensor, "N K"]
) -> tuple[Float[Tensor, "N K 2"], Float[Tensor, "N 2"], Float[Tensor, "N"]]:
    """Centre poses on the mean of the visible keypoints and divide by their RMS distance from it.

    Args:
        keypoints_px: NaN where not annotated.
        visible: which keypoints count.

    Returns:
        Pose, without unit, NaN where not annotated; center, pixels; scale, pixels. A pose with fewer than two
        visible keypoints, or with all in one place, has scale 0 and a pose of NaN: usable is ``scale > 0``.
    """
    shown = visible[..., None]
    count = shown.sum(1)
    exact = keypoints_px.double()
    center = torch.where(shown, exact, 0).sum(1) / count
    offset = exact - center[:, None]
    scale = (torch.where(shown, offset, 0).square().sum((1, 2)) / count[:, 0]).sqrt()
    pose = offset / torch.where(scale > MIN_SCALE, scale, torch.nan)[:, None, None]
    scale = torch.where(scale > MIN_SCALE, scale, 0)
    return pose.to(keypoints_px.dtype), center.to(keypoints_px.dtype), scale.to(keypoints_px.dtype)


def whole_poses(keypoints_px: Float[Tensor, "N K 2"]) -> tuple[Float[Tensor, "N D"], Bool[Tensor, "N K"]]:
    """Predicted poses as the pose VAE takes them, normalised, and that all keypoints are visible.

    Args:
        keypoints_px: finite; a pose with all keypoints in one place becomes zeros.

    Returns:
        Poses in rows, D = 2 K; visible.
    """
    visible = torch.ones(keypoints_px.shape[:2], dtype=torch.bool, device=keypoints_px.device)
    poses, _, _ = normalise_poses(keypoints_px, visible)
    return poses.nan_to_num(nan=0.0).flatten(1), visible
