"""AdaIN (Huang and Belongie, ICCV 2017): an encoder, and one decoder that serves both directions.

The encoder is VGG-19 up to relu4_1 with weights from a file or the hub, or a small one of our own that is
trained together with the decoder. Images are RGB in 0..1 on both sides.
"""

import re
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from actupose.core.rng import seeded_weights
from actupose.core.style import match_statistics
from actupose.errors import UserError
from actupose.nets.weights import IMAGE_MEAN, IMAGE_STD, read_weights
from actupose.params import StyleNetParams

Step = int | Literal["pool"]  # a convolution to so many channels, or halving the side
VGG19: tuple[tuple[Step, ...], ...] = (
    (64,),
    (64, "pool", 128),
    (128, "pool", 256),
    (256, 256, 256, "pool", 512),
)


class StyleNet(nn.Module):
    """Content and style images to content images in the style of the others."""

    def __init__(self, levels: Sequence[Sequence[Step]]) -> None:
        super().__init__()
        self.to_input = nn.Conv2d(3, 3, 1)  # VGG's normalisation of colours; the identity for our own encoder
        self.levels = nn.ModuleList(_encoder_levels(levels))
        self.decoder = _decoder([step for level in levels for step in level])
        with torch.no_grad():
            self.to_input.weight.copy_(torch.eye(3)[:, :, None, None])
            nn.init.zeros_(self.to_input.get_parameter("bias"))

    def encode(self, images: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B ..."]]:
        """Features of every level; the last one is the code."""
        features, found = self.to_input(images), []
        for level in self.levels:
            features = level(features)
            found.append(features)
        return found

    def forward(
        self,
        content: Float[Tensor, "B 3 H W"],
        style: Float[Tensor, "B 3 h w"],
        mix: float | Float[Tensor, ""],
    ) -> Float[Tensor, "B 3 H W"]:
        """Images clipped to 0..1; sample i takes the statistics of the style's sample i."""
        code = match_statistics(self.encode(content)[-1], self.encode(style)[-1], mix)
        decoded: Tensor = self.decoder(code)
        return decoded.clamp(0, 1)


def style_levels(settings: StyleNetParams) -> tuple[tuple[Step, ...], ...]:
    """Topology of the encoder: VGG-19's where one is given, else three levels of our own."""
    width = settings.channels
    if settings.encoder is not None:
        return VGG19
    return ((width,), ("pool", 2 * width), ("pool", 4 * width))


def build_style_net(settings: StyleNetParams) -> StyleNet:
    """Net whose decoder (and own encoder) have random weights that depend on ``settings.seed`` alone.

    Raises:
        UserError: ``settings.encoder`` cannot be found or is not VGG-19.
    """
    with seeded_weights(settings.seed, "style net"):
        net = StyleNet(style_levels(settings))
    if settings.encoder is not None:
        _load_vgg(net, settings.encoder)
    return net


def _load_vgg(net: StyleNet, name: str) -> None:
    """Load by torchvision's and timm's names (``features.0.weight``) or AdaIN's own (``0.weight``).

    The latter begins with its own 1x1 convolution of colours; for the former it is ImageNet's normalisation.
    """
    weights = _convolutions(read_weights(name, "style_net.encoder"))
    convolutions = [part for part in net.levels.modules() if isinstance(part, nn.Conv2d)]
    if weights and weights[0][0].shape == (3, 3, 1, 1):
        convolutions.insert(0, net.to_input)
    else:
        std = torch.tensor(IMAGE_STD)
        with torch.no_grad():
            net.to_input.weight.copy_(torch.diag(1 / std)[:, :, None, None])
            net.to_input.get_parameter("bias").copy_(-torch.tensor(IMAGE_MEAN) / std)
    for position, layer in enumerate(convolutions):
        if position >= len(weights) or weights[position][0].shape != layer.weight.shape:
            raise UserError(f"style_net.encoder = {name!r}: not VGG-19: convolution {position} does not fit")
        weight, bias = weights[position]
        layer.load_state_dict({"weight": weight, "bias": bias})


def _convolutions(state: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of every numbered convolution, in order."""
    numbered = {}
    for key, weight in state.items():
        match = re.fullmatch(r"((?:features\.)?)(\d+)\.weight", key)
        bias = state.get(f"{key.removesuffix('weight')}bias")
        if match and weight.ndim == 4 and bias is not None:
            numbered[int(match[2])] = (weight, bias)
    return [numbered[number] for number in sorted(numbered)]


def _encoder_levels(levels: Sequence[Sequence[Step]]) -> list[nn.Sequential]:
    found, channels = [], 3
    for level in levels:
        parts: list[nn.Module] = []
        for step in level:
            if step == "pool":
                parts.append(nn.MaxPool2d(2, ceil_mode=True))
            else:
                parts += [_convolution(channels, step), nn.ReLU()]
                channels = step
        found.append(nn.Sequential(*parts))
    return found


def _decoder(steps: Sequence[Step]) -> nn.Sequential:
    """Mirror of the encoder; the last convolution is linear."""
    parts: list[nn.Module] = []
    widths = [3, *(step for step in steps if step != "pool")]
    for step in reversed(steps):
        if step == "pool":
            parts.append(nn.Upsample(scale_factor=2, mode="nearest"))
        else:
            parts += [_convolution(widths.pop(), widths[-1]), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")
