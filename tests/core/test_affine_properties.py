"""What holds for any view, any pose and any crop: pixels, points and matrices stay together."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from actupose.core.affine import affine_matrix, crop_matrix, invert, transform_points, warp
from actupose.core.heatmap import render_gaussians
from actupose.core.pose import normalise_poses

SIDE = 64
few = settings(max_examples=40)


def view_matrix(rotation, shear, translate, scale, flip):
    """(1, 3, 3) of a view about the middle of the square."""
    one = torch.ones(1, dtype=torch.float64)
    middle = torch.full((1, 2), (SIDE - 1) / 2, dtype=torch.float64)
    shift = torch.tensor([translate], dtype=torch.float64)
    return affine_matrix(middle, rotation * one, shear * one, shift, scale * one, torch.tensor([flip]))


views = st.builds(
    view_matrix,
    rotation=st.floats(-math.pi, math.pi),
    shear=st.floats(-0.5, 0.5),
    translate=st.tuples(st.floats(-4, 4), st.floats(-4, 4)),
    scale=st.floats(0.7, 1.4),
    flip=st.booleans(),
)
places = st.tuples(st.floats(24, 39), st.floats(24, 39))


@few
@given(views, places)
def test_a_drawn_gaussian_is_warped_to_where_its_centre_is_moved(matrix, place):
    keypoint = torch.tensor([[place]], dtype=torch.float64)
    warped = warp(render_gaussians(keypoint, (SIDE, SIDE), 2.0), matrix, (SIDE, SIDE))[0, 0]
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    mass = warped.sum()
    centroid = torch.stack([(columns * warped).sum(), (rows * warped).sum()]) / mass
    torch.testing.assert_close(centroid, transform_points(keypoint, matrix)[0, 0], atol=0.05, rtol=0)


@few
@given(views, views, st.lists(places, min_size=1, max_size=5))
def test_a_view_of_a_view_is_undone_in_the_other_order(first, second, points):
    start = torch.tensor([points], dtype=torch.float64)
    seen = transform_points(transform_points(start, first), second)
    back = transform_points(transform_points(seen, invert(second)), invert(first))
    torch.testing.assert_close(back, start, atol=1e-9, rtol=0)
    torch.testing.assert_close(transform_points(seen, invert(second @ first)), start, atol=1e-9, rtol=0)


@few
@given(st.integers(0, 30), st.integers(0, 30), st.integers(2, 34), st.integers(8, 128))
def test_the_edges_of_any_crop_become_the_edges_of_the_square(left, upper, side, out_side):
    matrix = crop_matrix(
        torch.tensor([[left, upper]], dtype=torch.float64),
        torch.tensor([side], dtype=torch.float64),
        out_side,
    )
    corners = torch.tensor([[[left, upper], [left + side, upper + side]]], dtype=torch.float64) - 0.5
    expected = torch.tensor([[[-0.5, -0.5], [out_side - 0.5, out_side - 0.5]]], dtype=torch.float64)
    torch.testing.assert_close(transform_points(corners, matrix), expected, atol=1e-9, rtol=0)


coordinates = st.floats(-500, 500, width=32)
poses = st.lists(st.tuples(coordinates, coordinates, st.booleans()), min_size=2, max_size=21)


@settings(max_examples=100)
@given(poses)
def test_a_normalised_pose_has_mean_zero_and_rms_one_and_is_the_pose_again(points):
    keypoints = torch.tensor([[point[:2] for point in points]], dtype=torch.float64)
    visible = torch.tensor([[point[2] for point in points]])
    pose, center, scale = normalise_poses(keypoints, visible)
    shown = keypoints[visible]
    if not scale > 0:
        assert len(shown) < 2 or (shown - shown[0]).abs().max() < 1e-5
        assert pose.isnan().all()
        return
    np.testing.assert_allclose(pose[visible].mean(dim=0), 0, atol=1e-6)
    np.testing.assert_allclose(pose[visible].square().sum(dim=1).mean(), 1, rtol=1e-9)
    torch.testing.assert_close(pose * scale + center, keypoints, atol=1e-6, rtol=0)
