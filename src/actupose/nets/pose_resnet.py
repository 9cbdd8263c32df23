"""Pose network of Simple Baselines (RegDA, UDAPE): backbone, three deconvolutions, 1x1 head."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from actupose.core.rng import seeded_weights
from actupose.nets.backbones import Backbone, backbone_stride
from actupose.params import NetworkParams

NUM_DECONVOLUTIONS = 3

_INIT_STD = 0.001


class PoseOutput(NamedTuple):
    """Raw head output, pooled backbone features, the head's input."""

    heatmaps: Float[Tensor, "B K h w"]
    features: Float[Tensor, "B D"]
    upsampled: Float[Tensor, "B C h w"]


class PoseResNet(nn.Module):
    """Images, RGB in 0..1, to one raw heat map a keypoint.

    Heat maps are H / 4 wide with four backbone stages, H / 2 with three.
    """

    def __init__(self, num_keypoints: int, settings: NetworkParams) -> None:
        super().__init__()
        self.backbone = Backbone(settings)
        self.upsampling = _upsampling(self.backbone.channels, settings.deconv_channels)
        self.head = build_head(settings.deconv_channels, num_keypoints, settings.head_layers)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> PoseOutput:
        """Raw heat maps and pooled features of a batch."""
        features = self.backbone(images)
        upsampled = self.upsampling(features)
        with torch.autocast(images.device.type, enabled=False):  # bfloat16 logits decode 0.1 cells off
            return PoseOutput(self.head(upsampled.float()), features.float().mean(dim=(2, 3)), upsampled)


def build_head(channels: int, num_keypoints: int, layers: int) -> nn.Sequential:
    """``layers`` - 1 times 3x3 convolution, BatchNorm, ReLU; then a 1x1 convolution to heat maps (RegDA)."""
    parts: list[nn.Module] = []
    for _ in range(layers - 1):
        parts += [_convolution(channels, channels, 3), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts, _convolution(channels, num_keypoints, 1))


def _convolution(inputs: int, outputs: int, size: int) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, size, padding=size // 2)
    nn.init.normal_(layer.weight, std=_INIT_STD)
    nn.init.constant_(layer.get_parameter("bias"), 0)
    return layer


def build_network(num_keypoints: int, settings: NetworkParams, seed: int) -> PoseResNet:
    """Network whose random weights depend on ``seed`` alone; the global random state is left as it was."""
    with seeded_weights(seed, "network"):
        return PoseResNet(num_keypoints, settings)


def keep_statistics(network: nn.Module) -> None:
    """Let BatchNorm use its running statistics and change them no more, until the network's mode is set."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm):
            module.eval()


def heatmap_side(image_size: int, settings: NetworkParams) -> int:
    """Cells along a heat map's side."""
    return (image_size // backbone_stride(settings)) << NUM_DECONVOLUTIONS


def _upsampling(in_channels: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (in_channels, *[channels] * (NUM_DECONVOLUTIONS - 1)):
        deconvolution = nn.ConvTranspose2d(inputs, channels, 4, stride=2, padding=1, bias=False)
        nn.init.normal_(deconvolution.weight, std=_INIT_STD)
        layers += [deconvolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
