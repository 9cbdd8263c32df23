"""Angles at keypoints and the comparison of bones."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from actupose.core import affine, angles
from actupose.skeleton import BODY16


def random_poses(count, keypoints=16, seed=0):
    return 60 * torch.rand(count, keypoints, 2, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("end", "degrees"),
    [((1, 0), 0), ((1, 1), 45), ((0, 2), 90), ((-3, 3), 135), ((-1, 0), 180), ((0, -1), 90)],
)
def test_the_angle_at_the_middle_keypoint_is_the_one_on_paper(end, degrees):
    pose = torch.tensor([[(5.0, 0.0), (0.0, 0.0), end]])
    found = angles.keypoint_angles(pose, ((0, 1, 2),))
    assert found.item() == pytest.approx(math.radians(degrees), abs=1e-6)


def test_angles_equal_the_arccos_of_the_cosine():
    poses = random_poses(5)
    found = angles.keypoint_angles(poses, BODY16.triplets)
    for b, pose in enumerate(poses.double().numpy()):
        for j, (p, q, r) in enumerate(BODY16.triplets):
            u, v = pose[p] - pose[q], pose[r] - pose[q]
            expected = np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
            assert found[b, j].item() == pytest.approx(expected, abs=1e-4)


@settings(max_examples=30, deadline=None, database=None)
@given(st.floats(-3, 3), st.floats(0.5, 2), st.booleans())
def test_angles_do_not_change_when_the_pose_is_moved_turned_scaled_or_mirrored(rotation, scale, flip):
    poses = random_poses(3).double()
    number = torch.ones(3, dtype=torch.float64)
    pair = torch.full((3, 2), 7.0, dtype=torch.float64)
    matrix = affine.affine_matrix(
        pair, rotation * number, 0 * number, pair, scale * number, torch.tensor([flip] * 3)
    )
    moved = affine.transform_points(poses, matrix)
    torch.testing.assert_close(
        angles.keypoint_angles(moved, BODY16.triplets), angles.keypoint_angles(poses, BODY16.triplets)
    )


def test_an_angle_is_missing_where_a_keypoint_is_missing_or_a_segment_has_no_length():
    pose = torch.tensor([[(0.0, 0.0), (0.0, 0.0), (1.0, 0.0), (math.nan, math.nan), (1.0, 1.0)]])
    found = angles.keypoint_angles(pose, ((0, 1, 2), (1, 2, 3), (1, 2, 4), (3, 2, 4)))
    assert found.isnan().tolist() == [[True, True, False, True]]


def test_a_triplet_is_visible_with_all_three_keypoints():
    visible = torch.tensor([[True, True, True, False]])
    assert angles.triplets_visible(visible, ((0, 1, 2), (1, 2, 3), (3, 2, 1), (1, 3, 2))).tolist() == [
        [True, False, False, False]
    ]


def test_the_angular_difference_is_the_norm_over_the_number_of_triplets():
    a = torch.tensor([[0.0, 0.0, 0.0]])
    b = torch.tensor([[3.0, 4.0, 100.0]])
    valid = torch.tensor([[True, True, False]])
    # The root of 3^2 + 4^2, over two triplets.
    assert angles.mean_angular_difference(a, b, valid).item() == pytest.approx(2.5)


def test_a_missing_angle_of_either_pose_takes_no_part():
    a = torch.tensor([[math.nan, 1.0, 2.0], [0.0, 0.0, 0.0]])
    b = torch.tensor([[5.0, math.nan, 3.0], [1.0, 1.0, 1.0]])
    valid = torch.ones(2, 3, dtype=torch.bool)
    found = angles.mean_angular_difference(a, b, valid)
    # (0,0): third only: 1 / 1; (0,1): 0 and 1: 1 / 2; (1,0): 5 and 3: sqrt(34) / 2; (1,1): sqrt(3) / 3
    expected = torch.tensor([[1.0, 0.5], [math.sqrt(34) / 2, math.sqrt(3) / 3]])
    torch.testing.assert_close(found, expected)


def test_a_pair_without_a_common_triplet_has_no_difference():
    a = torch.tensor([[math.nan, 1.0], [1.0, 1.0]])
    b = torch.tensor([[1.0, 1.0]])
    found = angles.mean_angular_difference(a, b, torch.tensor([[True, False]]))
    assert found[0, 0].isnan()
    assert found[1, 0] == 0


def test_bones_are_compared_by_direction_alone():
    pred = torch.tensor([[(0.0, 0.0), (2.0, 0.0), (2.0, 5.0)]])
    true = torch.tensor([[(9.0, 9.0), (9.5, 9.0), (9.5, 8.0)]])
    # The first points right in both; the second down against up.
    cosine, is_defined = angles.bone_cosines(pred, true, ((0, 1), (1, 2)))
    torch.testing.assert_close(cosine, torch.tensor([[1.0, -1.0]]))
    assert is_defined.all()


def test_a_bone_without_length_has_cosine_zero_and_counts_only_if_the_true_one_has_length():
    point, line = [(1.0, 1.0), (1.0, 1.0)], [(0.0, 0.0), (1.0, 0.0)]
    missing = [(math.nan, math.nan), (1.0, 0.0)]
    pred = torch.tensor([point, line, line, missing])
    true = torch.tensor([line, point, missing, line])
    cosine, is_defined = angles.bone_cosines(pred, true, ((0, 1),))
    assert cosine.flatten().tolist() == [0, 0, 0, 0]
    assert is_defined.flatten().tolist() == [True, False, False, True]
