"""Keypoints drawn as heat maps and read back."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from actupose.core import heatmap

few = settings(max_examples=40, deadline=None, database=None)


def single(rows):
    return torch.tensor(rows)[None, None]


def test_a_gaussian_has_the_value_of_its_formula_in_every_cell():
    keypoints = torch.tensor([[[2.3, 1.6], [0.0, 4.0]]], dtype=torch.float64)
    maps = heatmap.render_gaussians(keypoints, (5, 7), 1.5)
    assert maps.shape == (1, 2, 5, 7)
    for k, (px, py) in enumerate(keypoints[0].tolist()):
        for y in range(5):
            for x in range(7):
                expected = math.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 1.5**2))
                assert maps[0, k, y, x].item() == pytest.approx(expected)


def test_a_missing_keypoint_draws_zeros_and_its_neighbour_does_not():
    keypoints = torch.tensor([[[math.nan, math.nan], [2.0, 1.0]]])
    maps = heatmap.render_gaussians(keypoints, (4, 4), 1.0)
    assert maps[0, 0].eq(0).all()
    assert maps[0, 1, 1, 2] == 1


@few
@given(st.floats(2, 28), st.floats(2, 18), st.floats(0.8, 3))
def test_dark_finds_the_subpixel_centre_of_a_gaussian(x, y, sigma):
    keypoint = torch.tensor([[[x, y]]])
    found, _ = heatmap.decode(heatmap.render_gaussians(keypoint, (21, 31), sigma), "dark")
    assert (found - keypoint).abs().max() < 0.01


def test_dark_follows_a_tilted_gaussian():
    precision = np.array([[0.5, 0.2], [0.2, 0.4]])
    offset = np.stack(np.meshgrid(np.arange(11), np.arange(11)), -1) - [5.2, 4.7]
    tilted = np.exp(-0.5 * np.einsum("...i,ij,...j", offset, precision, offset))
    found, _ = heatmap.decode(torch.from_numpy(tilted)[None, None], "dark")
    np.testing.assert_allclose(found[0, 0].numpy(), [5.2, 4.7], atol=1e-6)


def test_dark_does_not_move_on_a_ridge():
    ridge = torch.zeros(1, 1, 5, 5)
    ridge[0, 0, 2] = 1  # flat along x: the Hessian is singular
    found, _ = heatmap.decode(ridge, "dark")
    assert found.tolist() == [[[0, 2]]]
    ridge[0, 0, 2, 2] = 1 + 1e-7
    found, _ = heatmap.decode(ridge.log1p(), "dark")
    assert found.isfinite().all()


def test_dark_does_not_move_on_a_saddle():
    # Falls along both axes, but rises along a diagonal: dxx = -0.15, dyy = -0.2, dxy = 1 of the logarithm.
    log_heights = single([[-0.001, -0.1, -2.0], [-0.1, 0.0, -0.05], [-2.0, -0.1, -0.001]])
    padded = torch.nn.functional.pad(log_heights.exp(), (1, 1, 1, 1))
    assert heatmap.decode(padded, "dark")[0].tolist() == [[[2, 2]]]


def test_dark_stays_within_half_a_cell_of_the_peak():
    # The 3 x 3 parabola of these heights has its top far away: the peak's cell still holds the keypoint.
    steep = single([[0.1, 0.1, 0.9], [0.1, 1.0, 0.99], [0.1, 0.1, 0.1]])
    padded = torch.nn.functional.pad(steep, (1, 1, 1, 1))
    found, _ = heatmap.decode(padded, "dark")
    assert (found - 2).abs().max() <= 0.5
    assert found[0, 0, 0] > 2


@pytest.mark.parametrize("method", ["argmax", "quarter", "dark"])
def test_confidence_is_the_peak_value(method):
    maps = 0.7 * heatmap.render_gaussians(torch.tensor([[[4.0, 3.0]]]), (8, 8), 1.5)
    found, confidence = heatmap.decode(maps, method)
    assert confidence.item() == pytest.approx(0.7)
    torch.testing.assert_close(found, torch.tensor([[[4.0, 3.0]]]))


def test_of_equal_peaks_the_first_in_reading_order_wins():
    maps = torch.zeros(1, 1, 3, 4)
    maps[0, 0, 1, 2] = maps[0, 0, 1, 3] = maps[0, 0, 2, 0] = 1
    assert heatmap.decode(maps, "argmax")[0].tolist() == [[[2, 1]]]


def test_quarter_moves_towards_the_higher_neighbour():
    maps = single([[0, 0, 0, 0], [0, 0.5, 1.0, 0.2], [0, 0, 0.7, 0], [0, 0, 0, 0]])
    # Left 0.5 beats right 0.2, below 0.7 beats above 0.
    assert heatmap.decode(maps, "quarter")[0].tolist() == [[[1.75, 1.25]]]


def test_quarter_does_not_move_between_equal_neighbours():
    maps = heatmap.render_gaussians(torch.tensor([[[3.0, 3.0]]]), (7, 7), 1.0)
    assert heatmap.decode(maps, "quarter")[0].tolist() == [[[3, 3]]]


@pytest.mark.parametrize("method", ["quarter", "dark"])
@pytest.mark.parametrize("place", [(0.0, 2.2), (6.0, 2.2), (3.2, 0.0), (3.2, 4.0)])
def test_a_peak_on_the_border_is_not_refined(method, place):
    maps = heatmap.render_gaussians(torch.tensor([[place]]), (5, 7), 1.0)
    assert heatmap.decode(maps, method)[0].tolist() == [[[round(place[0]), round(place[1])]]]


def test_an_empty_map_is_read_as_the_first_cell_without_confidence():
    found, confidence = heatmap.decode(torch.zeros(1, 1, 4, 4), "dark")
    assert found.tolist() == [[[0, 0]]]
    assert confidence.tolist() == [[0]]


def test_each_map_is_read_by_itself():
    generator = torch.Generator().manual_seed(1)
    maps = torch.rand(3, 4, 6, 5, generator=generator)
    together, confidence = heatmap.decode(maps, "dark")
    for b in range(3):
        for k in range(4):
            alone, peak = heatmap.decode(maps[b : b + 1, k : k + 1], "dark")
            torch.testing.assert_close(alone[0, 0], together[b, k])
            assert peak.item() == confidence[b, k]


def test_half_precision_maps_are_read_at_full_precision():
    maps = heatmap.render_gaussians(torch.tensor([[[60.25, 50.0]]]), (64, 64), 2.0).bfloat16()
    found, _ = heatmap.decode(maps, "quarter")
    assert found.dtype == torch.float32
    assert found.tolist() == [[[60.25, 50.0]]]


@pytest.mark.usefixtures("unchecked_types")
def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'mean'.*argmax, quarter, dark"):
        heatmap.decode(torch.zeros(1, 1, 2, 2), "mean")


def test_peak_cells_are_row_major_and_minus_one_without_a_positive_peak():
    maps = torch.full((1, 3, 2, 3), -1.0)
    maps[0, 0, 1, 2] = 0.1
    maps[0, 1, 0, 0] = 0.0
    assert heatmap.peak_cells(maps).tolist() == [[5, -1, -1]]


def test_soft_argmax_is_the_weighted_mean_of_cells():
    maps = torch.zeros(1, 1, 3, 5)
    maps[0, 0, 0, 1], maps[0, 0, 2, 4] = 0.25, 0.75
    # x = 0.25 * 1 + 0.75 * 4, y = 0.75 * 2
    expected = torch.tensor([[[3.25, 1.5]]])
    torch.testing.assert_close(heatmap.soft_argmax(maps), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(heatmap.soft_argmax(8 * maps), expected, atol=1e-4, rtol=0)


def test_soft_argmax_gives_negative_cells_no_weight_and_an_empty_map_its_centre():
    maps = torch.full((1, 2, 5, 5), -3.0)
    maps[0, 0, 1, 3] = 1.0
    expected = torch.tensor([[[3.0, 1.0], [2.0, 2.0]]])
    torch.testing.assert_close(heatmap.soft_argmax(maps), expected, atol=1e-4, rtol=0)


def test_soft_argmax_finds_the_centre_of_a_gaussian():
    keypoint = torch.tensor([[[11.3, 9.8]]])
    maps = heatmap.render_gaussians(keypoint, (21, 25), 1.5)
    torch.testing.assert_close(heatmap.soft_argmax(maps), keypoint, atol=1e-3, rtol=0)


def test_the_gradient_of_soft_argmax_is_right():
    maps = (0.1 + torch.rand(2, 2, 3, 4, dtype=torch.float64)).requires_grad_()
    assert gradcheck(heatmap.soft_argmax, maps)


def test_outputs_trained_by_mse_are_heat_maps_already():
    output = torch.rand(1, 2, 3, 3)
    assert heatmap.heatmaps_from_output(output, "mse", 2.0) is output


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0])
def test_a_perfect_prediction_peaks_at_one_for_either_loss(sigma):
    target = heatmap.render_gaussians(torch.tensor([[[16.0, 15.0]]]), (32, 32), sigma)
    logits = target.clamp(min=1e-30).log() + 7  # softmax forgets a constant
    maps = heatmap.heatmaps_from_output(logits, "kl", sigma)
    torch.testing.assert_close(maps, target, atol=1e-4, rtol=0)


@pytest.mark.usefixtures("unchecked_types")
def test_an_unknown_loss_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'l1'.*mse, kl"):
        heatmap.heatmaps_from_output(torch.zeros(1, 1, 2, 2), "l1", 1.0)
