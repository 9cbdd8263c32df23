"""``fidelity: reference``: the public code's losses and its misplaced patch, seen from outside."""

from dataclasses import replace

import pytest
import torch
from tiny_domains import random_images
from tiny_methods import UNMIRRORED, build, target_terms, tiny_run
from torch import nn

from actupose.core.pseudo_label import draw_occlusion
from actupose.core.rng import generator
from actupose.data.augment import keypoints_in_view, render_view
from actupose.methods._teaching import OcclusionParams
from actupose.methods.reference.mean_teacher import BasePseudoLabels, ReferenceMeanTeacher
from actupose.nets.pose_model import PoseModel
from actupose.nets.pose_resnet import PoseOutput
from actupose.params import HeatmapParams, ViewParams
from actupose.training.method import model_info

SIDE, CELLS, STRIDE = 256, 64, 4
STILL = {"rotation": 0, "shear": 0, "translate": 0, "scale": [1, 1], "flip": 0, "color": 0, "blur": 0}


def mean_teacher(mask_ratio=0.0, **view) -> ReferenceMeanTeacher:
    run = tiny_run("udape", methods__udape__fidelity="reference", **UNMIRRORED)
    occlusion = OcclusionParams(rate=0.0 if not view else 1.0, threshold=0.5, size=0.04)
    ranges = ViewParams.model_validate(STILL | view)
    updates = {
        "image_size": SIDE,
        "heatmap": HeatmapParams(sigma=2.0, loss="mse", decode="argmax"),
        "augment": run.augment.model_copy(
            update={"student": ranges, "teacher": ranges, "crop_area": (1.0, 1.0)}
        ),
        "method": run.method.model_copy(update={"mask_ratio": mask_ratio, "occlusion": occlusion}),
    }
    return build(run.model_copy(update=updates))


class Says(nn.Module):
    """The same maps for every image."""

    def __init__(self, maps: torch.Tensor) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, images: torch.Tensor) -> PoseOutput:
        return PoseOutput(self.maps.expand(len(images), -1, -1, -1), images.mean((2, 3)), images)


def test_the_loss_is_the_mean_square_over_all_maps_the_dropped_ones_too():
    peaks = torch.zeros(1, 16, CELLS, CELLS)
    peaks[0, :, 30, 20] = torch.linspace(
        0.1, 0.85, 16
    )  # half of 64 confidences, one image four times: 8 keypoints
    student, images = Says(torch.zeros(1, 16, CELLS, CELLS)), random_images(4, SIDE)
    terms = target_terms(mean_teacher(mask_ratio=0.5), student, Says(peaks), images)
    # Of each kept map the drawn Gaussian's square: its sum is close to pi sigma^2.
    assert terms["kept"].item() == 0.5
    assert terms["consistency"].item() == pytest.approx(0.5 * torch.pi * 4 / CELLS**2, rel=1e-3)


def test_a_map_without_a_positive_cell_points_to_the_corner():
    method, images = mean_teacher(), random_images(2, SIDE)
    method.teacher = Says(torch.full((1, 16, CELLS, CELLS), -1.0))
    pseudo = method.pseudo_labels([images / 255], method.draw_views(0, images))
    assert torch.equal(pseudo.keypoints_base, torch.zeros(2, 16, 2))


def test_the_patch_misses_its_keypoint_by_three_quarters_of_the_translation():
    method = mean_teacher(translate=0.05)
    images, count = random_images(40, SIDE), 40
    views = method.draw_views(0, images)
    view = views.student
    keypoints = torch.full((count, 16, 2), 128.0)
    confidence = torch.zeros(count, 16)
    confidence[:, 3] = 0.9
    nothing = torch.zeros(count, 1)
    pseudo = BasePseudoLabels(confidence, confidence > 0, nothing, nothing, nothing > 0, keypoints, STRIDE)
    seen = render_view(images, view, blurred=False)
    # Two generators take the patch's content from two places: what differs is the patch.
    first, second = (
        method._cover(seen, pseudo, replace(views, occlusion=draws))
        for draws in (
            draw_occlusion(count, 16, SIDE, generator(seed, "x"), torch.device("cpu")) for seed in (1, 2)
        )
    )
    places = keypoints_in_view(keypoints, view, method.student.task.permutation)[:, 3]
    misses = []
    for mask, place in zip((first != second).any(dim=1), places, strict=True):
        y, x = mask.nonzero().unbind(1)
        centre = torch.stack((x.min() + x.max() + 1, y.min() + y.max() + 1)) / 2
        misses.append(centre - place)
    expected = -0.75 * views.student_draws.translate
    torch.testing.assert_close(torch.stack(misses), expected, atol=1.5, rtol=0)
    assert expected.norm(dim=1).mean() > 5


def test_labels_of_the_source_are_whole_cells_and_dropped_ones_stay_in_the_mean():
    task = mean_teacher().student.task
    keypoints, keep = torch.full((1, 16, 2), 81.0), torch.zeros(1, 16, dtype=torch.bool)
    keep[0, :4] = True
    raw = torch.zeros(1, 16, CELLS, CELLS)
    loss = task.heatmap_loss(raw, keypoints, keep)
    assert loss.item() == pytest.approx(0.25 * 0.5 * torch.pi * 4 / CELLS**2, rel=1e-3)
    raw[0, :, 20, 20] = 1  # 81 / 4 + 0.5 is truncated to 20
    assert task.heatmap_loss(raw, keypoints, keep) < loss


def test_models_of_the_reference_kind_decode_to_whole_cells_times_the_stride():
    run = tiny_run("udape", methods__udape__fidelity="reference", **UNMIRRORED)
    method = build(run)
    assert type(method) is ReferenceMeanTeacher
    model = PoseModel(method.predictor(4), model_info(run)).eval()
    prediction = model(torch.rand(1, 3, 32, 32))
    assert torch.equal(prediction.keypoints, prediction.keypoints.round())
    cells = torch.stack((prediction.cell % 16, prediction.cell // 16), -1)
    assert torch.equal(prediction.keypoints, 2.0 * cells)
