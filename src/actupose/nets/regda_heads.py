"""RegDA's second head: the adversarial regressor on the pose network's last feature map."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from actupose.core.rng import seeded_weights
from actupose.nets.pose_resnet import build_head
from actupose.params import NetworkParams


class AdversarialHead(nn.Module):
    """Feature map to raw heat maps: a twin of the main head."""

    def __init__(self, num_keypoints: int, settings: NetworkParams) -> None:
        super().__init__()
        self.head = build_head(settings.deconv_channels, num_keypoints, settings.head_layers)

    def forward(self, upsampled: Float[Tensor, "B C h w"]) -> Float[Tensor, "B K h w"]:
        """Raw heat maps, in float32 as the main head's."""
        with torch.autocast(upsampled.device.type, enabled=False):
            heatmaps: Tensor = self.head(upsampled.float())
        return heatmaps


def build_adversarial_head(
    num_keypoints: int, settings: NetworkParams, seed: int, stream: str = "adversarial head"
) -> AdversarialHead:
    """Head whose random weights depend on seed and stream; the global random state is left as it was."""
    with seeded_weights(seed, stream):
        return AdversarialHead(num_keypoints, settings)
