"""Six poses of 100 pixels; a keypoint is right if it is nearer than 5 pixels."""

import math

import pytest
import torch
from tiny_domains import STANDING

from actupose.evaluation.summary import NO_BIN, Truth, pck_all, per_bin_table, pose_errors, summarise
from actupose.skeleton import BODY16

SIDE, NUM = 100, 6
ANKLE, WRIST, HEAD = BODY16.index("right_ankle"), BODY16.index("left_wrist"), BODY16.index("head_top")


def truth(**changes) -> Truth:
    keypoints = torch.from_numpy(STANDING * 3).expand(NUM, 16, 2).clone()
    values = {
        "keypoints": keypoints,
        "visible": torch.ones(NUM, 16, dtype=torch.bool),
        "bins": torch.arange(NUM),
        "num_bins": NUM,
        "skeleton": BODY16,
        "image_size": SIDE,
        "threshold": 0.05,
        "heatmap_side": 50,
        "sigma": 1.5,
    }
    return Truth(**(values | changes))


def test_a_perfect_prediction_is_right_everywhere():
    labels = truth()
    result = summarise(labels.keypoints, labels.cells(), labels)
    assert set(result["pck"]) == {"shoulder", "elbow", "wrist", "hip", "knee", "ankle", "all"}
    assert set(result["pck"].values()) == set(result["pck_tllib"].values()) == {1.0}
    assert result["evalpose_bone"] == pytest.approx(1) and result["evalpose_angle"] == pytest.approx(1)
    assert result["pck_all_hardest_third"] == 1


def test_a_keypoint_is_right_strictly_within_the_threshold():
    labels = truth()
    predicted = labels.keypoints.clone()
    predicted[0, ANKLE, 0] += 4.9
    predicted[1, ANKLE, 0] += 5.0
    predicted[2, ANKLE] += torch.tensor([4.0, 4.0])  # 5.66 pixels
    result = summarise(predicted, labels.cells(), labels)
    # right ankle 4 of 6, left ankle 6 of 6
    assert result["pck"]["ankle"] == pytest.approx((4 / 6 + 1) / 2)
    assert result["pck"]["all"] == pytest.approx((11 + 4 / 6) / 12)
    assert result["pck"]["wrist"] == 1
    assert result["pck_tllib"]["all"] == 1  # it looks at the cells alone


def test_the_head_counts_for_no_group():
    labels = truth()
    predicted = labels.keypoints.clone()
    predicted[:, HEAD] += 50
    assert summarise(predicted, labels.cells(), labels)["pck"]["all"] == 1
    errors = pose_errors(predicted, labels)
    assert errors.accuracy.tolist() == pytest.approx([15 / 16] * NUM)
    assert errors.bone.max() < 1


def test_the_accuracy_of_a_keypoint_is_pooled_over_the_samples_that_show_it():
    labels = truth()
    labels.visible[:, ANKLE] = torch.tensor([True, True, True, False, False, False])
    predicted = labels.keypoints.clone()
    predicted[2:, ANKLE] += 20
    result = summarise(predicted, labels.cells(), labels)
    assert result["pck"]["ankle"] == pytest.approx((2 / 3 + 1) / 2)


def test_the_hardest_third_are_the_last_bins():
    labels = truth()  # bins 4 and 5 of 6
    predicted = labels.keypoints.clone()
    predicted[4] += 50
    predicted[0] += 50
    result = summarise(predicted, labels.cells(), labels)
    assert result["pck_all_hardest_third"] == pytest.approx(0.5)
    assert result["pck"]["all"] == pytest.approx(4 / 6)


def test_of_25_bins_the_hardest_third_are_eight_and_samples_without_a_bin_are_none():
    labels = truth(bins=torch.tensor([16, 17, 24, NO_BIN, 0, 8]), num_bins=25)
    predicted = labels.keypoints.clone()
    predicted[[0, 3, 4, 5]] += 50
    assert summarise(predicted, labels.cells(), labels)["pck_all_hardest_third"] == 1
    predicted[1] += 50
    assert summarise(predicted, labels.cells(), labels)["pck_all_hardest_third"] == pytest.approx(0.5)


def test_the_literatures_arithmetic_looks_at_whole_cells():
    labels = truth()
    cells = labels.cells()
    # STANDING * 3 has the right ankle at (33, 84): (33.5 / 2 - 0.5, ...) = (16.25, 41.75): cell (16, 42)
    assert cells[0, ANKLE] == 42 * 50 + 16
    moved = cells.clone()
    moved[:3, ANKLE] += 2  # 2 cells of 50: 0.04 of the side
    moved[3:, ANKLE] += 3  # 0.06
    assert summarise(labels.keypoints, moved, labels)["pck_tllib"]["ankle"] == pytest.approx((0.5 + 1) / 2)


def test_hidden_labels_have_no_cell():
    labels = truth()
    labels.visible[1, WRIST] = False
    labels.keypoints[1, WRIST] = torch.nan
    cells = labels.cells()
    assert cells[1, WRIST] == -1
    assert (cells >= 0).sum() == NUM * 16 - 1


def test_the_table_of_bins_by_hand():
    labels = truth(bins=torch.tensor([0, 0, 0, 2, 2, NO_BIN]), num_bins=3)
    predicted = labels.keypoints.clone()
    predicted[0, ANKLE] += 50
    predicted[3] = predicted[3] + 50  # moved as a whole: every place wrong, every bone and angle right
    rows = per_bin_table(predicted, labels).to_pylist()
    assert [row["bin"] for row in rows] == [0, 1, 2]
    assert [row["count"] for row in rows] == [3, 0, 2]
    assert rows[0]["keypoint_accuracy"] == pytest.approx((15 / 16 + 1 + 1) / 3)
    assert rows[0]["pck_all"] == pytest.approx((11 + 2 / 3) / 12)
    assert rows[2]["keypoint_accuracy"] == rows[2]["pck_all"] == pytest.approx(0.5)
    assert rows[2]["evalpose_bone"] == pytest.approx(1) and rows[2]["evalpose_angle"] == pytest.approx(1)
    assert all(math.isnan(value) for name, value in rows[1].items() if name not in ("bin", "count"))


def test_a_pose_turned_by_a_quarter_has_its_angles_right_and_its_bones_wrong():
    labels = truth()
    x, y = labels.keypoints.unbind(-1)
    turned = torch.stack((-y, x), -1)
    errors = pose_errors(turned, labels)
    torch.testing.assert_close(errors.angle, torch.ones(NUM))
    torch.testing.assert_close(errors.bone, torch.zeros(NUM), atol=1e-6, rtol=0)


def test_what_is_unknown_is_null_and_not_zero():
    labels = truth(visible=torch.zeros(NUM, 16, dtype=torch.bool))
    assert not labels.labelled
    result = summarise(labels.keypoints, labels.cells(), labels)
    assert result["pck"]["all"] is None
    assert result["evalpose_bone"] is None and result["evalpose_angle"] is None
    assert result["pck_all_hardest_third"] is None
    assert math.isnan(pck_all(labels.keypoints, labels))
