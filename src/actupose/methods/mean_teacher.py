"""UDAPE's mean teacher (ECCV 2022) with ACTUPose's extra losses (P2 3.3-3.4), its faults corrected.

The student learns labels, and on target images its teacher's predictions; the teacher follows. The teacher
sees one or more views of a target image. Its decoded keypoints are carried as points through the views'
matrices into the student's own view and drawn there: no heat map is warped and no gradient is lost.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from actupose.core.angles import keypoint_angles, mean_angular_difference, triplets_visible
from actupose.core.losses import cross_domain_loss, selected_fraction
from actupose.core.pseudo_label import (
    OcclusionDraws,
    choose_occluded,
    confidence_mask,
    cover_keypoints,
    draw_occlusion,
    merge_views,
    swap_flipped,
)
from actupose.core.rng import generator
from actupose.core.schedule import update_ema
from actupose.core.style import match_colours, mix_amplitudes
from actupose.data.augment import (
    draw_for_view,
    inside_image,
    keypoints_in_stored,
    keypoints_in_view,
    make_view,
)
from actupose.data.views import LabelledBatch, LabelledView, draw_base, student_images, teacher_images
from actupose.methods import HelperNets, StepResult, Stored
from actupose.methods._teaching import (
    PseudoLabels,
    StoredPseudoLabels,
    StyleMix,
    StyleParams,
    TargetDraws,
    TargetViews,
    TeachingParams,
)
from actupose.methods.supervised import Student, weighted_sum
from actupose.nets.pose_resnet import PoseOutput, PoseResNet
from actupose.nets.runtime import descend, set_rate
from actupose.nets.style_net import StyleNet
from actupose.params import ViewParams

Images = Float[Tensor, "b 3 S S"]
Terms = dict[str, Float[Tensor, ""]]
Transfer = Callable[[Tensor, Tensor, Tensor], Tensor]


class MeanTeacherParams(TeachingParams):
    """Mean teacher (UDAPE)."""

    kind: Literal["mean_teacher"]
    gate: Literal["global", "per_keypoint"]


class MeanTeacher:
    """The student learns labels and what its teacher predicts on the target; the teacher is the result."""

    def __init__(self, student: Student, nets: HelperNets) -> None:
        params = student.run.method
        assert isinstance(params, TeachingParams)
        self.params = params
        self.student = student
        self.teacher = student.build().requires_grad_(False)
        self.teacher.train(params.teacher_norm == "own")
        net = student.runtime.place(nets.style) if nets.style is not None else None
        self.transfer = style_transfer(params.style, net)
        weights = params.weights
        self.weights = {
            "source": weights.udape,
            "evalpose_source": weights.evalpose,
            "consistency": weights.udape,
            "evalpose_target": weights.evalpose,
            "cross_domain": weights.cross_domain,
        }
        self.networks = {"student": student.network, "teacher": self.teacher}
        self.optimizers = {"student": student.optimizer}

    def wants_target(self, step: int) -> bool:
        """While it adapts, and before as well where source images take the target's look."""
        return self.student.run.schedule.is_adapting(step) or self.params.restyles

    def prepare(self, step: int) -> None:
        """The teacher begins as the student is, running statistics included."""
        if step == self.student.run.schedule.first_adaptation_step:
            self.teacher.load_state_dict(self.student.network.state_dict())

    def step(self, step: int, batch: LabelledBatch, target: Stored | None) -> StepResult:
        """One step of the student, then one of the teacher."""
        student, augment = self.student, self.student.run.augment
        is_adapting, mix = student.run.schedule.is_adapting(step), self.draw_style(step)
        if target is None or not (is_adapting or mix.source is not None):
            return student.learn(step, batch, self.weights)
        labels, views = student.labelled_view(step, batch), self.draw_views(step, target)
        shown = views.teacher if is_adapting else views.teacher[:1]
        plain = [teacher_images(augment, target, view) for view in shown]

        images = labels.images if mix.source is None else self.restyle(labels.images, plain[0], mix.source)
        source = student.predict(images)
        losses = student.losses(source, labels, self.weights)
        logged: Terms = {}
        if is_adapting:
            seen = plain
            if mix.target is not None:
                seen = [self.restyle(images, labels.images, mix.target) for images in plain]
            pseudo = self.pseudo_labels(seen, views)
            images = self.shown_target(target, views)
            target_losses, logged = self.target_losses(pseudo, images, views)
            losses |= target_losses
            if self.params.weights.cross_domain > 0:
                losses["cross_domain"], logged["pairs"] = self.cross_domain(source, labels, pseudo)

        set_rate(student.optimizer, self.rate(step))
        descend(weighted_sum(losses, self.weights), student.optimizer)
        if is_adapting:
            self.follow(step)
        return StepResult(losses, student.task.mean_peaks(source.heatmaps), logged)

    def rate(self, step: int) -> float:
        """The student's."""
        return self.student.rate(step)

    def predictor(self, steps: int) -> PoseResNet:
        """The teacher once adaptation has begun."""
        adapted = steps > self.student.run.schedule.first_adaptation_step
        return self.teacher if adapted else self.student.network

    @property
    def teacher_ranges(self) -> ViewParams:
        """Of the teacher's views."""
        return self.student.run.augment.teacher

    @property
    def student_ranges(self) -> ViewParams:
        """Of the student's views of the target."""
        return self.student.run.augment.student

    def draw_target(self, step: int, target: Stored) -> TargetDraws:
        """Draws for a target batch, of whose stored images this rank has its share."""
        run, side = self.student.run, target.shape[-1]
        random = generator(run.seed, "target view", step)
        base_from_stored = draw_base(run.augment, target, random)
        batch = len(base_from_stored)
        student = draw_for_view(self.student_ranges, batch, side, random)
        occlusion = draw_occlusion(batch, len(run.skeleton), side, random, target.device)
        random = generator(run.seed, "teacher view", step)
        teacher = [draw_for_view(self.teacher_ranges, batch, side, random) for _ in range(self.params.views)]
        return TargetDraws(base_from_stored, teacher, student, occlusion)

    def draw_views(self, step: int, target: Stored) -> TargetViews:
        """The views that are drawn for a target batch."""
        base_from_stored, teacher, student, occlusion = self.draw_target(step, target)
        *seen, shown = (make_view(draws, base_from_stored, target.shape[-1]) for draws in (*teacher, student))
        return TargetViews(seen, shown, occlusion)

    def draw_style(self, step: int) -> StyleMix:
        """A coin and a weight for either direction."""
        style = self.params.style
        if style.kind == "none":
            return StyleMix(None, None)
        low, high = style.mix
        mixes = []
        for direction in ("source to target", "target to source"):
            random = generator(self.student.run.seed, f"style {direction}", step)
            coin, place = torch.rand(2, generator=random).tolist()  # on the host
            mixes.append(low + place * (high - low) if coin < style.rate else None)
        return StyleMix(*mixes)

    @torch.no_grad()
    def restyle(self, images: Images, style: Images, mix: float) -> Images:
        """Images with the look of others; a net compiled for a number would be compiled for each."""
        weight = torch.full((), mix, device=images.device)
        with self.student.runtime.autocast():
            styled: Tensor = self.transfer(images, style, weight)
        return styled.float()

    @torch.no_grad()
    def pseudo_labels(self, seen: Sequence[Images], views: TargetViews) -> PseudoLabels:
        """Decode the teacher on each of its views and merge them in the stored image's frame."""
        task = self.student.task
        outputs = [self.student.runtime.predict(self.teacher, images) for images in seen]
        found = [task.decode(output.heatmaps) for output in outputs]
        pairs = list(zip(found, views.teacher, strict=True))
        points = [keypoints_in_stored(one.keypoints, view, task.permutation) for one, view in pairs]
        peaks = [swap_flipped(one.confidence, view.flipped, task.permutation) for one, view in pairs]
        keypoints_stored, confidence = self.merge(torch.stack(points), torch.stack(peaks))
        kept = self.gate(keypoints_stored, confidence)
        kept_in_first = swap_flipped(kept, views.teacher[0].flipped, task.permutation)
        angles = keypoint_angles(found[0].keypoints, task.skeleton.triplets)
        valid = triplets_visible(kept_in_first, task.skeleton.triplets)
        return StoredPseudoLabels(confidence, kept, outputs[0].features, angles, valid, keypoints_stored)

    def shown_target(self, target: Stored, views: TargetViews) -> Images:
        """Target images as the student sees them, before a keypoint is covered."""
        return student_images(self.student.run.augment, target, views.student)

    def merge(
        self, keypoints_stored: Float[Tensor, "V B K 2"], peaks: Float[Tensor, "V B K"]
    ) -> tuple[Float[Tensor, "B K 2"], Float[Tensor, "B K"]]:
        """Keypoints and confidence of all views together."""
        return merge_views(keypoints_stored, peaks)

    def gate(
        self, _keypoints_stored: Float[Tensor, "B K 2"], confidence: Float[Tensor, "B K"]
    ) -> Bool[Tensor, "B K"]:
        """Which pseudo-labels are learned."""
        return confidence_mask(confidence, self.params.mask_ratio, self.params.gate)

    def target_losses(self, pseudo: PseudoLabels, images: Images, views: TargetViews) -> tuple[Terms, Terms]:
        """The student, shown its view with a keypoint covered, against the teacher; and what is logged."""
        assert isinstance(pseudo, StoredPseudoLabels)
        task, view = self.student.task, views.student
        keypoints_view = keypoints_in_view(pseudo.keypoints_stored, view, task.permutation)
        inside = inside_image(keypoints_view, task.image_size)
        kept = swap_flipped(pseudo.kept, view.flipped, task.permutation) & inside
        confidence = swap_flipped(pseudo.confidence, view.flipped, task.permutation) * inside
        chosen = self.choose(confidence, views.occlusion)
        covered = self.cover(images, keypoints_view, chosen, views.occlusion)
        raw = self.student.predict(covered).heatmaps
        losses = {"consistency": self.consistency(raw, keypoints_view, kept, confidence)}
        if self.params.weights.evalpose > 0:
            losses["evalpose_target"] = task.evalpose(raw, keypoints_view, kept)
        return losses, {"kept": kept.float().mean()}

    def consistency(
        self,
        raw: Float[Tensor, "B K h w"],
        keypoints_view: Float[Tensor, "B K 2"],
        kept: Bool[Tensor, "B K"],
        _confidence: Float[Tensor, "B K"],
    ) -> Float[Tensor, ""]:
        """The student's output against pseudo-labels in pixels of its view."""
        return self.student.task.heatmap_loss(raw, keypoints_view, kept)

    def choose(self, confidence: Float[Tensor, "B K"], draws: OcclusionDraws) -> Bool[Tensor, "B K"]:
        """One confident keypoint of some samples, to be covered."""
        settings = self.params.occlusion
        return choose_occluded(confidence, settings.threshold, settings.rate, draws)

    def cover(
        self,
        images: Images,
        keypoints_px: Float[Tensor, "B K 2"],
        chosen: Bool[Tensor, "B K"],
        draws: OcclusionDraws,
    ) -> Images:
        """Paste patches of the images themselves over the chosen keypoints."""
        half_size = max(1, round(self.params.occlusion.size * images.shape[-1]))
        return cover_keypoints(images, keypoints_px, chosen, half_size, draws.elsewhere_px)

    def cross_domain(
        self, source: PoseOutput, labels: LabelledView, pseudo: PseudoLabels
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Loss (P2 eq. 6-7) and share of pairs; angles are taken in the views whose features are compared."""
        visible = torch.where(labels.visible[:, :, None], labels.keypoints_view, torch.nan)
        angles = keypoint_angles(visible, self.student.task.skeleton.triplets)
        difference = mean_angular_difference(angles, pseudo.angles, pseudo.valid)
        gamma = self.params.gamma
        loss = cross_domain_loss(source.features, pseudo.features, difference, gamma)
        return loss, selected_fraction(difference, gamma)

    def decay(self, step: int) -> float:
        """How much of itself the teacher keeps after a step."""
        return self.params.ema_decay

    def follow(self, step: int) -> None:
        """Move the teacher towards the student."""
        teacher, student = self.teacher, self.student.network
        update_ema(list(teacher.parameters()), list(student.parameters()), self.decay(step))
        if self.params.teacher_norm == "student":
            for mine, other in zip(teacher.buffers(), student.buffers(), strict=True):
                mine.copy_(other)


def style_transfer(style: StyleParams, net: StyleNet | None) -> Transfer:
    """How images are restyled: by AdaIN's net where there is one."""
    if net is not None:
        return net
    return match_colours if style.kind == "colours" else partial(mix_amplitudes, band=style.band)


PARAMS, METHOD = MeanTeacherParams, MeanTeacher
