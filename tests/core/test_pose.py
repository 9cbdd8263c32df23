"""Poses without place and size."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from actupose.core import pose


def random_poses(seed=0):
    draws = torch.Generator().manual_seed(seed)
    return 200 * torch.rand(5, 16, 2, generator=draws), torch.rand(5, 16, generator=draws) > 0.3


def test_a_square_is_centred_and_has_rms_distance_one():
    square = torch.tensor([[(10.0, 20.0), (14.0, 20.0), (14.0, 24.0), (10.0, 24.0)]])
    found, center, scale = pose.normalise_poses(square, torch.ones(1, 4, dtype=torch.bool))
    assert center.tolist() == [[12, 22]]
    assert scale.item() == pytest.approx(math.sqrt(8))  # every corner is (2, 2) away
    half = 1 / math.sqrt(2)
    torch.testing.assert_close(
        found, torch.tensor([[(-half, -half), (half, -half), (half, half), (-half, half)]])
    )


def test_only_visible_keypoints_set_place_and_size_but_all_annotated_are_moved():
    keypoints, visible = random_poses()
    found, center, scale = pose.normalise_poses(keypoints, visible)
    for b, xy in enumerate(keypoints.double().numpy()):
        seen = xy[visible[b].numpy()]
        mean = seen.mean(0)
        rms = np.sqrt(((seen - mean) ** 2).sum(1).mean())
        np.testing.assert_allclose(center[b].numpy(), mean, rtol=1e-5)
        assert scale[b].item() == pytest.approx(rms, rel=1e-5)
        np.testing.assert_allclose(found[b].numpy(), (xy - mean) / rms, atol=1e-5)


def test_the_pose_scaled_and_moved_back_is_the_keypoints():
    keypoints, visible = random_poses()
    found, center, scale = pose.normalise_poses(keypoints, visible)
    torch.testing.assert_close(found * scale[:, None, None] + center[:, None], keypoints)


@settings(max_examples=30, deadline=None, database=None)
@given(st.floats(0.1, 10), st.floats(-100, 100), st.floats(-100, 100))
def test_the_same_pose_elsewhere_and_larger_is_the_same_pose(factor, dx, dy):
    keypoints, visible = random_poses()
    moved = factor * keypoints + torch.tensor([dx, dy])
    torch.testing.assert_close(
        pose.normalise_poses(moved, visible)[0],
        pose.normalise_poses(keypoints, visible)[0],
        atol=1e-3,
        rtol=0,
    )


def test_keypoints_that_are_not_annotated_stay_missing():
    keypoints, visible = random_poses()
    keypoints[:, 3], visible[:, 3] = math.nan, False
    found, _, scale = pose.normalise_poses(keypoints, visible)
    assert found[:, 3].isnan().all()
    assert found[:, :3].isfinite().all()
    assert (scale > 0).all()


@pytest.mark.parametrize("shown", [0, 1])
def test_a_pose_with_fewer_than_two_visible_keypoints_is_flagged(shown):
    keypoints, visible = random_poses()
    visible[2] = torch.arange(16) < shown
    found, _, scale = pose.normalise_poses(keypoints, visible)
    assert (scale > 0).tolist() == [True, True, False, True, True]
    assert scale[2] == 0
    assert found[2].isnan().all()


def test_a_pose_in_one_place_is_flagged_even_if_its_mean_is_rounded():
    keypoints = torch.full((1, 3, 2), 0.1, dtype=torch.float64)  # three times 0.1 over three is not 0.1
    found, _, scale = pose.normalise_poses(keypoints, torch.ones(1, 3, dtype=torch.bool))
    assert scale.tolist() == [0]
    assert found.isnan().all()
