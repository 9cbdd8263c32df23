"""The mean teacher's target side as UDAPE's public code computes it.

Teacher's and student's heat maps are both un-warped to the base view; the pseudo-label is drawn in a whole
cell; the loss is a mean squared difference over all maps, dropped ones included; the occluding patch misses
its keypoint by three quarters of the view's translation. (facts/udape.md 2.3, 3.2-3.4, C1, C2, C8.) Images
are rendered as everywhere here, by one bilinear sampling; the public code reads the nearest pixel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from actupose.core.affine import affine_matrix, warp
from actupose.core.angles import keypoint_angles, triplets_visible
from actupose.core.heatmap import peak_cells, soft_argmax
from actupose.core.losses import evalpose_loss
from actupose.core.ranks import share
from actupose.data.augment import ViewDraws, make_view
from actupose.methods import Stored
from actupose.methods._teaching import PseudoLabels, TargetViews
from actupose.methods.mean_teacher import Images, MeanTeacher, Terms
from actupose.methods.reference.geometry import render_labels, unwarp


@dataclass(frozen=True)
class ReferenceViews(TargetViews):
    """Views with what they are un-warped by, on the device."""

    teacher_draws: Sequence[ViewDraws]
    student_draws: ViewDraws


@dataclass(frozen=True)
class BasePseudoLabels(PseudoLabels):
    """With keypoints in whole cells, as pixels of the base view; ``stride`` is pixels a cell."""

    keypoints_base: Float[Tensor, "B K 2"]
    stride: float


class ReferenceMeanTeacher(MeanTeacher):
    """Views, style and schedule of :class:`MeanTeacher`; labels and losses of the target in the base view."""

    def draw_views(self, step: int, target: Stored) -> ReferenceViews:
        """The same draws, kept beside the views."""
        base_from_stored, teacher, student, occlusion = self.draw_target(step, target)
        every, side = [*teacher, student], target.shape[-1]
        *teacher_views, student_view = (make_view(draws, base_from_stored, side) for draws in every)
        to_device = partial(Tensor.to, device=target.device, non_blocking=True)
        *teacher_draws, student_draws = (_each(draws, to_device) for draws in every)
        return ReferenceViews(teacher_views, student_view, occlusion, teacher_draws, student_draws)

    @torch.no_grad()
    def pseudo_labels(self, seen: Sequence[Images], views: TargetViews) -> BasePseudoLabels:
        """The highest cell of the mean un-warped map."""
        assert isinstance(views, ReferenceViews)
        task = self.student.task
        outputs = [self.student.runtime.predict(self.teacher, images) for images in seen]
        maps = [
            self._to_base(task.heatmaps(output.heatmaps), draws)
            for output, draws in zip(outputs, views.teacher_draws, strict=True)
        ]
        merged = torch.stack(maps).mean(0)
        stride = task.stride(merged)
        cells, width = peak_cells(merged).clamp(min=0), merged.shape[-1]
        keypoints_base = stride * torch.stack((cells % width, cells // width), -1)
        confidence = merged.amax(dim=(2, 3))
        kept = self.gate(keypoints_base, confidence)
        angles = keypoint_angles(keypoints_base, task.skeleton.triplets)
        valid = triplets_visible(kept, task.skeleton.triplets)
        return BasePseudoLabels(confidence, kept, outputs[0].features, angles, valid, keypoints_base, stride)

    def target_losses(self, pseudo: PseudoLabels, images: Images, views: TargetViews) -> tuple[Terms, Terms]:
        """The student's maps, un-warped to the base view, against maps drawn where the teacher's peak."""
        assert isinstance(pseudo, BasePseudoLabels) and isinstance(views, ReferenceViews)
        task = self.student.task
        covered = self._cover(images, pseudo, views)
        maps = self._to_base(task.heatmaps(self.student.predict(covered).heatmaps), views.student_draws)
        drawn = render_labels(pseudo.keypoints_base, task.stride(maps), maps.shape[-1], task.heatmap.sigma)
        difference = pseudo.kept[:, :, None, None] * (maps - drawn).square()
        losses = {"consistency": difference.mean()}
        if self.params.weights.evalpose > 0:
            predicted_base = task.stride(maps) * soft_argmax(maps)
            losses["evalpose_target"] = evalpose_loss(
                predicted_base, pseudo.keypoints_base, pseudo.kept, task.skeleton.bones
            )
        return losses, {"kept": pseudo.kept.float().mean()}

    def _to_base(self, maps: Float[Tensor, "B K h w"], draws: ViewDraws) -> Float[Tensor, "B K h w"]:
        shift = draws.translate / self.student.task.stride(maps)
        return unwarp(maps, draws.rotation, draws.shear, shift, draws.scale)

    def _cover(self, images: Images, pseudo: BasePseudoLabels, views: ReferenceViews) -> Images:
        """Un-warp the image by a translation in cells instead of pixels, cover a keypoint, warp it back."""
        side, chosen = images.shape[-1], self.choose(pseudo.confidence, views.occlusion)
        draws = _each(views.student_draws, share)
        shift = draws.translate / pseudo.stride
        base = unwarp(images, draws.rotation, draws.shear, shift, draws.scale)
        covered = self.cover(base, pseudo.keypoints_base, chosen, views.occlusion)
        center = torch.full_like(shift, (side - 1) / 2)
        unflipped = torch.zeros_like(draws.scale, dtype=torch.bool)
        back = affine_matrix(center, draws.rotation, draws.shear, shift, draws.scale, unflipped)
        again = warp(covered, back, (side, side), mode="nearest")
        return torch.where(share(chosen.any(dim=1))[:, None, None, None], again, images)


def _each(draws: ViewDraws, change: Callable[[Tensor], Tensor]) -> ViewDraws:
    """The draws with each of their tensors changed."""
    return ViewDraws(*(change(getattr(draws, field.name)) for field in fields(draws)))
