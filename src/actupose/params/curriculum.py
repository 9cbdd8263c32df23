"""Settings of the curricula: which source samples an epoch uses (P1 3, P2 3.1.2). A method names one."""

from typing import Annotated, Any, Literal

from pydantic import Field

from actupose.params.base import Fraction, PositiveFloat, PositiveFraction, Settings


class BinnedCurriculum(Settings):
    """Base: scored samples fall into ``num_bins`` bins, by which what is drawn is counted too."""

    num_bins: Annotated[int, Field(ge=2)]

    @property
    def pretraining(self) -> dict[str, Any]:
        """What decides the epochs before adaptation: curricula that say the same are the same until then."""
        return self.model_dump()

    @property
    def needs_pose_vae(self) -> bool:
        """Whether it asks how frequent poses are in the target."""
        return False


class UniformCurriculum(BinnedCurriculum):
    """All samples, every epoch."""

    name: Literal["uniform"]


class RandomShareCurriculum(BinnedCurriculum):
    """A random share of every bin, anew each epoch: against it is held what draws as few by a plan."""

    name: Literal["random_share"]
    share: PositiveFraction


class HardMiningCurriculum(BinnedCurriculum):
    """VAE-HM (P1): the hardest share of the bins alone; 0.33 is the last 8 of 25."""

    name: Literal["hard_mining"]
    hard_fraction: PositiveFraction


class ProgressiveCurriculum(BinnedCurriculum):
    """VAE-CL (P1): the easiest third of the bins, later two thirds, then all."""

    name: Literal["progressive"]


class PeakCurriculum(BinnedCurriculum):
    """Base: a peak moves over the bins, which the model's confidence re-ranks.

    ``confidence`` is what an epoch's steps saw, or of a full pass after it; ``none`` re-ranks nothing.
    """

    pace: PositiveFloat
    sigma: PositiveFloat
    score_axis: Literal["rank", "minmax", "raw"]
    confidence: Literal["none", "online", "full_pass"]


class ActiveCurriculum(PeakCurriculum):
    """ACTUPose (P2 3.1.2; figure 10 varies num_bins, pace and sigma)."""

    name: Literal["active"]


class ActiveSamplingCurriculum(PeakCurriculum):
    """ACTUPose's peak as a density from which as many samples are drawn as there are (ours; no paper has it).

    ``active`` shrinks an epoch's pool to what lies below its peak; here the pool keeps its size. The rest,
    each on its own:

    * ``clock: adaptation`` counts pace from where adaptation begins, and draws all samples alike until then;
    * ``floor`` is what every bin has of the peak's weight at least;
    * ``broadens`` widens the peak until, in the last epoch, it covers all bins;
    * ``target_share`` of the samples are drawn as frequently as poses with their VAE score are among those
      that the model is surest of on target photos, looked at when an epoch of the adaptation begins.
    """

    name: Literal["active_sampling"]
    clock: Literal["run", "adaptation"]
    floor: Fraction
    broadens: bool
    target_share: Fraction

    @property
    def pretraining(self) -> dict[str, Any]:
        """Until its clock begins it is the uniform one."""
        if self.clock == "run":
            return super().pretraining
        return UniformCurriculum(name="uniform", num_bins=self.num_bins).pretraining

    @property
    def needs_pose_vae(self) -> bool:
        """For the share that follows the target."""
        return self.target_share > 0


Curriculum = Annotated[
    UniformCurriculum
    | RandomShareCurriculum
    | HardMiningCurriculum
    | ProgressiveCurriculum
    | ActiveCurriculum
    | ActiveSamplingCurriculum,
    Field(discriminator="name"),
]
