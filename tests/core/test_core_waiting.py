"""Nothing that a training step calls looks at a value, so a GPU is never waited for.

Tensors on the ``meta`` device have shapes and no values: .item(), a branch on a tensor, nonzero and boolean
indexing raise on them.
"""

import pytest
import torch

from actupose.core import affine, angles, heatmap, losses, metrics, pose, pseudo_label, schedule
from actupose.core.rng import generator
from actupose.skeleton import BODY16

B, K = 3, 16


def empty(*shape, dtype=torch.float32):
    return torch.empty(*shape, dtype=dtype, device="meta")


def flags(*shape):
    return empty(*shape, dtype=torch.bool)


def occlusion():
    return pseudo_label.draw_occlusion(B, K, 64, generator(0, "x"), torch.device("meta"))


MAPS, POINTS, KEEP, CONFIDENCE = empty(B, K, 8, 8), empty(B, K, 2), flags(B, K), empty(B, K)
ONE, PAIR, MATRIX, IMAGES = empty(B), empty(B, 2), empty(B, 3, 3), empty(B, 3, 8, 8)

CALLS = {
    "affine_matrix": (lambda: affine.affine_matrix(PAIR, ONE, ONE, PAIR, ONE, flags(B)), (B, 3, 3)),
    "crop_matrix": (lambda: affine.crop_matrix(PAIR, ONE, 8), (B, 3, 3)),
    "scale_matrix": (lambda: affine.scale_matrix(8, 2, torch.device("meta")), (1, 3, 3)),
    "warp": (lambda: affine.warp(IMAGES, MATRIX, (4, 5)), (B, 3, 4, 5)),
    "render": (lambda: heatmap.render_gaussians(POINTS, (8, 9), 1.5), (B, K, 8, 9)),
    "argmax": (lambda: heatmap.decode(MAPS, "argmax")[0], (B, K, 2)),
    "quarter": (lambda: heatmap.decode(MAPS, "quarter")[0], (B, K, 2)),
    "dark": (lambda: heatmap.decode(MAPS, "dark")[0], (B, K, 2)),
    "soft_argmax": (lambda: heatmap.soft_argmax(MAPS), (B, K, 2)),
    "heatmaps": (lambda: heatmap.heatmaps_from_output(MAPS, "kl", 1.5), (B, K, 8, 8)),
    "mse": (lambda: losses.heatmap_mse(MAPS, MAPS), (B, K)),
    "kl": (lambda: losses.heatmap_kl(MAPS, MAPS), (B, K)),
    "masked_mean": (lambda: losses.masked_mean(CONFIDENCE, KEEP), ()),
    "evalpose": (lambda: losses.evalpose_loss(POINTS, POINTS, KEEP, BODY16.bones), ()),
    "cross_domain": (lambda: losses.cross_domain_loss(empty(B, 9), empty(4, 9), empty(B, 4), 0.1), ()),
    "disparity": (lambda: losses.regression_disparity(MAPS, MAPS, CONFIDENCE, "max"), ()),
    "angles": (lambda: angles.keypoint_angles(POINTS, BODY16.triplets), (B, len(BODY16.triplets))),
    "difference": (lambda: angles.mean_angular_difference(empty(B, 5), empty(4, 5), flags(4, 5)), (B, 4)),
    "mask": (lambda: pseudo_label.confidence_mask(CONFIDENCE, 0.5, "global"), (B, K)),
    "views": (lambda: pseudo_label.merge_views(empty(2, B, K, 2), empty(2, B, K))[0], (B, K, 2)),
    "swap": (lambda: pseudo_label.swap_flipped(MAPS, flags(B), empty(K, dtype=torch.int64)), (B, K, 8, 8)),
    "occluded": (lambda: pseudo_label.choose_occluded(CONFIDENCE, 0.9, 0.5, occlusion()), (B, K)),
    "patches": (lambda: pseudo_label.paste_patches(IMAGES, PAIR, flags(B), 2, PAIR), (B, 3, 8, 8)),
    "pck": (lambda: metrics.pck(POINTS, POINTS, KEEP, 64), (K,)),
    "accuracy": (lambda: metrics.keypoint_accuracy(POINTS, POINTS, KEEP, 64), (B,)),
    "pck_tllib": (lambda: metrics.pck_tllib(MAPS, MAPS, 2), (K,)),
    "bone": (lambda: metrics.evalpose_bone(POINTS, POINTS, KEEP, BODY16.bones), (B,)),
    "angle": (lambda: metrics.evalpose_angle(POINTS, POINTS, KEEP, BODY16.triplets), (B,)),
    "normalise": (lambda: pose.normalise_poses(POINTS, KEEP)[0], (B, K, 2)),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_value_is_read_on_the_host(name):
    call, shape = CALLS[name]
    result = call()
    assert result.device.type == "meta"
    assert result.shape == shape


def test_the_teacher_is_updated_without_reading_a_value():
    schedule.update_ema([empty(3)], [empty(3)], 0.9)


def test_a_meta_tensor_does_refuse_to_be_read():
    with pytest.raises((RuntimeError, NotImplementedError)):
        empty(1).item()
