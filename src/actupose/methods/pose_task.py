"""The pose task as both domains see it: heat-map targets, heat-map loss, EvalPose loss."""

from dataclasses import dataclass

import torch
from torch import Tensor

from actupose.core.affine import scale_matrix, transform_points
from actupose.core.heatmap import heatmaps_from_output, render_gaussians, soft_argmax
from actupose.core.losses import evalpose_loss, heatmap_kl, heatmap_mse, masked_mean
from actupose.core.reference import render_labels
from actupose.params import Fidelity, HeatmapParams
from actupose.skeleton import Skeleton


@dataclass(frozen=True)
class PoseTask:
    """Skeleton, sizes and heat-map settings of a run; ``permutation`` swaps left and right keypoints."""

    skeleton: Skeleton
    image_size: int
    heatmap: HeatmapParams
    permutation: Tensor
    fidelity: Fidelity = "corrected"

    def cells(self, keypoints: Tensor, side: int) -> Tensor:
        """Keypoints (B, K, 2) from image pixels to cells of a heat map ``side`` cells wide."""
        heatmap_from_image = scale_matrix(self.image_size, side, keypoints.device)
        return transform_points(keypoints, heatmap_from_image)

    def heatmap_loss(self, raw: Tensor, keypoints: Tensor, keep: Tensor) -> Tensor:
        """Loss of raw output (B, K, h, w) against Gaussians at ``keypoints`` px: mean over the kept ones.

        With ``fidelity: reference`` labels are drawn in whole cells, and the mean is over all keypoints, a
        dropped one counting as 0.
        """
        size = (raw.shape[2], raw.shape[3])
        loss = heatmap_kl if self.heatmap.loss == "kl" else heatmap_mse
        if self.fidelity == "reference":
            target = render_labels(keypoints, self.stride(raw), size[0], self.heatmap.sigma)
            return torch.where(keep, loss(raw, target), 0).mean()
        target = render_gaussians(self.cells(keypoints, raw.shape[-1]), size, self.heatmap.sigma)
        return masked_mean(loss(raw, target), keep)

    def stride(self, maps: Tensor) -> float:
        """Image pixels a cell of heat maps (B, K, h, w)."""
        return self.image_size / maps.shape[-1]

    def evalpose(self, raw: Tensor, keypoints: Tensor, keep: Tensor) -> Tensor:
        """EvalPose loss (P2 eq. 5) of the output's soft arg-max against ``keypoints`` (px)."""
        predicted = soft_argmax(self.heatmaps(raw))
        return evalpose_loss(predicted, self.cells(keypoints, raw.shape[-1]), keep, self.skeleton.bones)

    def heatmaps(self, raw: Tensor) -> Tensor:
        """Heat maps that peak at about 1 when certain, for either loss."""
        return heatmaps_from_output(raw, self.heatmap.loss, self.heatmap.sigma)


def flip_permutation(skeleton: Skeleton) -> Tensor:
    """(K,) position of every keypoint's mirror twin (itself where it has none)."""
    permutation = torch.arange(len(skeleton))
    for left, right in skeleton.flip_pairs:
        permutation[[left, right]] = permutation[[right, left]]
    return permutation
