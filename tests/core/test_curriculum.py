"""Bins, the weights of an epoch, and the samples drawn from them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from actupose.core import curriculum
from actupose.core.rng import generator

few = settings(max_examples=40, deadline=None, database=None)


def test_the_lowest_scores_are_the_first_bin():
    scores = torch.tensor([5.0, 1.0, 9.0, 3.0, 7.0, 2.0])
    # Ascending: 1 2 | 3 5 | 7 9
    assert curriculum.assign_bins(scores, 3).tolist() == [1, 0, 2, 1, 2, 0]


def test_equal_scores_are_ordered_by_position():
    assert curriculum.assign_bins(torch.full((6,), 4.0), 3).tolist() == [0, 0, 1, 1, 2, 2]


@few
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 12))
def test_bins_differ_by_at_most_one_and_follow_the_order_of_scores(scores, num_bins):
    num_bins = min(num_bins, len(scores))
    bins = curriculum.assign_bins(torch.tensor(scores, dtype=torch.float32), num_bins)
    sizes = bins.bincount(minlength=num_bins)
    assert sizes.max() - sizes.min() <= 1
    order = sorted(range(len(scores)), key=lambda i: (scores[i], i))
    assert bins.dtype == torch.int64
    assert bins[order].tolist() == sorted(bins.tolist())


@few
@given(st.permutations(list(range(12))))
def test_a_sample_keeps_its_bin_when_the_samples_are_reordered(order):
    scores = torch.tensor([0.5 * i * i for i in range(12)])
    assert torch.equal(curriculum.assign_bins(scores[order], 5), curriculum.assign_bins(scores, 5)[order])


def test_more_bins_than_samples_are_refused():
    with pytest.raises(ValueError, match="4 bins of 3 samples"):
        curriculum.assign_bins(torch.rand(3), 4)
    with pytest.raises(ValueError, match="0 bins"):
        curriculum.assign_bins(torch.rand(3), 0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_score_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="1 scores are not finite"):
        curriculum.assign_bins(torch.tensor([1.0, bad, 2.0]), 2)


@pytest.mark.parametrize(
    ("epoch", "peak"),
    # floor(2 * 4 * e / 10): 0, 0.8, 1.6, 2.4, 3.2, then beyond the last bin
    [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 3), (9, 3)],
)
def test_the_peak_walks_over_the_bins_and_stays_at_the_last(epoch, peak):
    assert curriculum.peak_bin(4, epoch, 10, 2.0) == peak


def test_a_pace_of_one_reaches_the_last_bin_in_the_last_epochs():
    assert [curriculum.peak_bin(4, epoch, 8, 1.0) for epoch in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_negative_epoch_is_refused():
    with pytest.raises(ValueError, match="epoch -1"):
        curriculum.peak_bin(4, -1, 10, 2.0)


@pytest.mark.parametrize(("epoch", "distances"), [(0, [0, 1, 2, 3]), (2, [1, 0, 1, 2]), (9, [3, 2, 1, 0])])
def test_active_weights_fall_off_as_a_gaussian_around_the_peak(epoch, distances):
    axis = torch.tensor([0, 1 / 3, 2 / 3, 1])
    # Neighbours lie 1/3 apart: exp(-(d / 3)^2 / (2 * 0.25^2)) = exp(-8 d^2 / 9)
    expected = [math.exp(-8 * d * d / 9) for d in distances]
    found = curriculum.active_weights(axis, epoch, 10, pace=2.0, sigma=0.25)
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_the_axis_by_rank_is_even_whatever_the_scores():
    found = curriculum.bin_axis(torch.tensor([1.0, 2.0, 50.0, 51.0, 900.0]), "rank")
    assert found.tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_the_axis_by_minmax_keeps_the_distances_of_scores():
    assert curriculum.bin_axis(torch.tensor([2.0, 3.0, 6.0]), "minmax").tolist() == [0, 0.25, 1]


def test_the_raw_axis_is_the_scores():
    assert curriculum.bin_axis(torch.tensor([2.0, 3.0, 6.0]), "raw").tolist() == [2, 3, 6]


@pytest.mark.parametrize("axis", ["rank", "minmax"])
def test_an_axis_of_one_bin_is_zero(axis):
    assert curriculum.bin_axis(torch.tensor([7.0]), axis).tolist() == [0]


def test_equal_scores_lie_at_one_place_of_the_minmax_axis():
    assert curriculum.bin_axis(torch.tensor([7.0, 7.0]), "minmax").tolist() == [0, 0]


@pytest.mark.usefixtures("unchecked_types")
def test_an_unknown_axis_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'log'.*rank, minmax, raw"):
        curriculum.bin_axis(torch.rand(3), "log")


def test_hard_mining_takes_the_last_eight_of_twenty_five_bins():
    assert curriculum.hard_mining_weights(25, 0.33).tolist() == [0] * 17 + [1] * 8


@pytest.mark.parametrize(("fraction", "bins"), [(0.0, 1), (0.1, 1), (0.5, 2), (1.0, 4)])
def test_hard_mining_takes_at_least_one_bin(fraction, bins):
    assert curriculum.hard_mining_weights(4, fraction).tolist() == [0] * (4 - bins) + [1] * bins


def test_progressive_adds_a_third_of_the_bins_at_each_third_of_the_epochs():
    bins_used = [int(curriculum.progressive_weights(6, epoch, 9).sum()) for epoch in range(9)]
    assert bins_used == [2, 2, 2, 4, 4, 4, 6, 6, 6]
    assert curriculum.progressive_weights(6, 3, 9).tolist() == [1, 1, 1, 1, 0, 0]


def test_progressive_rounds_thirds_to_whole_bins_and_never_uses_none():
    # 25 / 3 = 8.3, 50 / 3 = 16.7
    assert [int(curriculum.progressive_weights(25, epoch, 3).sum()) for epoch in range(3)] == [8, 17, 25]
    assert curriculum.progressive_weights(1, 0, 3).tolist() == [1]


def test_the_drawn_share_of_a_bin_is_its_weight():
    weights = torch.tensor([1.0, 0.5, 0.24, 0.26, 0.0])
    available = torch.tensor([10, 7, 2, 2, 9])
    # 10; 3.5 rounds to even 4; 0.48 and 0.52 to 0 and 1
    assert curriculum.draw_counts(weights, available).tolist() == [10, 4, 0, 1, 0]


def test_the_heaviest_bin_that_has_samples_gives_at_least_one():
    weights, available = torch.tensor([1.0, 0.2, 0.1]), torch.tensor([0, 2, 2])
    assert curriculum.draw_counts(weights, available).tolist() == [0, 1, 0]


def test_the_weight_one_everywhere_draws_every_sample_once():
    bins = torch.arange(20) % 4
    pool = curriculum.draw_pool(bins, torch.ones(4), generator(0, "pool"))
    assert sorted(pool.tolist()) == list(range(20))
    assert pool.tolist() != list(range(20))


@few
@given(st.integers(0, 10**6), st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_a_pool_holds_the_counts_of_every_bin_without_repetition(seed, weights):
    bins = curriculum.assign_bins(torch.rand(37, generator=generator(seed, "scores")), 4)
    weights = torch.tensor(weights)
    pool = curriculum.draw_pool(bins, weights, generator(seed, "pool"))
    assert len(pool) >= 1
    assert len(set(pool.tolist())) == len(pool)
    counts = curriculum.draw_counts(weights, bins.bincount(minlength=4))
    assert bins[pool].bincount(minlength=4).tolist() == counts.tolist()


def test_equal_generators_draw_equal_pools_and_others_do_not():
    bins, weights = torch.arange(60) % 3, torch.tensor([0.5, 0.5, 0.5])
    first = curriculum.draw_pool(bins, weights, generator(0, "pool", 1))
    assert torch.equal(first, curriculum.draw_pool(bins, weights, generator(0, "pool", 1)))
    assert not torch.equal(first, curriculum.draw_pool(bins, weights, generator(0, "pool", 2)))


def test_every_sample_of_a_bin_is_equally_likely_and_every_place_in_the_order_too():
    bins, weights = torch.tensor([0, 0, 0, 1]), torch.tensor([1 / 3, 1.0])
    drawn, first = torch.zeros(4), torch.zeros(4)
    for step in range(600):
        pool = curriculum.draw_pool(bins, weights, generator(0, "fair", step))
        drawn[pool] += 1
        first[pool[0]] += 1
    # One of three: 200 each, five standard deviations are 58. The other bin's only sample is always drawn
    # and comes first in half of the pools, 300, five standard deviations are 62.
    assert (drawn[:3] - 200).abs().max() < 58
    assert drawn[3] == 600
    assert abs(first[3] - 300) < 62


def test_no_samples_make_no_pool():
    with pytest.raises(ValueError, match="no samples"):
        curriculum.draw_pool(torch.zeros(0, dtype=torch.int64), torch.ones(2), generator(0, "pool"))


def test_a_sure_student_leaves_the_score_and_an_unsure_one_raises_it():
    found = curriculum.rerank(torch.tensor([3.0, 3.0, 1.0]), torch.tensor([1.0, 0.5, 0.05]))
    assert found.tolist() == pytest.approx([3, 6, 20])


def test_a_peak_broadens_with_the_share_of_epochs_that_are_left():
    assert [curriculum.broadened(0.25, epoch, 4) for epoch in range(4)] == [0.25, 0.25 / 0.75, 0.5, 1.0]


def test_source_bins_match_the_frequency_of_target_scores():
    scores = torch.tensor([1.0, 2.0, 3.0, 4.0])  # bins 0 0 | 1 1: up to 2, and beyond
    bins = curriculum.assign_bins(scores, 2)
    weights = curriculum.matching_weights(scores, bins, torch.tensor([0.0, 2.0, 2.5, 9.0, 9.0, 9.0]))
    assert weights.tolist() == pytest.approx([2 * 2 / 6, 2 * 4 / 6])


def test_a_score_is_in_the_first_bin_whose_hardest_pose_reaches_it_or_in_the_last():
    scores, bins = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]), torch.tensor([0, 0, 1, 1, 2])
    found = curriculum.bins_of_scores(torch.tensor([0.0, 2.0, 2.1, 4.0, 4.5, 9.0]), scores, bins)
    assert found.tolist() == [0, 0, 1, 1, 2, 2]


@few
@given(st.lists(st.floats(0, 5), min_size=1, max_size=20).filter(any), st.integers(1, 60), st.integers(0, 99))
def test_every_sample_is_drawn_as_often_as_its_weight_says_to_the_next_whole_number(weights, count, seed):
    weights = torch.tensor(weights, dtype=torch.float64)
    drawn = curriculum.sample_pool(weights, count, generator(seed, "pool"))
    assert len(drawn) == count
    expected = count * weights / weights.sum()
    assert ((drawn.bincount(minlength=len(weights)) - expected).abs() < 1 + 1e-6).all()


def test_samples_without_weight_are_never_drawn():
    weights = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0])
    for seed in range(20):
        assert sorted(curriculum.sample_pool(weights, 4, generator(seed, "pool")).tolist()) == [1, 1, 3, 3]


def test_systematic_sampling_is_right_on_average():
    weights = torch.tensor([0.5, 1.5, 2.0])
    pools = torch.cat([curriculum.sample_pool(weights, 2, generator(seed, "pool")) for seed in range(400)])
    assert (pools.bincount(minlength=3) / 800).tolist() == pytest.approx([0.125, 0.375, 0.5], abs=0.04)
