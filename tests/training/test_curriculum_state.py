"""Which samples an epoch uses; scores 1 to 12 in six bins of two: bin j holds 2j + 1 and 2j + 2."""

import math

import pytest
import torch

from actupose.params import (
    ActiveCurriculum,
    ActiveSamplingCurriculum,
    HardMiningCurriculum,
    ProgressiveCurriculum,
    RandomShareCurriculum,
    ScheduleParams,
    UniformCurriculum,
)
from actupose.training.curriculum_state import CurriculumState

SCORES = torch.arange(1.0, 13.0)


KINDS = {
    "uniform": (UniformCurriculum, {}),
    "random_share": (RandomShareCurriculum, {"share": 0.5}),
    "hard_mining": (HardMiningCurriculum, {"hard_fraction": 0.33}),
    "progressive": (ProgressiveCurriculum, {}),
    "active": (
        ActiveCurriculum,
        {"pace": 2.0, "sigma": 0.25, "score_axis": "rank", "confidence": "online"},
    ),
    "active_sampling": (
        ActiveSamplingCurriculum,
        {"pace": 2.0, "sigma": 0.25, "score_axis": "rank", "confidence": "online", "clock": "run"}
        | {"floor": 0.0, "broadens": False, "target_share": 0.0},
    ),
}


def curriculum(name, scores=SCORES, pretrain_epochs=0, epochs=6, **changes):
    kind, own = KINDS[name]
    settings = kind.model_validate({"name": name, "num_bins": 6} | own | changes)
    schedule = {"epochs": epochs, "pretrain_epochs": pretrain_epochs, "steps_per_epoch": 1, "batch_size": 2}
    return CurriculumState(settings, ScheduleParams.model_validate(schedule), scores)


def drawn(state, epoch):
    return state.pool(epoch, 0).bincount(minlength=len(state.bins)).tolist()


def test_uniform_uses_every_sample_every_epoch():
    state = curriculum("uniform")
    for epoch in range(6):
        assert sorted(state.pool(epoch, 0).tolist()) == list(range(12))
    assert state.metrics(0)["curriculum/share"] == 1


def test_hard_mining_uses_the_hardest_bins_alone_and_never_reranks():
    state = curriculum("hard_mining")  # round(0.33 * 6) = 2 bins
    assert sorted(state.pool(0, 0).tolist()) == [8, 9, 10, 11]
    state.finish_epoch(0, torch.linspace(0.1, 1, 12))
    assert sorted(state.pool(5, 0).tolist()) == [8, 9, 10, 11]
    assert state.metrics(0)["curriculum/share"] == pytest.approx(1 / 3)


def test_hard_mining_of_25_bins_is_the_last_eight():
    state = curriculum("hard_mining", torch.arange(100.0), num_bins=25)
    assert sorted(state.pool(0, 0).tolist()) == list(range(68, 100))


def test_progressive_switches_at_one_and_two_thirds_of_the_epochs():
    state = curriculum("progressive")
    assert [len(state.pool(epoch, 0)) for epoch in range(6)] == [4, 4, 8, 8, 12, 12]
    assert sorted(state.pool(1, 0).tolist()) == [0, 1, 2, 3]


def test_active_weights_fall_off_as_a_gaussian_over_the_rank_of_the_bins():
    weights = curriculum("active").weights(1)  # peak floor(2 * 6 * 1 / 6) = 2
    assert weights.tolist() == pytest.approx(
        [math.exp(-(((j - 2) / 5) ** 2) / (2 * 0.25**2)) for j in range(6)]
    )


def test_active_draws_the_rounded_share_of_each_bin():
    rows = curriculum("active").rows(1, curriculum("active").pool(1, seed=3))
    # weights 0.278, 0.726, 1, 0.726, 0.278, 0.056 of two samples each
    assert [row["drawn"] for row in rows] == [1, 1, 2, 1, 1, 0]
    assert [row["available"] for row in rows] == [2] * 6
    assert [row["mean_score"] for row in rows] == [1.5, 3.5, 5.5, 7.5, 9.5, 11.5]
    assert [row["moved"] for row in rows] == [0] * 6


def test_the_raw_axis_measures_sigma_on_the_scores_themselves():
    weights = curriculum("active", score_axis="raw", sigma=2.0).weights(0)
    assert weights.tolist() == pytest.approx([math.exp(-((2 * j) ** 2) / 8) for j in range(6)])


def test_reranking_divides_the_vae_score_by_the_confidence():
    state = curriculum("active")
    peaks = torch.ones(12)
    peaks[0] = 0.05  # 1 / 0.05 = 20: from the easiest to the hardest
    state.finish_epoch(0, peaks)
    assert state.scores.tolist() == pytest.approx([20.0, *range(2, 13)])
    # 2 3 | 4 5 | 6 7 | 8 9 | 10 11 | 12 20: every bin takes one from the bin above, the last takes sample 0
    assert state.bins.tolist() == [5, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert state.moved.tolist() == [1] * 6
    assert [row["moved"] for row in state.rows(1, state.pool(1, 0))] == [1] * 6


def test_the_flow_tells_where_the_samples_of_each_bin_went():
    state = curriculum("active")
    stayed = [{"vae_bin": number, "bin": number, "count": 2} for number in range(6)]
    assert state.flow() == stayed
    peaks = torch.ones(12)
    peaks[:2] = 0.05  # scores 20 and 40: both samples of bin 0 go to bin 5, all others one bin down
    state.finish_epoch(0, peaks)
    moved = [{"vae_bin": 0, "bin": 5, "count": 2}]
    assert state.flow() == moved + [{"vae_bin": n, "bin": n - 1, "count": 2} for n in range(1, 6)]


def test_reranking_begins_from_the_vae_score_each_time():
    state = curriculum("active")
    for _ in range(3):
        state.finish_epoch(0, torch.full((12,), 0.5))
    assert state.scores.tolist() == pytest.approx((2 * SCORES).tolist())
    assert state.moved.tolist() == [0] * 6


def test_a_sample_that_was_not_drawn_keeps_its_last_known_confidence():
    state, nan = curriculum("active"), float("nan")
    state.finish_epoch(0, torch.tensor([0.5, 0.25, *[1.0] * 10]))
    state.finish_epoch(0, torch.tensor([nan, 0.125, *[nan] * 10]))
    assert state.scores[:3].tolist() == pytest.approx([1 / 0.5, 2 / 0.125, 3.0])


def test_a_sample_never_drawn_counts_as_confident_as_the_mean_of_those_drawn():
    state, nan = curriculum("active"), float("nan")
    state.finish_epoch(0, torch.tensor([0.2, 0.6, *[nan] * 10]))
    assert state.scores.tolist() == pytest.approx([1 / 0.2, 2 / 0.6, *(s / 0.4 for s in range(3, 13))])
    state.finish_epoch(0, torch.tensor([nan, nan, 1.0, *[nan] * 9]))
    assert float(state.scores[3]) == pytest.approx(4 / 0.6)  # mean of 0.2, 0.6, 1.0


def test_pools_depend_on_seed_and_epoch_alone():
    state = curriculum("active")
    assert torch.equal(state.pool(2, 7), state.pool(2, 7))
    assert not torch.equal(curriculum("uniform").pool(0, 7), curriculum("uniform").pool(1, 7))
    assert not torch.equal(curriculum("uniform").pool(0, 7), curriculum("uniform").pool(0, 8))


def test_a_restored_curriculum_goes_on_alike():
    state = curriculum("active")
    state.finish_epoch(0, torch.tensor([0.3, 0.6, 0.9] * 4))
    again = curriculum("active")
    again.load_state_dict(state.state_dict())
    assert sum(row["moved"] for row in again.rows(1, again.pool(1, 0))) > 0
    assert again.rows(1, again.pool(1, 0)) == state.rows(1, state.pool(1, 0))
    for one in (state, again):
        one.finish_epoch(0, torch.tensor([float("nan")] * 6 + [0.3] * 6))
    assert torch.equal(state.scores, again.scores)
    assert torch.equal(state.pool(2, 0), again.pool(2, 0))
    assert state.rows(2, state.pool(2, 0)) == again.rows(2, again.pool(2, 0))


def test_a_random_share_draws_as_many_of_every_bin_and_others_each_epoch():
    state = curriculum("random_share")
    pools = [state.pool(epoch, 0) for epoch in range(4)]
    assert all(torch.equal(state.bins[pool].bincount(minlength=6), torch.ones(6).long()) for pool in pools)
    assert len({tuple(sorted(pool.tolist())) for pool in pools}) > 1
    assert state.metrics(0)["curriculum/share"] == 0.5


def test_active_sampling_draws_by_the_peaks_weights_as_many_as_there_are():
    state, active = curriculum("active_sampling", SCORES.repeat(10)), curriculum("active", SCORES.repeat(10))
    shares = active.weights(1) / active.weights(1).mean()
    assert state.weights(1).tolist() == pytest.approx(shares.tolist())
    assert len(state.pool(1, 0)) == 120
    counts = state.bins[state.pool(1, 0)].bincount(minlength=6)
    assert counts.tolist() == pytest.approx((20 * shares).tolist(), abs=20)  # floor or ceil of each sample
    assert state.metrics(1) == {"curriculum/peak_bin": 2, "curriculum/share": pytest.approx(1)}


def test_a_floor_leaves_every_bin_that_share_of_the_peaks_weight():
    weights = curriculum("active_sampling", floor=0.5, sigma=1e-3).weights(1)  # a peak of one bin
    assert (weights / weights.max()).tolist() == pytest.approx([0.5, 0.5, 1, 0.5, 0.5, 0.5])
    assert curriculum("active_sampling", floor=1.0).weights(1).tolist() == pytest.approx([1] * 6)


def test_the_clock_of_the_adaptation_draws_all_alike_until_that_begins():
    late = curriculum("active_sampling", clock="adaptation", pretrain_epochs=3, epochs=9)
    uniform = curriculum("uniform", epochs=9)
    for epoch in range(3):
        assert torch.equal(late.pool(epoch, 0), uniform.pool(epoch, 0))
    assert [int(late.weights(epoch).argmax()) for epoch in range(3, 9)] == [0, 2, 4, 5, 5, 5]


def test_with_the_clock_of_the_adaptation_nothing_reranks_before():
    late = curriculum("active_sampling", clock="adaptation", pretrain_epochs=3)
    unsure = torch.tensor([0.05, *[1.0] * 11])
    late.finish_epoch(2, unsure)
    assert torch.equal(late.bins, late.vae_bins)
    late.finish_epoch(3, unsure)
    assert int(late.bins[0]) == 5


def test_without_confidence_bins_stay_as_the_vae_scored_them():
    state = curriculum("active_sampling", confidence="none")
    state.finish_epoch(0, torch.tensor([0.05, *[1.0] * 11]))
    assert torch.equal(state.bins, state.vae_bins)


def test_a_peak_that_broadens_begins_with_its_width_and_ends_over_all_bins():
    state, narrow = curriculum("active_sampling", broadens=True), curriculum("active_sampling")
    assert torch.equal(state.weights(0), narrow.weights(0))
    # the last of six epochs: sigma 0.25 * 6 on an axis of 0 to 1, the peak in the last bin
    last = torch.tensor([math.exp(-(((j - 5) / 5) ** 2) / (2 * 1.5**2)) for j in range(6)])
    assert state.weights(5).tolist() == pytest.approx((last / last.mean()).tolist())


def test_a_share_is_drawn_as_frequently_as_poses_are_in_the_target():
    state = curriculum("active_sampling", target_share=1.0)
    assert state.weights(0).tolist() == pytest.approx([1] * 6)  # nothing is known of the target yet
    # bins end at 2, 4, 6, 8, 10: one target pose in the first, three in the fourth, two beyond the last
    state.match(torch.tensor([0.5, 6.5, 7.0, 8.0, 11.0, 99.0]))
    assert state.weights(0).tolist() == pytest.approx([1, 0, 0, 3, 0, 2])
    assert drawn(state, 0)[6:8] == [3, 3]
    half = curriculum("active_sampling", target_share=0.5, floor=1.0)
    half.match(torch.tensor([0.5, 6.5, 7.0, 8.0, 11.0, 99.0]))
    assert half.weights(0).tolist() == pytest.approx([1, 0.5, 0.5, 2, 0.5, 1.5])


def test_samples_keep_the_frequency_of_their_vae_score_when_they_are_reranked():
    state = curriculum("active_sampling", target_share=1.0)
    state.match(torch.tensor([0.5]))  # the target shows poses of the first bin alone: samples 0 and 1
    state.finish_epoch(0, torch.tensor([0.05, *[1.0] * 11]))  # sample 0 goes to the last bin
    assert drawn(state, 1) == [6, 6, *[0] * 10]


def test_the_target_is_asked_for_once_adaptation_has_begun():
    matched = curriculum("active_sampling", target_share=0.5, pretrain_epochs=2)
    assert [matched.needs_target(epoch) for epoch in range(4)] == [False, False, True, True]
    assert not curriculum("active_sampling", pretrain_epochs=2).needs_target(3)


def test_what_the_target_showed_is_restored():
    state = curriculum("active_sampling", target_share=0.5)
    state.match(torch.tensor([0.5, 6.5]))
    again = curriculum("active_sampling", target_share=0.5)
    again.load_state_dict(state.state_dict())
    assert torch.equal(again.pool(1, 0), state.pool(1, 0))
