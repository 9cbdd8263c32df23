import math

import pytest
import torch

from actupose.core.heatmap import render_gaussians
from actupose.nets.pose_task import PoseTask, flip_permutation
from actupose.params import HeatmapParams
from actupose.skeleton import BODY16

PERMUTATION = flip_permutation(BODY16)


def task(loss="mse"):
    return PoseTask(BODY16, 64, HeatmapParams(sigma=1.5, loss=loss, decode="dark"), PERMUTATION)


def test_left_and_right_change_places_and_the_middle_stays():
    for index, name in enumerate(BODY16.keypoints):
        partner = name
        if name.startswith("left_"):
            partner = "right_" + name.removeprefix("left_")
        elif name.startswith("right_"):
            partner = "left_" + name.removeprefix("right_")
        assert BODY16.keypoints[PERMUTATION[index]] == partner
    assert torch.equal(PERMUTATION[PERMUTATION], torch.arange(16))


def test_pixels_become_cells_with_aligned_centres():
    # 64 px on 16 cells: cell 0 covers pixels 0..3, its centre is 1.5 px.
    cells = task().cells(torch.tensor([[[1.5, 61.5], [31.5, 0.0]]]), 16)
    torch.testing.assert_close(cells, torch.tensor([[[0.0, 15.0], [7.5, -0.375]]]))


def test_the_loss_of_the_drawn_labels_is_nothing_and_masked_keypoints_take_no_part():
    keypoints = 8 + 48 * torch.rand(2, 16, 2, generator=torch.Generator().manual_seed(0))
    raw = render_gaussians(task().cells(keypoints, 16), (16, 16), 1.5)
    keep = torch.ones(2, 16, dtype=torch.bool)
    assert task().heatmap_loss(raw, keypoints, keep) == pytest.approx(0, abs=1e-12)
    raw[0, 3] = 9.0
    keep[0, 3] = False
    assert task().heatmap_loss(raw, keypoints, keep) == pytest.approx(0, abs=1e-12)


def test_the_mse_loss_of_a_flat_map_by_hand():
    # One kept keypoint, map of 2 x 2 cells, label in the middle of the first: distances 0, 1, 1, sqrt 2.
    keypoints = torch.full((1, 16, 2), 15.5)
    keep = torch.zeros(1, 16, dtype=torch.bool)
    keep[0, 5] = True
    near, far = math.exp(-1 / 4.5), math.exp(-2 / 4.5)
    expected = 0.5 * (1 + 2 * near**2 + far**2) / 4
    assert float(task().heatmap_loss(torch.zeros(1, 16, 2, 2), keypoints, keep)) == pytest.approx(
        expected, rel=1e-6
    )


def test_the_kl_loss_of_the_drawn_labels_logarithm_is_nothing():
    keypoints = torch.full((1, 16, 2), 30.0)
    drawn = render_gaussians(task().cells(keypoints, 16), (16, 16), 1.5)
    keep = torch.ones(1, 16, dtype=torch.bool)
    assert float(task("kl").heatmap_loss(drawn.clamp(min=1e-30).log(), keypoints, keep)) == pytest.approx(
        0, abs=1e-5
    )


def test_evalpose_is_minus_one_where_prediction_and_label_agree_and_one_where_they_are_opposite():
    generator = torch.Generator().manual_seed(0)
    keypoints = 16 + 32 * torch.rand(1, 16, 2, generator=generator)
    keep = torch.ones(1, 16, dtype=torch.bool)
    for loss in ("mse", "kl"):
        one = task(loss)
        drawn = render_gaussians(one.cells(keypoints, 32), (32, 32), 1.5)
        raw = drawn if loss == "mse" else drawn.clamp(min=1e-30).log()
        assert float(one.evalpose(raw, keypoints, keep)) == pytest.approx(-1, abs=1e-3)
        mirrored = 63 - keypoints  # turned by half a turn about the middle
        assert float(one.evalpose(raw, mirrored, keep)) == pytest.approx(1, abs=1e-3)
