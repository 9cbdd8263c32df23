"""The pose task as both domains see it: what raw output means, heat-map loss, EvalPose loss."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from actupose.core.affine import scale_matrix, transform_points
from actupose.core.heatmap import heatmaps_from_output, render_gaussians, soft_argmax
from actupose.core.losses import evalpose_loss, heatmap_kl, heatmap_mse, masked_mean
from actupose.nets.pose_model import Prediction, mean_peaks, predictions_from_output
from actupose.params import HeatmapParams
from actupose.skeleton import Skeleton

Maps = Float[Tensor, "B K h w"]


@dataclass(frozen=True)
class PoseTask:
    """Skeleton, sizes and heat-map settings of a run; ``permutation`` swaps left and right keypoints."""

    skeleton: Skeleton
    image_size: int
    heatmap: HeatmapParams
    permutation: Int64[Tensor, "K"]

    def heatmap_loss(
        self, raw: Maps, keypoints_px: Float[Tensor, "B K 2"], kept: Bool[Tensor, "B K"]
    ) -> Float[Tensor, ""]:
        """Mean loss of raw output against Gaussians at those keypoints that are kept.

        Keypoints are pixels of the image that the network was shown.
        """
        return masked_mean(self.map_losses(raw, self.render(keypoints_px, raw)), kept)

    def render(self, keypoints_px: Float[Tensor, "B K 2"], like: Maps) -> Maps:
        """Gaussians at keypoints in pixels, as heat maps of the same size as others."""
        size = (like.shape[2], like.shape[3])
        return render_gaussians(self.cells(keypoints_px, like.shape[-1]), size, self.heatmap.sigma)

    def map_losses(self, raw: Maps, target: Maps) -> Float[Tensor, "B K"]:
        """Loss of each raw map against its target."""
        loss = heatmap_kl if self.heatmap.loss == "kl" else heatmap_mse
        return loss(raw, target)

    def evalpose(
        self, raw: Maps, keypoints_px: Float[Tensor, "B K 2"], kept: Bool[Tensor, "B K"]
    ) -> Float[Tensor, ""]:
        """EvalPose loss (P2 eq. 5) of the output's soft arg-max against keypoints in pixels."""
        predicted_hm = soft_argmax(self.heatmaps(raw))
        return evalpose_loss(predicted_hm, self.cells(keypoints_px, raw.shape[-1]), kept, self.skeleton.bones)

    def cells(self, keypoints_px: Float[Tensor, "B K 2"], side: int) -> Float[Tensor, "B K 2"]:
        """Keypoints from image pixels to cells of a heat map ``side`` cells wide."""
        heatmap_from_image = scale_matrix(self.image_size, side, keypoints_px.device)
        return transform_points(keypoints_px, heatmap_from_image)

    def heatmaps(self, raw: Maps) -> Maps:
        """Heat maps that peak at about 1 when certain, for either loss."""
        return heatmaps_from_output(raw, self.heatmap.loss, self.heatmap.sigma)

    def mean_peaks(self, raw: Maps) -> Float[Tensor, "B"]:
        """Mean peak over keypoints: what re-ranks (P2 3.1.2)."""
        return mean_peaks(self.heatmaps(raw.detach()).amax(dim=(2, 3)))

    def decode(self, raw: Maps) -> Prediction:
        """Keypoints in pixels of the image that the network was shown."""
        return predictions_from_output(raw, self.image_size, self.heatmap)

    def stride(self, maps: Maps) -> float:
        """Image pixels a cell of heat maps."""
        return self.image_size / maps.shape[-1]


def flip_permutation(skeleton: Skeleton) -> Int64[Tensor, "K"]:
    """Position of every keypoint's mirror twin (itself where it has none)."""
    permutation = torch.arange(len(skeleton))
    for left, right in skeleton.flip_pairs:
        permutation[[left, right]] = permutation[[right, left]]
    return permutation
