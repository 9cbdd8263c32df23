"""How far the public code's arithmetic is off, by the simulations of facts/udape.md C1 and C2."""

import math

import pytest
import torch

from actupose.core.affine import affine_matrix, transform_points, warp
from actupose.core.heatmap import peak_cells, render_windows
from actupose.methods.reference import geometry as reference

SIDE, STRIDE, CELLS = 256, 4, 64
COUNT = 300


def draw_views(degrees: float):
    """UDAPE's ranges: shear 30, translation 5 %, scale 0.6 to 1.3."""
    random = torch.Generator().manual_seed(0)

    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(COUNT, *shape, generator=random)

    rotation, shear = (math.pi / 180 * uniform(-limit, limit) for limit in (degrees, 30))
    return rotation, shear, uniform(-0.05 * SIDE, 0.05 * SIDE, 2).round(), uniform(0.6, 1.3)


def seen_keypoints(views, seed: int = 1):
    """Keypoints (B, 16, 2) of the base view, the same in the view, and whether they lie well in both."""
    rotation, shear, translate, scale = views
    base = 20 + (SIDE - 40) * torch.rand(COUNT, 16, 2, generator=torch.Generator().manual_seed(seed))
    center = torch.full((COUNT, 2), SIDE / 2)
    unflipped = torch.zeros(COUNT, dtype=torch.bool)
    there = transform_points(base, affine_matrix(center, rotation, shear, translate, scale, unflipped))
    return base, there, ((there > 16) & (there < SIDE - 16)).all(dim=-1)


def label_error(cells, base):
    """(..., 2) from where a label says to where the keypoint is, in cells."""
    return torch.stack((cells % CELLS, cells // CELLS), -1) - base / STRIDE


@pytest.mark.parametrize(
    ("degrees", "bias", "rmse", "beyond_a_cell"),
    [(60, (-0.23, -0.52), 1.34, 0.49), (180, (-0.71, -0.95), 1.84, 0.72)],
)
def test_three_nearest_warps_move_a_perfect_teachers_label_by_more_than_a_cell(
    degrees, bias, rmse, beyond_a_cell
):
    views = draw_views(degrees)
    base, there, well_inside = seen_keypoints(views)
    rotation, shear, translate, scale = views
    maps = reference.render_labels(there, STRIDE, CELLS, sigma=2.0)
    maps = reference.unwarp(maps, rotation, shear, translate / STRIDE, scale)
    error = label_error(peak_cells(maps), base)[well_inside]
    assert error.mean(0).tolist() == pytest.approx(bias, abs=0.12)
    assert error.square().sum(-1).mean().sqrt().item() == pytest.approx(rmse, abs=0.12)
    assert (error.norm(dim=-1) > 1).float().mean().item() == pytest.approx(beyond_a_cell, abs=0.06)


def test_one_bilinear_warp_about_the_labels_own_centre_errs_by_less():
    views = draw_views(60)
    base, there, well_inside = seen_keypoints(views)
    rotation, shear, translate, scale = views
    center, unflipped = torch.full((COUNT, 2), CELLS / 2), torch.zeros(COUNT, dtype=torch.bool)
    forward = affine_matrix(center, rotation, shear, translate / STRIDE, scale, unflipped)
    maps = warp(reference.render_labels(there, STRIDE, CELLS, 2.0), forward.inverse(), (CELLS, CELLS))
    error = label_error(peak_cells(maps), base)[well_inside]
    assert error.square().sum(-1).mean().sqrt().item() == pytest.approx(0.63, abs=0.05)


def test_a_whole_cell_errs_by_its_rounding():
    base, _, _ = seen_keypoints(draw_views(0))
    error = label_error(peak_cells(reference.render_labels(base, STRIDE, CELLS, 2.0)), base)
    assert error.square().sum(-1).mean().sqrt().item() == pytest.approx(0.41, abs=0.01)


@pytest.mark.parametrize(
    ("x", "cell"), [(0.0, 0), (1.9, 0), (2.0, 1), (-5.9, 0), (-6.1, -1), (253.9, 63), (254.0, -1)]
)
def test_cells_are_truncated_as_c_does(x, cell):
    keypoint = torch.tensor([[[x, 0.0]]])
    assert reference.flat_cells(reference.whole_cells(keypoint, STRIDE), CELLS).item() == cell


def test_a_label_outside_and_one_that_is_no_number_are_not_drawn():
    keypoints = torch.tensor([[[300.0, 10.0], [torch.nan, torch.nan], [8.0, 12.0]]])
    maps = reference.render_labels(keypoints, STRIDE, CELLS, 2.0)
    assert maps.amax((2, 3)).tolist() == [[0, 0, 1]]
    assert maps[0, 2, 3, 2] == 1


def test_the_window_is_a_square_of_three_sigma():
    window = render_windows(torch.tensor([[20 * CELLS + 30]]), CELLS, CELLS, 2.0)[0, 0]
    rows, columns = window.nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (14, 26, 24, 36)
    assert window[14, 24].item() == pytest.approx(math.exp(-9))
    assert window[20, 31].item() == pytest.approx(math.exp(-1 / 8))
