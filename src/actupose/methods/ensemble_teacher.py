"""A mean teacher that is an ensemble of views, asked how far they agree (ours; see docs/results.md).

Everything of :class:`~actupose.methods.mean_teacher.MeanTeacher`, and each of these on its own: views
mirrored or calmer than the student's; agreement of the views as confidence; a soft gate; keypoints left out
that the pose VAE finds implausible; mirrored and masked student images; a squared error instead of KL; a
learning rate and a teacher's decay that change as adaptation goes on.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor

from actupose.core.losses import masked_mean, relative_squared_error, weighted_mean
from actupose.core.pose import whole_poses
from actupose.core.pseudo_label import (
    agreement,
    confidence_mask,
    merge_views,
    spread_of_views,
)
from actupose.core.ranks import share
from actupose.core.rng import generator
from actupose.core.schedule import ramped_decay, warm_cosine
from actupose.data.augment import draw_patches, mask_patches
from actupose.data.views import LabelledBatch
from actupose.methods import HelperNets, StepResult, Stored
from actupose.methods._teaching import TargetDraws, TargetViews, TeachingParams
from actupose.methods.mean_teacher import Images, MeanTeacher
from actupose.methods.supervised import Student
from actupose.nets.pose_resnet import keep_statistics
from actupose.nets.pose_vae import leave_one_out_error
from actupose.params import (
    Fraction,
    NonNegativeFloat,
    Origin,
    PositiveFloat,
    PositiveFraction,
    Settings,
    ViewParams,
)

JITTERS = ("rotation", "shear", "translate", "color", "blur")


class MaskParams(Settings):
    """Square patches, ``patch`` of the image's side wide, of which ``share`` turn grey (MIC, CVPR 2023)."""

    share: Fraction
    patch: PositiveFraction


class RateParams(Settings):
    """Learning rate of the adaptation: up to ``lr`` within the share ``warmup`` of it, then a cosine to 0."""

    lr: PositiveFloat
    warmup: Annotated[float, Field(ge=0, lt=1)]


class EnsembleTeacherParams(TeachingParams):
    """As it stands with ``mirrored: false``, ``calm: 0`` and zeros or null below, it is ``mean_teacher``.

    Attributes:
        fidelity: no public code to reproduce.
        gate: ``soft`` weighs every pseudo-label by its confidence and leaves out none.
        mirrored: the teacher sees each of its views in a mirror too.
        calm: share by which its views move less than ``augment.teacher`` says; 1 leaves the crop alone.
        spread: of the views, as a share of the image's side, at which confidence falls to 0.61 of the peak; 0
            takes the peaks alone.
        implausible: share of each keypoint's pseudo-labels that is left out for the largest leave-one-out
            error of the pose VAE.
        student_norm: ``own`` normalises each batch by its own statistics, target batches by the target's;
            ``frozen`` keeps BatchNorm's running ones, of the source, once adaptation begins.
        student_flip: chance of a mirrored student's view of the target.
        mask: of the student's target images.
        pseudo_loss: ``heatmap`` is the run's own heat-map loss, ``squared`` the relative squared error.
        rate: null goes on with ``optim``'s.
        last_decay: of the teacher when the run ends, from ``ema_decay``.
    """

    kind: Literal["ensemble_teacher"]
    fidelity: Literal["corrected"]
    mirrored: bool
    calm: Fraction
    spread: NonNegativeFloat
    implausible: Annotated[float, Field(ge=0, lt=1)]
    student_norm: Literal["own", "frozen"]
    student_flip: Fraction
    mask: MaskParams
    pseudo_loss: Literal["heatmap", "squared"]
    rate: RateParams | None
    last_decay: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _one_view_has_no_spread(self) -> "EnsembleTeacherParams":
        if self.spread and self.views == 1 and not self.mirrored:
            raise ValueError(f"spread = {self.spread:g}: needs views: 2 or mirrored: true")
        return self

    @property
    def origin(self) -> Origin:
        """Ours."""
        return "ours"

    @property
    def needs_pose_vae(self) -> bool:
        """For the curriculum, and for what is implausible."""
        return super().needs_pose_vae or self.implausible > 0


@dataclass(frozen=True)
class MaskedViews(TargetViews):
    """With the patches of the student's images that are masked."""

    hidden: Bool[Tensor, "B n n"]


class EnsembleTeacher(MeanTeacher):
    """Learns where the views of its teacher agree."""

    params: EnsembleTeacherParams

    def __init__(self, student: Student, nets: HelperNets) -> None:
        super().__init__(student, nets)
        self.vae = nets.vae.to(student.runtime.device) if nets.vae is not None else None

    def step(self, step: int, batch: LabelledBatch, target: Stored | None) -> StepResult:
        """One step of the student, then one of the teacher."""
        if self.params.student_norm == "frozen" and self.student.run.schedule.is_adapting(step):
            keep_statistics(self.student.network)
        return super().step(step, batch, target)

    @property
    def teacher_ranges(self) -> ViewParams:
        """Those of the settings, calmed."""
        return calmed(super().teacher_ranges, 1 - self.params.calm)

    @property
    def student_ranges(self) -> ViewParams:
        """Those of the settings, mirrored as often as the method says."""
        return super().student_ranges.model_copy(update={"flip": self.params.student_flip})

    def draw_target(self, step: int, target: Stored) -> TargetDraws:
        """With each of the teacher's views in a mirror, where the method wants it."""
        draws = super().draw_target(step, target)
        if not self.params.mirrored:
            return draws
        mirrored = [replace(view, flipped=~view.flipped) for view in draws.teacher]
        return draws._replace(teacher=[*draws.teacher, *mirrored])

    def draw_views(self, step: int, target: Stored) -> TargetViews:
        """With the patches that are masked, where the method masks any."""
        views, mask = super().draw_views(step, target), self.params.mask
        if mask.share == 0:
            return views
        random = generator(self.student.run.seed, "masked patches", step)
        hidden = draw_patches(mask.share, mask.patch, len(views.student.flipped), random)
        hidden = hidden.to(target.device, non_blocking=True)
        return MaskedViews(views.teacher, views.student, views.occlusion, hidden)

    def shown_target(self, target: Stored, views: TargetViews) -> Images:
        """With patches masked, if there are any."""
        images = super().shown_target(target, views)
        return mask_patches(images, share(views.hidden)) if isinstance(views, MaskedViews) else images

    def merge(
        self, keypoints_stored: Float[Tensor, "V B K 2"], peaks: Float[Tensor, "V B K"]
    ) -> tuple[Float[Tensor, "B K 2"], Float[Tensor, "B K"]]:
        """Confidence falls where the views disagree."""
        merged, confidence = merge_views(keypoints_stored, peaks)
        if self.params.spread:
            width = self.params.spread * self.student.task.image_size
            confidence = confidence * agreement(spread_of_views(keypoints_stored, merged), width)
        return merged, confidence

    def gate(
        self, keypoints_stored: Float[Tensor, "B K 2"], confidence: Float[Tensor, "B K"]
    ) -> Bool[Tensor, "B K"]:
        """By confidence, and by what the pose VAE makes of the rest of the pose."""
        kept, share_out = super().gate(keypoints_stored, confidence), self.params.implausible
        if self.vae is None or not share_out:
            return kept
        error = leave_one_out_error(self.vae, *whole_poses(keypoints_stored))
        return kept & confidence_mask(-error, share_out, "per_keypoint")

    def consistency(
        self,
        raw: Float[Tensor, "B K h w"],
        keypoints_view: Float[Tensor, "B K 2"],
        kept: Bool[Tensor, "B K"],
        confidence: Float[Tensor, "B K"],
    ) -> Float[Tensor, ""]:
        """By the loss that the method names, weighed by confidence where the gate is soft."""
        task, params = self.student.task, self.params
        drawn = task.render(keypoints_view, raw)
        if params.pseudo_loss == "squared":
            losses = relative_squared_error(task.heatmaps(raw), drawn)
        else:
            losses = task.map_losses(raw, drawn)
        if params.gate == "soft":
            return weighted_mean(losses, confidence * kept)
        return masked_mean(losses, kept)

    def rate(self, step: int) -> float:
        """The adaptation's own, where it has one."""
        settings = self.params.rate
        if settings is None or not self.student.run.schedule.is_adapting(step):
            return super().rate(step)
        return settings.lr * warm_cosine(self.share_done(step), settings.warmup)

    def decay(self, step: int) -> float:
        """From ``ema_decay`` to ``last_decay``."""
        return ramped_decay(self.params.ema_decay, self.params.last_decay, self.share_done(step))

    def share_done(self, step: int) -> float:
        """Of the adaptation, before a step."""
        schedule = self.student.run.schedule
        first, steps = schedule.first_adaptation_step, schedule.epochs * schedule.steps_per_epoch
        return (step - first) / (steps - first)


def calmed(ranges: ViewParams, factor: float) -> ViewParams:
    """Ranges of which each reaches a factor as far from what changes nothing; mirrors stay."""
    low, high = ranges.scale
    changes = {name: factor * getattr(ranges, name) for name in JITTERS}
    return ranges.model_copy(update=changes | {"scale": (1 + factor * (low - 1), 1 + factor * (high - 1))})


PARAMS, METHOD = EnsembleTeacherParams, EnsembleTeacher
