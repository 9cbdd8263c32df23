"""Pose network of Simple Baselines (RegDA, UDAPE): ResNet, three deconvolutions, 1x1 head."""

from typing import NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import ResNetBackbone, ResNetConfig

from actupose.core.rng import derive_seed
from actupose.errors import UserError
from actupose.params import NetworkParams

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
NUM_DECONVOLUTIONS = 3

_DEPTHS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3]}
_INIT_STD = 0.001


class PoseOutput(NamedTuple):
    """Raw head output (B, K, h, w), pooled backbone features (B, D), the head's input (B, C, h, w)."""

    heatmaps: Tensor
    features: Tensor
    upsampled: Tensor


class PoseResNet(nn.Module):
    """Images (B, 3, H, W), RGB in 0..1, to one raw heat map a keypoint.

    Heat maps are H / 4 wide with four backbone stages, H / 2 with three.
    """

    def __init__(self, num_keypoints: int, settings: NetworkParams) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGE_STD).view(1, 3, 1, 1), persistent=False)
        self.backbone = _backbone(settings)
        self.upsampling = _upsampling(self.backbone.channels[-1], settings.deconv_channels)
        self.head = build_head(settings.deconv_channels, num_keypoints, settings.head_layers)

    def forward(self, images: Tensor) -> PoseOutput:
        """Raw heat maps and pooled features of a batch."""
        features = self.backbone((images - self.mean) / self.std).feature_maps[-1]
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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "network"))
        return PoseResNet(num_keypoints, settings)


def heatmap_side(image_size: int, settings: NetworkParams) -> int:
    """Cells along a heat map's side."""
    stride = 1 << (settings.stages + 1 - NUM_DECONVOLUTIONS)
    return image_size // stride


def _backbone(settings: NetworkParams) -> ResNetBackbone:
    bottleneck = settings.depth >= 50
    sizes = (256, 512, 1024, 2048) if bottleneck else (64, 128, 256, 512)
    depth = settings.stages  # a stage above the last one used would be dead weight
    config = ResNetConfig(
        embedding_size=round(64 * settings.width),
        hidden_sizes=[round(size * settings.width) for size in sizes[:depth]],
        depths=_DEPTHS[settings.depth][:depth],
        layer_type="bottleneck" if bottleneck else "basic",
        out_features=[f"stage{depth}"],
    )
    if settings.pretrained is None:
        return ResNetBackbone(config)
    return _pretrained_backbone(settings.pretrained, config)


def _pretrained_backbone(name: str, config: ResNetConfig) -> ResNetBackbone:
    """Backbone of ``config`` with pretrained weights; stages above its last one are left out."""
    try:
        found = ResNetConfig.from_pretrained(name)
        if _shape(found, len(config.depths)) != _shape(config, len(config.depths)):
            raise ValueError("its depth or width is not that of network.depth and network.width")
        backbone, report = ResNetBackbone.from_pretrained(name, config=config, output_loading_info=True)
        if report["missing_keys"]:
            raise ValueError(f"it lacks {len(report['missing_keys'])} of the backbone's weights")
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"network.pretrained = {name!r}: weights cannot be loaded: {reason}") from None
    return backbone


def _shape(config: ResNetConfig, stages: int) -> tuple[object, ...]:
    """What the names and shapes of the first stages' weights follow from."""
    sizes = (*config.depths[:stages], *config.hidden_sizes[:stages], config.embedding_size)
    strides = (config.downsample_in_first_stage, config.downsample_in_bottleneck)
    return (*sizes, *strides, config.layer_type, config.hidden_act)


def _upsampling(in_channels: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (in_channels, *[channels] * (NUM_DECONVOLUTIONS - 1)):
        deconvolution = nn.ConvTranspose2d(inputs, channels, 4, stride=2, padding=1, bias=False)
        nn.init.normal_(deconvolution.weight, std=_INIT_STD)
        layers += [deconvolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)
