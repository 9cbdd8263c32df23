"""Losses by hand, their gradients against finite differences, and silence where there is nothing to learn."""

import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from actupose.core import heatmap, losses
from actupose.skeleton import BODY16


def rand(*shape, seed=0):
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def gradient(function, start):
    leaf = start.clone().requires_grad_()
    function(leaf).sum().backward()
    return leaf.grad


def test_mse_is_the_mean_over_cells_of_half_the_squared_error():
    pred, target = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    pred[0, 0, 0, 1], target[0, 0, 1, 1] = 3.0, 1.0
    # (9 + 1) / 2 / 4 cells
    assert losses.heatmap_mse(pred, target).tolist() == [[1.25, 0.0]]


def test_kl_equals_the_sum_over_cells_of_p_log_p_over_q():
    logits, target = rand(2, 3, 4, 5), rand(2, 3, 4, 5, seed=1)
    found = losses.heatmap_kl(logits, target).numpy()
    for b in range(2):
        for k in range(3):
            q = np.exp(logits[b, k].numpy())
            p = target[b, k].numpy()
            q, p = q / q.sum(), p / p.sum()
            assert found[b, k] == pytest.approx((p * np.log(p / q)).sum())


def test_kl_vanishes_for_the_right_distribution_and_ignores_the_height_of_the_target():
    target = heatmap.render_gaussians(torch.tensor([[[4.0, 3.0]]]), (8, 8), 1.0)
    logits = target.log()
    torch.testing.assert_close(losses.heatmap_kl(logits, 5 * target), torch.zeros(1, 1), atol=1e-6, rtol=0)


def test_kl_of_an_empty_target_is_zero_with_zero_gradient():
    logits, target = rand(1, 2, 3, 3), torch.zeros(1, 2, 3, 3, dtype=torch.float64)
    target[0, 1, 1, 1] = 1
    assert losses.heatmap_kl(logits, target)[0, 0] == 0
    slope = gradient(lambda x: losses.heatmap_kl(x, target), logits)
    assert slope[0, 0].eq(0).all()
    assert slope[0, 1].abs().sum() > 0


def test_kl_stays_finite_for_extreme_logits():
    logits = torch.tensor([[[[1e4, -1e4], [0.0, 0.0]]]])
    target = torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]])
    assert losses.heatmap_kl(logits, target).item() == pytest.approx(2e4)


@pytest.mark.parametrize("loss", [losses.heatmap_mse, losses.heatmap_kl])
def test_the_gradients_of_the_heat_map_losses_are_right(loss):
    target = rand(2, 2, 3, 3, seed=1)
    assert gradcheck(lambda pred: loss(pred, target), rand(2, 2, 3, 3).requires_grad_())


def test_the_masked_mean_is_over_the_kept_values_only():
    values = torch.tensor([[1.0, math.nan], [4.0, 100.0]])
    keep = torch.tensor([[True, False], [True, False]])
    assert losses.masked_mean(values, keep).item() == 2.5
    assert gradient(lambda x: losses.masked_mean(x, keep), values).tolist() == [[0.5, 0], [0.5, 0]]


def test_the_masked_mean_of_nothing_is_zero_with_zero_gradient():
    values, keep = torch.tensor([math.nan, 2.0]), torch.tensor([False, False])
    assert losses.masked_mean(values, keep).item() == 0
    assert gradient(lambda x: losses.masked_mean(x, keep), values).tolist() == [0, 0]


def test_evalpose_averages_the_cosine_over_bones_with_both_ends_kept():
    bones = ((0, 1), (1, 2), (2, 3))
    true = torch.tensor([[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (5.0, 5.0)]])
    pred = torch.tensor([[(0.0, 0.0), (3.0, 0.0), (4.0, 1.0), (0.0, 0.0)]])
    keep = torch.tensor([[True, True, True, False]])
    # Right against right: 1. Down against down-right: 1 / sqrt 2. The third bone is not kept.
    expected = -(1 + 1 / math.sqrt(2)) / 2
    assert losses.evalpose_loss(pred, true, keep, bones).item() == pytest.approx(expected)


def test_evalpose_is_minus_one_for_a_scaled_copy_and_plus_one_for_its_opposite():
    pose = 50 * rand(3, 16, 2)
    keep = torch.ones(3, 16, dtype=torch.bool)
    assert losses.evalpose_loss(4 * pose + 7, pose, keep, BODY16.bones).item() == pytest.approx(-1)
    assert losses.evalpose_loss(-pose, pose, keep, BODY16.bones).item() == pytest.approx(1)


def test_the_gradient_of_evalpose_is_right():
    true, keep = 5 * rand(2, 16, 2, seed=1), rand(2, 16, seed=2) > 0.2
    pred = (5 * rand(2, 16, 2)).requires_grad_()
    assert gradcheck(lambda x: losses.evalpose_loss(x, true, keep, BODY16.bones), pred)


def test_evalpose_without_a_kept_bone_is_zero_with_zero_gradient():
    pred, true = rand(1, 16, 2), torch.full((1, 16, 2), math.nan, dtype=torch.float64)
    keep = torch.zeros(1, 16, dtype=torch.bool)
    assert losses.evalpose_loss(pred, true, keep, BODY16.bones).item() == 0
    slope = gradient(lambda x: losses.evalpose_loss(x, true, keep, BODY16.bones), pred)
    assert slope.eq(0).all()


def test_a_missing_label_and_a_bone_without_length_leave_the_other_bones_their_gradient():
    pred = torch.tensor([[(1.0, 1.0), (1.0, 1.0), (2.0, 5.0), (7.0, 4.0)]], dtype=torch.float64)
    true = torch.tensor([[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (math.nan, math.nan)]], dtype=torch.float64)
    keep = torch.tensor([[True, True, True, False]])
    bones = ((0, 1), (1, 2), (2, 3))
    # Bone 0 is predicted without length: cosine 0, but it counts. Bone 1: (1, 4) against (0, 1). Bone 2: out.
    assert losses.evalpose_loss(pred, true, keep, bones).item() == pytest.approx(-4 / math.sqrt(17) / 2)
    slope = gradient(lambda x: losses.evalpose_loss(x, true, keep, bones), pred)
    assert slope.isfinite().all()
    assert slope[0, 0].eq(0).all()
    assert slope[0, 3].eq(0).all()
    assert slope[0, 2].abs().sum() > 0


def test_evalpose_learns_after_an_evaluation_in_inference_mode_has_used_the_same_bones():
    bones, keep, pose = ((0, 2), (2, 1)), torch.ones(1, 3, dtype=torch.bool), rand(1, 3, 2)
    with torch.inference_mode():
        losses.evalpose_loss(pose, pose, keep, bones)
    assert (
        gradient(lambda x: losses.evalpose_loss(x, rand(1, 3, 2, seed=1), keep, bones), pose).abs().sum() > 0
    )


def test_evalpose_reaches_the_heat_maps_through_soft_argmax():
    keep, true = torch.ones(1, 16, dtype=torch.bool), 8 * rand(1, 16, 2, seed=1)
    slope = gradient(
        lambda maps: losses.evalpose_loss(heatmap.soft_argmax(maps), true, keep, BODY16.bones),
        rand(1, 16, 8, 8),
    )
    assert slope.isfinite().all()
    assert slope.abs().amax((-2, -1)).gt(0).sum() == 16


def test_cross_domain_averages_the_cosine_over_the_pairs_that_are_alike():
    source = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    target = torch.tensor([[1.0, 1.0], [5.0, 0.0]])
    difference = torch.tensor([[0.05, 0.2], [math.nan, 0.01]])
    # (0, 0): 1 / sqrt 2; (1, 1): 0; (0, 1) is too far, (1, 0) is not comparable.
    found = losses.cross_domain_loss(source, target, difference, 0.1)
    assert found.item() == pytest.approx(-1 / math.sqrt(2) / 2)
    assert losses.selected_fraction(difference, 0.1).item() == 0.5


def test_a_difference_of_gamma_is_not_below_gamma():
    difference = torch.tensor([[0.25, 0.125]])
    assert losses.selected_fraction(difference, 0.25).item() == 0.5


def test_the_gradient_of_the_cross_domain_loss_is_right():
    target, difference = rand(4, 5, seed=1), rand(3, 4, seed=2)
    source = rand(3, 5).requires_grad_()
    assert gradcheck(lambda x: losses.cross_domain_loss(x, target, difference, 0.5), source)


@pytest.mark.parametrize("difference", [torch.full((2, 3), math.nan), torch.ones(2, 3)])
def test_cross_domain_without_a_pair_is_zero_with_zero_gradient(difference):
    source, target = rand(2, 4), rand(3, 4, seed=1)
    assert losses.cross_domain_loss(source, target, difference, 0.1).item() == 0
    assert losses.selected_fraction(difference, 0.1).item() == 0
    assert gradient(lambda x: losses.cross_domain_loss(x, target, difference, 0.1), source).eq(0).all()


def test_a_dead_feature_does_not_poison_the_others():
    source = torch.zeros(2, 4)
    source[1] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    slope = gradient(lambda x: losses.cross_domain_loss(x, torch.ones(1, 4), torch.zeros(2, 1), 0.1), source)
    assert slope.isfinite().all()


def gaussian_at(x, y, size, sigma):
    """RegDA's pseudo-label by loops: height 1, cut to the square of three sigma."""
    drawn = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            if abs(row - y) <= 3 * sigma and abs(column - x) <= 3 * sigma:
                drawn[row, column] = math.exp(-((row - y) ** 2 + (column - x) ** 2) / (2 * sigma**2))
    return drawn


@pytest.mark.parametrize("mode", ["min", "max"])
def test_regression_disparity_follows_the_arithmetic_of_regda(mode):
    size, sigma = 16, 2.0
    pred = torch.full((1, 3, size, size), -1.0)
    pred[0, 0, 5, 4] = 1.0
    pred[0, 1, 6, 12] = 1.0  # the third map has no positive peak: RegDA takes cell (0, 0)
    adversary = rand(1, 3, size, size)
    weight = torch.tensor([[1.0, 1.0, 0.0]])
    drawn = [gaussian_at(*place, size, sigma) for place in ((4, 5), (12, 6), (0, 0))]
    total = 0.0
    for k in (0, 1):
        target = drawn[k] if mode == "min" else np.clip(sum(drawn) - drawn[k], 0, 1)
        p = (target + 1e-7) / (target + 1e-7).sum()
        q = np.exp(adversary[0, k].numpy())
        total += (p * np.log(p / (q / q.sum()))).sum()
    found = losses.regression_disparity(pred, adversary, weight, mode, sigma)
    assert found.item() == pytest.approx(total / 3, rel=1e-4)  # the weightless one stays in the denominator


def test_regression_disparity_of_a_lone_keypoint_spreads_the_adversary_evenly():
    # No other keypoint: only the 1e-7 in every cell is left, which is a uniform target.
    adversary = torch.tensor([[[[0.0, 0.0], [0.0, math.log(3.0)]]]])
    found = losses.regression_disparity(torch.ones(1, 1, 2, 2), adversary, torch.ones(1, 1), "max")
    # q = 1/6, 1/6, 1/6, 1/2: three times log(6 / 4) and once log(2 / 4), over four.
    assert found.item() == pytest.approx((3 * math.log(1.5) + math.log(0.5)) / 4, rel=1e-5)


def test_regression_disparity_teaches_the_adversary_alone():
    pred, adversary = rand(1, 2, 8, 8).requires_grad_(), rand(1, 2, 8, 8, seed=1).requires_grad_()
    losses.regression_disparity(pred, adversary, torch.ones(1, 2), "min").backward()
    assert pred.grad is None
    assert adversary.grad.abs().sum() > 0


def test_a_weighted_mean_passes_over_what_weighs_nothing():
    values = torch.tensor([1.0, 4.0, math.nan], requires_grad=True)
    mean = losses.weighted_mean(values, torch.tensor([1.0, 3.0, 0.0]))
    assert mean.item() == pytest.approx((1 + 12) / 4)
    mean.backward()
    assert values.grad.tolist() == [0.25, 0.75, 0]
    assert float(losses.weighted_mean(torch.ones(2), torch.zeros(2))) == 0


def test_a_relative_squared_error_is_one_for_an_empty_map_whatever_its_size():
    for side in (4, 16):
        target = heatmap.render_gaussians(torch.full((1, 1, 2), side / 2), (side, side), 1.0)
        assert float(losses.relative_squared_error(torch.zeros_like(target), target)) == 1
        assert float(losses.relative_squared_error(target, target)) == 0
        assert float(losses.relative_squared_error(0.5 * target, target)) == pytest.approx(0.25)
