"""Labels and losses of heat maps as the public code has them."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from actupose.methods.reference.geometry import render_labels
from actupose.nets.pose_task import PoseTask


class ReferencePoseTask(PoseTask):
    """Labels are drawn in whole cells, and the mean is over all keypoints, a dropped one counting as 0."""

    def heatmap_loss(
        self,
        raw: Float[Tensor, "B K h w"],
        keypoints_px: Float[Tensor, "B K 2"],
        kept: Bool[Tensor, "B K"],
    ) -> Float[Tensor, ""]:
        """See :meth:`~actupose.nets.pose_task.PoseTask.heatmap_loss`."""
        target = render_labels(keypoints_px, self.stride(raw), raw.shape[-1], self.heatmap.sigma)
        return torch.where(kept, self.map_losses(raw, target), 0).mean()
