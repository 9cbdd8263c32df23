"""The target side of an adaptation step as UDAPE's public code computes it (``fidelity: reference``).

Teacher's and student's heat maps are both un-warped to the base view; the pseudo-label is drawn in a whole
cell; the loss is a mean squared difference over all maps, dropped ones included; the occluding patch misses
its keypoint by three quarters of the view's translation. (facts/udape.md 2.3, 3.2-3.4, C1, C2, C8.) Images
are rendered as everywhere here, by one bilinear sampling; the public code reads the nearest pixel.
"""

import torch
from torch import Tensor

from actupose.core.affine import affine_matrix, warp
from actupose.core.angles import keypoint_angles, triplets_visible
from actupose.core.heatmap import peak_cells, soft_argmax
from actupose.core.losses import evalpose_loss
from actupose.core.pseudo_label import choose_occluded, confidence_mask
from actupose.core.ranks import share
from actupose.core.reference import render_labels, unwarp
from actupose.core.rng import generator
from actupose.data.augment import Draws, View
from actupose.methods.consistency import Consistency, Network, PseudoLabels, Restyle, cover, unchanged


class ReferenceConsistency(Consistency):
    """Draws and settings of :class:`Consistency`; its pseudo-labels are in whole cells of the base view."""

    def student_terms(
        self, student: Network, seen: Tensor, view: View, pseudo: PseudoLabels, random: torch.Generator
    ) -> dict[str, Tensor]:
        """The student's word, un-warped to the base view, against the teacher's."""
        raw = student(self._occlude(seen, pseudo, view.draws, random)).heatmaps
        maps = self._to_base(self.task.heatmaps(raw), view.draws)
        stride, sigma = self.task.stride(maps), self.task.heatmap.sigma
        drawn = render_labels(pseudo.keypoints, stride, maps.shape[-1], sigma)
        difference = pseudo.keep[:, :, None, None] * (maps - drawn).square()
        terms = {"consistency": difference.mean(), "kept": pseudo.keep.float().mean()}
        if self.weights.evalpose > 0:
            predicted, bones = stride * soft_argmax(maps), self.task.skeleton.bones
            terms["evalpose_target"] = evalpose_loss(predicted, pseudo.keypoints, pseudo.keep, bones)
        return terms

    @torch.no_grad()
    def pseudo_labels(
        self,
        teacher: Network,
        images: Tensor,
        base_from_stored: Tensor,
        seed: int,
        step: int,
        restyle: Restyle = unchanged,
    ) -> PseudoLabels:
        """The highest cell of the mean un-warped map; keypoints are pixels of the base view."""
        random, triplets = generator(seed, "teacher view", step), self.task.skeleton.triplets
        maps, features = [], []
        for _ in range(self.settings.views):
            view = self.teacher_view(base_from_stored, random)
            output = teacher(restyle(self.seen_by_teacher(images, view)))
            maps.append(self._to_base(self.task.heatmaps(output.heatmaps), view.draws))
            features.append(output.features)
        merged = torch.stack(maps).mean(0)
        cells, width = peak_cells(merged).clamp(min=0), merged.shape[-1]
        keypoints = self.task.stride(merged) * torch.stack((cells % width, cells // width), -1)
        confidence = merged.amax(dim=(2, 3))
        keep = confidence_mask(confidence, self.settings.mask_ratio, self.settings.gate)
        angles, valid = keypoint_angles(keypoints, triplets), triplets_visible(keep, triplets)
        stride = self.task.stride(merged)
        return PseudoLabels(keypoints, confidence, keep, features[0], angles, valid, stride)

    def _to_base(self, maps: Tensor, draws: Draws) -> Tensor:
        shift = draws.translate / self.task.stride(maps)
        return unwarp(maps, draws.rotation, draws.shear, shift, draws.scale)

    def _occlude(self, seen: Tensor, pseudo: PseudoLabels, draws: Draws, random: torch.Generator) -> Tensor:
        """Un-warp the image by a translation in cells instead of pixels, cover a keypoint, warp it back."""
        settings, side = self.settings.occlusion, self.task.image_size
        chosen = choose_occluded(pseudo.confidence, settings.threshold, settings.rate, random)
        draws = draws.share()
        shift = draws.translate / pseudo.stride
        base = unwarp(seen, draws.rotation, draws.shear, shift, draws.scale)
        covered = cover(base, pseudo.keypoints, chosen, settings.size, random)
        center = torch.full_like(shift, (side - 1) / 2)
        unflipped = torch.zeros_like(draws.scale, dtype=torch.bool)
        back = affine_matrix(center, draws.rotation, draws.shear, shift, draws.scale, unflipped)
        again = warp(covered, back, (side, side), mode="nearest")
        return torch.where(share(chosen.any(dim=1))[:, None, None, None], again, seen)
