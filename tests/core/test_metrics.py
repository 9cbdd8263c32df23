"""PCK in both arithmetics and EvalPose in both definitions, on values worked out by hand."""

import math

import numpy as np
import pytest
import torch

from actupose.core import heatmap, metrics
from actupose.core.rng import generator
from actupose.skeleton import BODY16

BORDER, INSIDE = (1, 30), (30, 30)


def shown(*shape):
    return torch.ones(*shape, dtype=torch.bool)


def cells(*places, width=64):
    """One sample a place (x, y), one keypoint."""
    return torch.tensor([[y * width + x] for x, y in places])


def maps_at(*places, size=64):
    """One map a place, as the reference draws it: a lone peak; None is a map of zeros."""
    maps = torch.zeros(len(places), 1, size, size)
    for sample, place in enumerate(places):
        if place is not None:
            maps[sample, 0, place[1], place[0]] = 1
    return maps


def test_pck_counts_offsets_under_the_radius():
    true = torch.full((4, 1, 2), 50.0)
    pred = true + torch.tensor([[[3.0, 4.0]], [[3.0, 3.9]], [[0.0, 0.0]], [[-30.0, 0.0]]])
    # Radius 0.05 * 100 = 5: the (3, 4) offset lies on it and is wrong.
    assert metrics.pck(pred, true, shown(4, 1), 100).tolist() == [0.5]
    assert metrics.pck(pred, true, shown(4, 1), 100, threshold=0.06).tolist() == [0.75]


def test_pck_pools_the_visible_samples_of_each_keypoint():
    pred, true = torch.zeros(3, 3, 2), torch.zeros(3, 3, 2)
    pred[0] = 90.0
    visible = torch.tensor([[True, True, False], [True, False, False], [True, False, False]])
    found = metrics.pck(pred, true, visible, 100)
    assert found[:2].tolist() == pytest.approx([2 / 3, 0])
    assert found[2].isnan()


def test_a_missing_prediction_is_wrong_and_a_missing_label_is_not_asked_for():
    true = torch.tensor([[[5.0, 5.0], [math.nan, math.nan]]])
    pred = torch.tensor([[[math.nan, math.nan], [5.0, 5.0]]])
    visible = torch.tensor([[True, False]])
    assert metrics.pck(pred, true, visible, 100)[0] == 0
    assert metrics.keypoint_accuracy(pred, true, visible, 100).tolist() == [0]


def test_keypoint_accuracy_is_the_fraction_right_of_each_pose():
    pred, true = torch.zeros(3, 4, 2), torch.zeros(3, 4, 2)
    pred[0, 1:] = 50.0
    visible = torch.tensor([[True, True, True, False], [True, True, True, True], [False] * 4])
    found = metrics.keypoint_accuracy(pred, true, visible, 100)
    assert found[:2].tolist() == pytest.approx([1 / 3, 1])
    assert found[2].isnan()


@pytest.mark.parametrize(
    ("offset", "right"), [((3, 1), 1), ((3, 2), 0), ((0, 3), 1), ((0, 4), 0), ((-2, -2), 1), ((-3, 2), 0)]
)
def test_tllib_counts_less_than_three_point_two_cells_of_sixty_four(offset, right):
    pred = cells((30 + offset[0], 30 + offset[1]))
    assert metrics.pck_tllib_from_cells(pred, cells(INSIDE), (64, 64)).item() == right


def test_tllib_does_not_count_a_distance_of_exactly_half():
    # 40 cells: the norm is 4, two cells are 0.5.
    pred, true = cells((12, 10), (11, 10), width=40), cells((10, 10), (10, 10), width=40)
    assert metrics.pck_tllib_from_cells(pred, true, (40, 40)).item() == 0.5


@pytest.mark.parametrize("place", [(0, 30), (1, 30), (30, 0), (30, 1)])
def test_tllib_drops_labels_in_the_first_two_rows_and_columns(place):
    right_and_wrong = cells(INSIDE, place)
    found = metrics.pck_tllib_from_cells(cells(INSIDE, (50, 50)), right_and_wrong, (64, 64))
    assert found.item() == 1  # the wrong one is not scored


@pytest.mark.parametrize("place", [(2, 30), (30, 2), (63, 63)])
def test_tllib_keeps_labels_from_the_third_row_and_column_to_the_far_border(place):
    assert metrics.pck_tllib_from_cells(cells((30, 10)), cells(place), (64, 64)).item() == 0
    assert metrics.pck_tllib_from_cells(cells(place), cells(place), (64, 64)).item() == 1


def test_tllib_reads_a_prediction_without_a_positive_peak_as_the_first_cell():
    true = cells((2, 2), INSIDE)
    flat = torch.tensor([[-1], [-1]])
    # (0, 0) is 2.83 cells from (2, 2): right by luck, as in the reference; and far from the other.
    assert metrics.pck_tllib_from_cells(flat, true, (64, 64)).item() == 0.5


def test_tllib_does_not_score_an_empty_label():
    true = torch.tensor([[-1], [30 * 64 + 30]])
    assert metrics.pck_tllib_from_cells(cells(INSIDE, INSIDE), true, (64, 64)).item() == 1


def test_tllib_averages_batches_by_their_size_and_not_by_what_they_score():
    # Batches of 2: (right, not scored), (wrong, wrong), (right alone): fractions 1, 0, 1 weigh 2, 2, 1.
    true = cells(INSIDE, BORDER, INSIDE, INSIDE, INSIDE)
    pred = cells(INSIDE, INSIDE, (50, 50), (50, 50), INSIDE)
    found = metrics.pck_tllib_from_cells(pred, true, (64, 64), batch_size=2)
    assert found.item() == pytest.approx((2 * 1 + 2 * 0 + 1 * 1) / 5)
    assert metrics.pck_tllib_from_cells(pred, true, (64, 64), batch_size=5).item() == pytest.approx(2 / 4)


def test_tllib_skips_a_batch_that_does_not_score_the_keypoint():
    true = cells(BORDER, BORDER, INSIDE, INSIDE)
    pred = cells(INSIDE, INSIDE, INSIDE, (50, 50))
    assert metrics.pck_tllib_from_cells(pred, true, (64, 64), batch_size=2).item() == 0.5


def test_tllib_gives_zero_to_a_keypoint_that_is_never_scored():
    assert metrics.pck_tllib_from_cells(cells(BORDER), cells(BORDER), (64, 64)).item() == 0


def test_tllib_divides_x_by_the_height_as_the_reference_does():
    # 40 rows, 80 columns: 3 cells in x are 3 / 4 too far, 3 cells in y are 3 / 8 near.
    def offset(dx, dy):
        pred, true = cells((20 + dx, 20 + dy), width=80), cells((20, 20), width=80)
        return metrics.pck_tllib_from_cells(pred, true, (40, 80)).item()

    assert [offset(3, 0), offset(0, 3)] == [0, 1]


def test_tllib_on_heat_maps_reads_cells_and_calls_a_zero_map_invisible():
    true = maps_at(INSIDE, None, INSIDE)
    pred = maps_at((31, 32), (5, 5), None)
    assert metrics.pck_tllib(pred, true).item() == 0.5
    assert metrics.pck_tllib(-maps_at(INSIDE) - 1, maps_at(INSIDE)).item() == 0


def reference_pck(pred, true, batch_size):
    """The public code's loops, written from its description (facts/regda_data_metrics.md 3)."""

    def coordinates(maps):
        flat = maps.reshape(*maps.shape[:2], -1)
        index, peak = flat.argmax(-1), flat.max(-1)
        xy = np.stack([index % maps.shape[3], index // maps.shape[3]], -1).astype(np.float32)
        return xy * (peak > 0)[..., None]

    total, count = np.zeros(pred.shape[1]), np.zeros(pred.shape[1])
    for start in range(0, len(pred), batch_size):
        p, t = coordinates(pred[start : start + batch_size]), coordinates(true[start : start + batch_size])
        norm = np.array(pred.shape[2:]) / 10
        for k in range(pred.shape[1]):
            distances = [
                np.linalg.norm(p[n, k] / norm - t[n, k] / norm)
                for n in range(len(p))
                if t[n, k, 0] > 1 and t[n, k, 1] > 1
            ]
            if distances:
                total[k] += len(p) * np.mean([d < 0.5 for d in distances])
                count[k] += len(p)
    return np.where(count > 0, total / np.maximum(count, 1), 0)


def test_tllib_agrees_with_the_loops_of_the_public_code():
    draws = generator(0, "metrics")
    true_points = 66 * torch.rand(75, 6, 2, generator=draws) - 1
    true_points[torch.rand(75, 6, generator=draws) < 0.2] = math.nan
    true_points[:, 5] = math.nan
    pred_points = true_points + 2.5 * torch.randn(75, 6, 2, generator=draws)
    true = heatmap.render_gaussians(true_points.round(), (64, 64), 2.0)
    pred = heatmap.render_gaussians(pred_points.nan_to_num(nan=9.0), (64, 64), 2.0)
    pred[torch.rand(75, 6, generator=draws) < 0.1] *= -1
    found = metrics.pck_tllib(pred, true, batch_size=32)
    np.testing.assert_allclose(found.numpy(), reference_pck(pred.numpy(), true.numpy(), 32), atol=1e-6)


def test_evalpose_by_bones_is_the_mean_cosine_of_the_visible_bones():
    bones = ((0, 1), (1, 2), (2, 3))
    true = torch.tensor([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (5.0, 5.0)]).repeat(2, 1, 1)
    pred = torch.tensor([(0.0, 0.0), (3.0, 0.0), (4.0, 1.0), (0.0, 0.0)]).repeat(2, 1, 1)
    visible = torch.tensor([[True, True, True, False], [True, False, True, False]])
    found = metrics.evalpose_bone(pred, true, visible, bones)
    assert found[0].item() == pytest.approx((1 + 1 / math.sqrt(2)) / 2)
    assert found[1].isnan()


def test_evalpose_by_bones_does_not_reward_a_collapsed_prediction():
    true = 50 * torch.rand(1, 16, 2, generator=generator(0, "pose"))
    found = metrics.evalpose_bone(torch.full((1, 16, 2), 20.0), true, shown(1, 16), BODY16.bones)
    assert found.item() == 0


def test_evalpose_by_angles_is_the_cosine_of_the_angle_vectors():
    # Angles at keypoint 1 and 2. True: 90 and 90 degrees; predicted: 90 and 180 degrees.
    true = torch.tensor([[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]])
    pred = torch.tensor([[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (1.0, 2.0)]])
    triplets = ((0, 1, 2), (1, 2, 3))
    # (1, 1) . (1, 2) / (sqrt 2 sqrt 5)
    found = metrics.evalpose_angle(pred, true, shown(1, 4), triplets)
    assert found.item() == pytest.approx(3 / math.sqrt(10))
    only_first = torch.tensor([[True, True, True, False]])
    assert metrics.evalpose_angle(pred, true, only_first, triplets).item() == pytest.approx(1)


def test_evalpose_by_angles_is_missing_without_a_visible_triplet_and_zero_for_a_collapsed_prediction():
    true = 50 * torch.rand(2, 16, 2, generator=generator(0, "pose"))
    visible = shown(2, 16)
    visible[1] = False
    found = metrics.evalpose_angle(torch.zeros(2, 16, 2), true, visible, BODY16.triplets)
    assert found[0] == 0
    assert found[1].isnan()


@pytest.mark.parametrize("metric", ["bone", "angle"])
def test_evalpose_of_a_shifted_and_scaled_pose_is_one(metric):
    true = 50 * torch.rand(3, 16, 2, generator=generator(0, "pose"))
    if metric == "bone":
        found = metrics.evalpose_bone(2 * true - 9, true, shown(3, 16), BODY16.bones)
    else:
        found = metrics.evalpose_angle(2 * true - 9, true, shown(3, 16), BODY16.triplets)
    torch.testing.assert_close(found, torch.ones(3))


def test_a_missing_label_outside_the_visible_takes_no_part_in_evalpose():
    true = 50 * torch.rand(1, 16, 2, generator=generator(0, "pose"))
    pred, visible = true + 3, shown(1, 16)
    true[0, 0] = math.nan
    visible[0, 0] = False
    assert metrics.evalpose_bone(pred, true, visible, BODY16.bones).item() == pytest.approx(1)
    assert metrics.evalpose_angle(pred, true, visible, BODY16.triplets).item() == pytest.approx(1)


def test_a_group_is_the_mean_of_its_known_keypoints():
    values = torch.tensor([0.5, math.nan, 1.0, math.nan])
    found = metrics.group_means(values, {"ends": (0, 2), "half": (1, 2), "none": (1, 3)})
    assert found["ends"] == 0.75
    assert found["half"] == 1
    assert math.isnan(found["none"])
