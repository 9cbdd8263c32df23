"""One matrix moves points and images alike; pixel centres are integers."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from torch.autograd import gradcheck

from actupose.core import affine, heatmap


def one_matrix(center=(0.0, 0.0), rotation=0.0, shear=0.0, translate=(0.0, 0.0), scale=1.0, flip=False):
    return affine.affine_matrix(
        torch.tensor([center], dtype=torch.float64),
        torch.tensor([rotation], dtype=torch.float64),
        torch.tensor([shear], dtype=torch.float64),
        torch.tensor([translate], dtype=torch.float64),
        torch.tensor([scale], dtype=torch.float64),
        torch.tensor([flip]),
    )


def points(*xy):
    return torch.tensor([xy], dtype=torch.float64)


matrices = st.builds(
    one_matrix,
    center=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    rotation=st.floats(-math.pi, math.pi),
    shear=st.floats(-1, 1),
    translate=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
    scale=st.floats(0.5, 2),
    flip=st.booleans(),
)
few = settings(max_examples=40, deadline=None, database=None)


@few
@given(matrices)
def test_points_moved_and_moved_back_are_where_they_were(matrix):
    start = points((0, 0), (3, -7), (120.5, 64))
    back = affine.transform_points(affine.transform_points(start, matrix), affine.invert(matrix))
    torch.testing.assert_close(back, start, atol=1e-9, rtol=0)


@few
@given(matrices, matrices)
def test_a_product_of_matrices_moves_as_one_after_the_other(first, second):
    start = points((0, 0), (3, -7), (120.5, 64))
    in_turn = affine.transform_points(affine.transform_points(start, first), second)
    torch.testing.assert_close(affine.transform_points(start, second @ first), in_turn, atol=1e-9, rtol=0)


@few
@given(
    st.floats(-3, 3), st.floats(-1, 1), st.floats(0.5, 2), st.booleans(), st.floats(-9, 9), st.floats(-9, 9)
)
def test_a_view_follows_the_formula_of_udape(rotation, shear, scale, flip, x, y):
    center, translate = np.array([12.0, 5.0]), np.array([2.0, -3.0])
    turn = np.array([[np.cos(rotation), -np.sin(rotation)], [np.sin(rotation), np.cos(rotation)]])
    mirror = np.diag([-1.0 if flip else 1.0, 1.0])
    linear = scale * turn @ np.array([[1, -np.tan(shear)], [0, 1]]) @ mirror
    expected = center + translate + linear @ (np.array([x, y]) - center)
    matrix = one_matrix(tuple(center), rotation, shear, tuple(translate), scale, flip)
    moved = affine.transform_points(points((x, y)), matrix)[0, 0].numpy()
    np.testing.assert_allclose(moved, expected, atol=1e-9)


def test_a_quarter_turn_takes_right_to_down():
    moved = affine.transform_points(points((1, 0)), one_matrix(rotation=math.pi / 2))
    torch.testing.assert_close(moved, points((0, 1)))


def test_a_mirror_about_the_middle_exchanges_first_and_last_column():
    moved = affine.transform_points(points((0, 2), (7, 2)), one_matrix(center=(3.5, 3.5), flip=True))
    torch.testing.assert_close(moved, points((7, 2), (0, 2)))


def test_a_mirrored_sample_leaves_its_neighbour_in_the_batch_alone():
    zeros, ones = torch.zeros(2), torch.ones(2)
    flips = torch.tensor([True, False])
    matrix = affine.affine_matrix(torch.zeros(2, 2), zeros, zeros, torch.zeros(2, 2), ones, flips)
    moved = affine.transform_points(torch.tensor([[[2.0, 3.0]], [[2.0, 3.0]]]), matrix)
    assert moved.tolist() == [[[-2.0, 3.0]], [[2.0, 3.0]]]


def test_a_missing_point_stays_missing_and_alone():
    moved = affine.transform_points(points((math.nan, math.nan), (1, 2)), one_matrix(translate=(1, 1)))
    assert moved[0, 0].isnan().all()
    assert moved[0, 1].tolist() == [2, 3]


def test_autocast_does_not_round_coordinates():
    start = torch.tensor([[[201.37, 99.81]]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        moved = affine.transform_points(start, torch.eye(3)[None])
    torch.testing.assert_close(moved, start)


def test_a_singular_matrix_has_no_finite_inverse():
    assert not affine.invert(torch.zeros(1, 3, 3)).isfinite().all()


def test_the_identity_leaves_an_image_as_it_is():
    image = torch.rand(2, 3, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(affine.warp(image, one_matrix(), (5, 7)), image)


def test_a_shift_by_whole_pixels_moves_the_image_and_fills_with_zeros():
    image = torch.arange(1.0, 13.0, dtype=torch.float64).reshape(1, 1, 3, 4)
    moved = affine.warp(image, one_matrix(translate=(1, -1)), (3, 4))[0, 0]
    # One to the right, one up: the first row is the old second, its first pixel and the last row are empty.
    expected = torch.tensor([[0, 5, 6, 7], [0, 9, 10, 11], [0, 0, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(moved, expected)


def test_a_shift_by_half_a_pixel_averages_neighbours():
    image = torch.tensor([[[[0.0, 4.0, 8.0]]]], dtype=torch.float64)
    moved = affine.warp(image, one_matrix(translate=(0.5, 0)), (1, 3))
    # Pixel x shows x - 0.5: (zero and 0) / 2, (0 + 4) / 2, (4 + 8) / 2; and one row is enough.
    torch.testing.assert_close(moved, torch.tensor([[[[0.0, 2.0, 6.0]]]], dtype=torch.float64))


def test_a_warp_equals_bilinear_interpolation_by_scipy():
    image = torch.rand(1, 1, 9, 13, dtype=torch.float64)
    matrix = one_matrix((6, 4), 0.4, 0.2, (1.3, -0.6), 0.9, True)
    src_from_dst = np.linalg.inv(matrix[0].numpy())
    y, x = np.mgrid[:11, :8]
    source = src_from_dst @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    expected = map_coordinates(image[0, 0].numpy(), source[1::-1], order=1, mode="grid-constant")
    moved = affine.warp(image, matrix, (11, 8))[0, 0].numpy()
    np.testing.assert_allclose(moved, expected.reshape(11, 8), atol=1e-9)


def test_a_warped_heat_map_peaks_where_its_point_has_moved():
    generator = torch.Generator().manual_seed(0)
    keypoints = 20 + 24 * torch.rand(6, 4, 2, generator=generator)
    angle = torch.linspace(-3, 3, 6)
    matrix = affine.affine_matrix(
        torch.full((6, 2), 31.5),
        angle,
        0.3 * angle.sin(),
        torch.full((6, 2), 2.7),
        torch.linspace(0.8, 1.2, 6),
        angle > 0,
    )
    warped = affine.warp(heatmap.render_gaussians(keypoints, (64, 64), 2.0), matrix, (64, 64))
    peaks, _ = heatmap.decode(warped, "dark")
    error = peaks - affine.transform_points(keypoints, matrix)
    # Bilinear kinks shift a single peak by up to 0.16 cells; a convention off by half a cell would show as
    # 0.7 in a half turn and as a bias of all.
    assert error.abs().max() < 0.2
    assert error.mean((0, 1)).abs().max() < 0.03


def test_the_gradient_of_a_warp_reaches_the_image():
    image = torch.rand(1, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    matrix = one_matrix((2, 2), 0.3, 0.1, (0.4, 0.2), 1.1)
    assert gradcheck(lambda pixels: affine.warp(pixels, matrix, (4, 5)), image)


def test_a_crop_of_its_own_size_is_a_slice():
    image = torch.rand(1, 1, 10, 10)
    matrix = affine.crop_matrix(torch.tensor([[3.0, 2.0]]), torch.tensor([5.0]), 5)
    torch.testing.assert_close(affine.warp(image, matrix, (5, 5)), image[:, :, 2:7, 3:8])


def test_the_edges_of_a_crop_are_the_edges_of_its_result():
    matrix = affine.crop_matrix(torch.tensor([[3.0, 2.0]]), torch.tensor([10.0]), 4)
    corners = torch.tensor([[[2.5, 1.5], [12.5, 11.5]]])  # half a pixel outside the first and last centres
    moved = affine.transform_points(corners, matrix)
    torch.testing.assert_close(moved, torch.tensor([[[-0.5, -0.5], [3.5, 3.5]]]))


def test_every_crop_of_a_batch_has_its_own_place_and_size():
    matrix = affine.crop_matrix(torch.tensor([[0.0, 0.0], [4.0, 8.0]]), torch.tensor([4.0, 2.0]), 4)
    moved = affine.transform_points(torch.tensor([[[1.0, 2.0]], [[5.0, 9.0]]]), matrix)
    # (1, 2) stays; (x - left + 0.5) * 2 - 0.5 = 2.5 for both coordinates of the second.
    torch.testing.assert_close(moved, torch.tensor([[[1.0, 2.0]], [[2.5, 2.5]]]))


def test_the_first_heat_map_cell_covers_four_pixels_around_one_and_a_half():
    hm_from_px = affine.scale_matrix(256, 64)
    moved = affine.transform_points(torch.tensor([[[1.5, 255.5]]]), hm_from_px)
    torch.testing.assert_close(moved, torch.tensor([[[0.0, 63.5]]]))


def test_one_matrix_serves_a_whole_batch():
    image = torch.rand(3, 2, 8, 8)
    halved = affine.warp(image, affine.scale_matrix(8, 4), (4, 4))
    # A cell's centre lies between four pixels, so halving is their mean.
    torch.testing.assert_close(halved, torch.nn.functional.avg_pool2d(image, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_keep_the_precision_of_their_arguments(dtype):
    ones = torch.ones(1, dtype=dtype)
    pair = torch.ones(1, 2, dtype=dtype)
    assert affine.affine_matrix(pair, ones, ones, pair, ones, torch.tensor([True])).dtype == dtype
    assert affine.crop_matrix(pair, ones, 4).dtype == dtype
