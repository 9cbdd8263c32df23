"""The pose task as both domains see it: what raw output means, heat-map loss, EvalPose loss."""

from dataclasses import dataclass

import torch
from torch import Tensor

from actupose.core.affine import scale_matrix, transform_points
from actupose.core.heatmap import heatmaps_from_output, render_gaussians, soft_argmax
from actupose.core.losses import evalpose_loss, heatmap_kl, heatmap_mse, masked_mean
from actupose.nets.pose_model import Prediction, mean_peaks, predictions_from_output
from actupose.params import HeatmapParams
from actupose.skeleton import Skeleton


@dataclass(frozen=True)
class PoseTask:
    """Skeleton, sizes and heat-map settings of a run; ``permutation`` swaps left and right keypoints."""

    skeleton: Skeleton
    image_size: int
    heatmap: HeatmapParams
    permutation: Tensor

    def heatmap_loss(self, raw: Tensor, keypoints_px: Tensor, kept: Tensor) -> Tensor:
        """Mean loss of raw output (B, K, h, w) against Gaussians at the kept (B, K) of keypoints (B, K, 2).

        Keypoints are pixels of the image that the network was shown.
        """
        size = (raw.shape[2], raw.shape[3])
        target = render_gaussians(self.cells(keypoints_px, raw.shape[-1]), size, self.heatmap.sigma)
        return masked_mean(self.map_losses(raw, target), kept)

    def map_losses(self, raw: Tensor, target: Tensor) -> Tensor:
        """(B, K) loss of each raw map against its target (B, K, h, w)."""
        loss = heatmap_kl if self.heatmap.loss == "kl" else heatmap_mse
        return loss(raw, target)

    def evalpose(self, raw: Tensor, keypoints_px: Tensor, kept: Tensor) -> Tensor:
        """EvalPose loss (P2 eq. 5) of the output's soft arg-max against keypoints (B, K, 2) px."""
        predicted_hm = soft_argmax(self.heatmaps(raw))
        return evalpose_loss(predicted_hm, self.cells(keypoints_px, raw.shape[-1]), kept, self.skeleton.bones)

    def cells(self, keypoints_px: Tensor, side: int) -> Tensor:
        """Keypoints (B, K, 2) from image pixels to cells of a heat map ``side`` cells wide."""
        heatmap_from_image = scale_matrix(self.image_size, side, keypoints_px.device)
        return transform_points(keypoints_px, heatmap_from_image)

    def heatmaps(self, raw: Tensor) -> Tensor:
        """Heat maps that peak at about 1 when certain, for either loss."""
        return heatmaps_from_output(raw, self.heatmap.loss, self.heatmap.sigma)

    def mean_peaks(self, raw: Tensor) -> Tensor:
        """(B,) mean peak over keypoints: what re-ranks (P2 3.1.2)."""
        return mean_peaks(self.heatmaps(raw.detach()).amax(dim=(2, 3)))

    def decode(self, raw: Tensor) -> Prediction:
        """Keypoints in pixels of the image that the network was shown."""
        return predictions_from_output(raw, self.image_size, self.heatmap)

    def stride(self, maps: Tensor) -> float:
        """Image pixels a cell of heat maps (B, K, h, w)."""
        return self.image_size / maps.shape[-1]


def flip_permutation(skeleton: Skeleton) -> Tensor:
    """(K,) position of every keypoint's mirror twin (itself where it has none)."""
    permutation = torch.arange(len(skeleton))
    for left, right in skeleton.flip_pairs:
        permutation[[left, right]] = permutation[[right, left]]
    return permutation
