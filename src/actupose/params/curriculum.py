"""Settings of the curricula: which source samples an epoch uses (P1 3, P2 3.1.2). A method names one."""

from typing import Annotated, Literal

from pydantic import Field

from actupose.params.base import PositiveFloat, PositiveFraction, Settings


class BinnedCurriculum(Settings):
    """Base: scored samples fall into ``num_bins`` bins, by which what is drawn is counted too."""

    num_bins: Annotated[int, Field(ge=2)]


class UniformCurriculum(BinnedCurriculum):
    """All samples, every epoch."""

    name: Literal["uniform"]


class HardMiningCurriculum(BinnedCurriculum):
    """VAE-HM (P1): the hardest share of the bins alone; 0.33 is the last 8 of 25."""

    name: Literal["hard_mining"]
    hard_fraction: PositiveFraction


class ProgressiveCurriculum(BinnedCurriculum):
    """VAE-CL (P1): the easiest third of the bins, later two thirds, then all."""

    name: Literal["progressive"]


class ActiveCurriculum(BinnedCurriculum):
    """ACTUPose (P2 3.1.2; figure 10 varies all three numbers): a peak moves over re-ranked bins."""

    name: Literal["active"]
    pace: PositiveFloat
    sigma: PositiveFloat
    score_axis: Literal["rank", "minmax", "raw"]
    confidence: Literal["online", "full_pass"]


Curriculum = Annotated[
    UniformCurriculum | HardMiningCurriculum | ProgressiveCurriculum | ActiveCurriculum,
    Field(discriminator="name"),
]
