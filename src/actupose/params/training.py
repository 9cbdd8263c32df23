"""Settings that all methods share: scores, bins, network, views, style net, schedule."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from actupose.params.base import (
    AreaRange,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Range,
    Settings,
)


class VaeParams(Settings):
    """Pose VAE and its score (P1 2.1: ``mask`` and ``score_kl`` 0).

    Training hides up to ``mask`` of a pose's visible keypoints from the encoder, which then bears with poses
    that are hidden in part. The score is the reconstruction error plus ``score_kl`` times the KL term: with 1
    the negative evidence lower bound, for a Gaussian of variance a half.
    """

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    latent: PositiveInt
    kl_weight: NonNegativeFloat
    epochs: PositiveInt
    batch_size: PositiveInt
    lr: PositiveFloat
    seed: NonNegativeInt
    mask: Annotated[float, Field(ge=0, lt=1)]
    score_kl: NonNegativeFloat


class BinsParams(Settings):
    """Number of bins of equal count that each domain's scored poses fall into (P1 2.2, P2 3.1.1).

    Those of the target tell the evaluation apart, those of the source describe it; curricula have their own.
    """

    source: Annotated[int, Field(ge=2)]
    target: Annotated[int, Field(ge=2)]


class NetworkParams(Settings):
    """Pose network: backbone, three deconvolutions, 1x1 head.

    Backbones are ResNet, ConvNeXt-T, DINOv2 ViT-S and EfficientNet-Lite; ``depth`` is ResNet's (18 to 101) or
    EfficientNet-Lite's version (0 to 2).

    ``stages`` is the last backbone stage used: 4 gives heat maps of a quarter of the image side, 3 of half.
    ``head_layers`` - 1 convolutions of 3x3 come before the 1x1 (RegDA's methods have a number of their own).
    ``width`` scales every backbone's channels. ``pretrained`` is a transformers checkpoint (folder or hub
    id), for a ResNet also a file (or a ``timm/`` hub id) with the names of torchvision or timm, or null; for
    EfficientNet-Lite it is ``package``, the ImageNet weights that an installed package brings, or a file.
    ``frozen_stages`` counts those that stay as pretrained, BatchNorm included, from the stem on: features of
    photos that synthetic images cannot spoil, and no backward pass (Hinterstoisser et al., ECCVW 2018).
    """

    backbone: Literal["resnet", "convnext", "dinov2", "efficientnet_lite"]
    depth: Literal[0, 1, 2, 18, 34, 50, 101]
    width: Annotated[float, Field(ge=0.0625)]  # a bottleneck of the first stage has 4 channels then
    stages: Literal[3, 4]
    deconv_channels: PositiveInt
    head_layers: PositiveInt
    pretrained: str | None
    frozen_stages: Annotated[int, Field(ge=0, le=3)]

    @model_validator(mode="after")
    def _only_trained_weights_are_frozen(self) -> Self:
        if self.frozen_stages and self.pretrained is None:
            raise ValueError(
                f"frozen_stages = {self.frozen_stages}: random weights must learn; 0, or name pretrained"
            )
        return self

    @model_validator(mode="after")
    def _depth_is_the_backbones(self) -> Self:
        depths = {"resnet": (18, 34, 50, 101), "efficientnet_lite": (0, 1, 2)}.get(self.backbone)
        if depths is not None and self.depth not in depths:
            raise ValueError(f"depth {self.depth}: one of {', '.join(map(str, depths))} for {self.backbone}")
        return self


class HeatmapParams(Settings):
    """Gaussian width in heat-map cells, loss and decoding."""

    sigma: PositiveFloat
    loss: Literal["mse", "kl"]
    decode: Literal["argmax", "quarter", "dark"]


class ViewParams(Settings):
    """Ranges of one random view: degrees, shares of the side, factors, blur radius in pixels.

    ``flip`` is the chance of a mirror image, left and right renamed. The presets leave it at 0: with flips a
    network that starts from random weights learns left from right much later, because where a limb lies in
    the image no longer tells its side, and a mean teacher sharpens the confusion (seen on synthbody to LSP).
    """

    rotation: Annotated[float, Field(ge=0, le=180)]
    shear: Annotated[float, Field(ge=0, lt=90)]
    translate: Fraction
    scale: Range
    flip: Fraction
    color: Annotated[float, Field(ge=0, lt=1)]
    blur: NonNegativeFloat


class AugmentParams(Settings):
    """Base crop (share of the image's area) and the views drawn from it."""

    crop_area: AreaRange
    student: ViewParams
    teacher: ViewParams


class StyleNetParams(Settings):
    """Training of AdaIN's net, for the methods whose ``style.kind`` is ``adain``.

    ``train`` says whether one is wanted: DVC cannot tell from the methods. ``encoder`` is VGG-19's weights
    (file or hub id), or null: one of our own, ``channels`` wide.
    """

    train: bool
    encoder: str | None
    channels: PositiveInt
    style_weight: NonNegativeFloat
    steps: PositiveInt
    batch_size: PositiveInt
    lr: PositiveFloat
    seed: NonNegativeInt


class ScheduleParams(Settings):
    """Length of a run; the batch size is the global one, of each domain."""

    epochs: PositiveInt
    pretrain_epochs: NonNegativeInt
    steps_per_epoch: PositiveInt
    batch_size: Annotated[int, Field(ge=2)]

    @property
    def first_adaptation_step(self) -> int:
        """Step from which target images are learned from."""
        return self.pretrain_epochs * self.steps_per_epoch

    def is_adapting(self, step: int) -> bool:
        """Whether a step belongs to the adaptation."""
        return step >= self.first_adaptation_step

    @model_validator(mode="after")
    def _adaptation_remains(self) -> Self:
        if self.pretrain_epochs >= self.epochs:
            raise ValueError(f"pretrain_epochs must be below epochs = {self.epochs}")
        return self


class OptimParams(Settings):
    """Adam; ``step`` multiplies the rate by ``factor`` at each milestone (epochs), ``cosine`` ends at 0."""

    lr: PositiveFloat
    decay: Literal["step", "cosine"]
    milestones: tuple[NonNegativeInt, ...]
    factor: Fraction
