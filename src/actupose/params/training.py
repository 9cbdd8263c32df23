"""Settings of what is learned: scores, curricula, network, views, adaptation, schedule, methods."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from actupose.params.base import (
    AreaRange,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
    Range,
    Settings,
    ascending,
)

CurriculumName = Literal["uniform", "hard_mining", "progressive", "active"]


class VaeParams(Settings):
    """Pose VAE (P1 2.1)."""

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    latent: PositiveInt
    kl_weight: NonNegativeFloat
    epochs: PositiveInt
    batch_size: PositiveInt
    lr: PositiveFloat
    seed: NonNegativeInt


class CurriculumParams(Settings):
    """Bins and the schedules over them (P1 3, P2 3.1.2)."""

    num_bins: Annotated[int, Field(ge=2)]
    pace: PositiveFloat
    sigma: PositiveFloat
    score_axis: Literal["rank", "minmax", "raw"]
    confidence: Literal["online", "full_pass"]
    hard_fraction: PositiveFraction


class NetworkParams(Settings):
    """Pose network: backbone (ResNet, ConvNeXt-T, DINOv2 ViT-S), three deconvolutions, 1x1 head.

    ``stages`` is the last backbone stage used: 4 gives heat maps of a quarter of the image side, 3 of half.
    ``head_layers`` - 1 convolutions of 3x3 come before the 1x1 (RegDA's runs take ``regda.head_layers``).
    ``depth`` is ResNet's; ``width`` scales every backbone's channels. ``pretrained`` is a transformers
    checkpoint (folder or hub id), for a ResNet also a file (or a ``timm/`` hub id) with the names of
    torchvision or timm, or null.
    """

    backbone: Literal["resnet", "convnext", "dinov2"]
    depth: Literal[18, 34, 50, 101]
    width: Annotated[float, Field(ge=0.0625)]  # a bottleneck of the first stage has 4 channels then
    stages: Literal[3, 4]
    deconv_channels: PositiveInt
    head_layers: PositiveInt
    pretrained: str | None


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


class OcclusionParams(Settings):
    """Adaptive keypoint occlusion (UDAPE): ``size`` is half the patch's side as a share of the image side."""

    rate: Fraction
    threshold: PositiveFloat
    size: Fraction


class AdaptationParams(Settings):
    """Mean teacher (UDAPE) and the cross-domain loss's threshold ``gamma`` in radians (P2 eq. 7)."""

    ema_decay: Fraction
    mask_ratio: Annotated[float, Field(ge=0, lt=1)]
    gate: Literal["global", "per_keypoint"]
    views: PositiveInt
    teacher_norm: Literal["own", "student"]
    occlusion: OcclusionParams
    gamma: PositiveFloat


class AdainParams(Settings):
    """AdaIN: ``encoder`` is VGG-19's weights (file or hub id), or null: our own, ``channels`` wide."""

    encoder: str | None
    channels: PositiveInt
    style_weight: NonNegativeFloat
    steps: PositiveInt
    batch_size: PositiveInt
    lr: PositiveFloat
    seed: NonNegativeInt


class StyleParams(Settings):
    """Style transfer of the mean teacher: of the student's source images, of the teacher's target images.

    ``rate`` is the chance of a batch, ``mix`` the range of the weight; ``band`` (cycles a pixel) is of
    ``fourier``.
    """

    kind: Literal["none", "fourier", "adain"]
    rate: Fraction
    mix: Annotated[tuple[Fraction, Fraction], AfterValidator(ascending)]
    band: Annotated[float, Field(ge=0, le=0.5)]
    adain: AdainParams


class InverseDecay(Settings):
    """Learning rate times (1 + gamma step)^-power."""

    gamma: NonNegativeFloat
    power: NonNegativeFloat


class Damping(Settings):
    """Share of the adversary's gradient the features get: high (2 / (1 + exp(-step / steps)) - 1)."""

    high: NonNegativeFloat
    steps: PositiveInt


class RegdaParams(Settings):
    """RegDA (CVPR 2021): heads, weights of the disparity, rates of SGD for features and for both heads."""

    head_layers: PositiveInt
    margin: NonNegativeFloat
    trade_off: NonNegativeFloat
    lr: PositiveFloat
    head_lr: PositiveFloat
    decay: InverseDecay
    damping: Damping


class PosedaParams(Settings):
    """Hidden width of the domain classifiers, and the weight of their losses at full ramp."""

    hidden: PositiveInt
    weight: NonNegativeFloat


class ScheduleParams(Settings):
    """Length of a run; the batch size is the global one, of each domain."""

    epochs: PositiveInt
    pretrain_epochs: NonNegativeInt
    steps_per_epoch: PositiveInt
    batch_size: Annotated[int, Field(ge=2)]

    @property
    def first_adaptation_step(self) -> int:
        """Step after which target images are learned from."""
        return self.pretrain_epochs * self.steps_per_epoch

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


class LossWeights(Settings):
    """Weights w1, w2, w3 of P2 eq. 8."""

    udape: NonNegativeFloat
    evalpose: NonNegativeFloat
    cross_domain: NonNegativeFloat


class MethodParams(Settings):
    """One named run: an adaptation, a curriculum and loss weights."""

    adaptation: Literal["supervised", "mean_teacher", "regda", "poseda"]
    supervision: Literal["source", "target"]
    curriculum: CurriculumName
    weights: LossWeights

    @model_validator(mode="after")
    def _oracle_is_plain(self) -> Self:
        plain = self.adaptation == "supervised" and self.curriculum == "uniform"
        if self.supervision == "target" and not plain:
            raise ValueError("supervision: target goes with adaptation: supervised and curriculum: uniform")
        return self

    @model_validator(mode="after")
    def _extra_losses_have_a_taker(self) -> Self:
        weights = self.weights
        if self.adaptation in ("regda", "poseda") and weights.evalpose + weights.cross_domain > 0:
            raise ValueError(f"weights: evalpose and cross_domain are 0 with adaptation: {self.adaptation}")
        return self
