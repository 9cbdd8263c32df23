"""Settings of a teacher and its student, and what passes between them: of every kind that has both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from jaxtyping import Bool, Float
from pydantic import AfterValidator, Field
from torch import Tensor

from actupose.core.pseudo_label import Gate, OcclusionDraws
from actupose.data.augment import View, ViewDraws
from actupose.params import (
    Fraction,
    MethodParams,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Settings,
    ascending,
    plain_pretraining,
)


class OcclusionParams(Settings):
    """Adaptive keypoint occlusion (UDAPE): ``size`` is half the patch's side as a share of the image side."""

    rate: Fraction
    threshold: PositiveFloat
    size: Fraction


class StyleParams(Settings):
    """Style transfer: of the student's source images, of the teacher's target images.

    ``rate`` is the chance of a batch, ``mix`` the range of the weight; ``band`` (cycles a pixel) is of
    ``fourier``; ``colours`` takes mean and deviation of red, green and blue; ``adain`` takes the net that
    section ``style_net`` trains.
    """

    kind: Literal["none", "colours", "fourier", "adain"]
    rate: Fraction
    mix: Annotated[tuple[Fraction, Fraction], AfterValidator(ascending)]
    band: Annotated[float, Field(ge=0, le=0.5)]


class LossWeights(Settings):
    """Weights w1, w2, w3 of P2 eq. 8."""

    udape: NonNegativeFloat
    evalpose: NonNegativeFloat
    cross_domain: NonNegativeFloat


class TeachingParams(MethodParams):
    """Base; ``gamma`` in radians is the cross-domain loss's threshold (P2 eq. 7).

    The teacher's BatchNorm follows ``teacher_norm``: ``own`` normalises with the statistics of its own target
    batches and keeps running ones of them (as UDAPE does), ``student`` copies the student's.
    """

    ema_decay: Fraction
    mask_ratio: Annotated[float, Field(ge=0, lt=1)]
    gate: Gate
    views: PositiveInt
    teacher_norm: Literal["own", "student"]
    occlusion: OcclusionParams
    style: StyleParams
    weights: LossWeights
    gamma: PositiveFloat

    @property
    def needs_style_net(self) -> bool:
        """Whether images are restyled by AdaIN's net."""
        return self.style.kind == "adain"

    @property
    def pretraining(self) -> dict[str, Any]:
        """Plain but for the look of the images."""
        look = {"style": self.style.model_dump()} if self.restyles else {}
        return plain_pretraining(self, self.weights.udape, self.weights.evalpose) | look

    @property
    def restyles(self) -> bool:
        """Whether any image is given the look of the other domain."""
        return self.style.kind != "none" and self.style.rate > 0


class TargetDraws(NamedTuple):
    """All that is random about a target batch: its base views, views of those, what is covered."""

    base_from_stored: Float[Tensor, "B 3 3"]
    teacher: Sequence[ViewDraws]
    student: ViewDraws
    occlusion: OcclusionDraws


@dataclass(frozen=True)
class TargetViews:
    """What the teacher and the student see of a target batch, and what is covered."""

    teacher: Sequence[View]
    student: View
    occlusion: OcclusionDraws


@dataclass(frozen=True)
class PseudoLabels:
    """What the teacher predicts on a target batch.

    Attributes:
        confidence: mean peak over the views.
        kept: whether the confidence gate lets the keypoint through.
        features: of the teacher's first view.
        angles: at the skeleton's triplets in that view, valid where all three ends are kept.
    """

    confidence: Float[Tensor, "B K"]
    kept: Bool[Tensor, "B K"]
    features: Float[Tensor, "B D"]
    angles: Float[Tensor, "B J"]
    valid: Bool[Tensor, "B J"]


@dataclass(frozen=True)
class StoredPseudoLabels(PseudoLabels):
    """With keypoints in pixels of the stored image."""

    keypoints_stored: Float[Tensor, "B K 2"]


class StyleMix(NamedTuple):
    """Weight of the other domain's style on a step's batches, None where the coin says that they stay."""

    source: float | None
    target: float | None
