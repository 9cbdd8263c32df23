"""Every case of the rule, with numbers worked out by hand."""

import pytest

from actupose.errors import UserError
from pipelines._promotion_rule import Decision, judge
from tracking import Version


def version(number: int, method: str, seed: int, pck: float | None, hardest: float | None = 0.25, **other):
    values = {"uses_target_labels": method == "oracle", "measured_on": "labels", "split": "val"} | other
    return Version(number, method, seed, f"{method}-group", pck=pck, hardest=hardest, **values)


# Means 0.5 and 0.625; deviations of two seeds are their distance over the root of 2.
CHAMPIONS = [version(1, "udape", 0, 0.46875), version(2, "udape", 1, 0.53125)]  # deviation 0.0442
BETTER = [version(3, "actupose", 0, 0.65625), version(4, "actupose", 1, 0.59375)]  # deviation 0.0442
NUMBERS = "champion udape (2 seeds) PCK@0.05 50.00, hardest third 25.00"


def test_without_a_champion_the_best_seed_of_the_best_group_becomes_it() -> None:
    reason = "actupose (2 seeds) PCK@0.05 62.50, hardest third 25.00; there was no champion"
    assert judge([*CHAMPIONS, *BETTER], None) == Decision("promoted", 3, reason)


def test_a_group_is_judged_by_its_mean_and_not_by_its_best_seed() -> None:
    lucky = [version(5, "udape_vae_cl", 0, 0.875), version(6, "udape_vae_cl", 1, 0.125)]
    assert judge([*CHAMPIONS, *BETTER, *lucky], None).version == 3


def test_a_group_better_by_more_than_noise_is_promoted_with_both_numbers() -> None:
    reason = f"actupose (2 seeds) PCK@0.05 62.50, hardest third 25.00; {NUMBERS}; noise 4.42"
    assert judge([*CHAMPIONS, *BETTER], champion=2) == Decision("promoted", 3, reason)


def test_the_noise_is_the_larger_of_both_deviations() -> None:
    wide = [version(3, "actupose", 0, 0.75), version(4, "actupose", 1, 0.5)]  # mean 0.625, deviation 0.1768
    decision = judge([*CHAMPIONS, *wide], champion=2)
    reason = f"actupose (2 seeds) PCK@0.05 62.50, hardest third 25.00; {NUMBERS}; noise 17.68"
    assert decision == Decision("refused", 3, f"{reason}: not better by more than noise")


def test_one_group_of_two_seeds_is_enough_to_know_the_noise() -> None:
    assert judge([*CHAMPIONS, BETTER[1]], champion=2).outcome == "promoted"  # 0.59375 - 0.5 > 0.0442
    near = version(3, "actupose", 0, 0.53125)
    assert judge([*CHAMPIONS, near], champion=2, wanted=3).outcome == "refused"  # 0.03125 < 0.0442


def test_a_worse_group_is_refused() -> None:
    decision = judge([*CHAMPIONS, *BETTER], champion=3, wanted=1)
    assert decision.outcome == "refused"
    assert decision.reason.startswith("udape (2 seeds) PCK@0.05 50.00, hardest third 25.00; champion")
    assert decision.reason.endswith("noise 4.42: not better by more than noise")


def test_equal_figures_are_refused_even_without_noise() -> None:
    twin = version(3, "actupose", 0, 0.5)
    assert judge([*CHAMPIONS, twin], champion=2, wanted=3, noise=0.0).outcome == "refused"


@pytest.mark.parametrize(("hardest", "outcome"), [(0.21875, "promoted"), (0.1875, "refused")])
def test_the_hardest_third_may_lose_no_more_than_noise(hardest: float, outcome: str) -> None:
    easier = [version(3, "actupose", 0, 0.65625, hardest), version(4, "actupose", 1, 0.59375, hardest)]
    decision = judge([*CHAMPIONS, *easier], champion=2)  # may fall by 0.0442, to 0.2058
    assert decision.outcome == outcome
    assert decision.reason.endswith("worse in the hardest third by more than noise") is (outcome == "refused")


def test_single_seeds_are_refused_until_the_noise_is_stated() -> None:
    single = [CHAMPIONS[0], BETTER[0]]  # 0.46875 and 0.65625
    decision = judge(single, champion=1)
    assert decision.outcome == "refused"
    assert decision.reason == (
        "actupose (1 seed) PCK@0.05 65.62, hardest third 25.00; "
        "champion udape (1 seed) PCK@0.05 46.88, hardest third 25.00; "
        "noise unknown: no group has two seeds; train more seeds or state it with --noise"
    )
    assert judge(single, champion=1, noise=0.125).outcome == "promoted"
    assert judge(single, champion=1, noise=0.25).outcome == "refused"


def test_the_champion_itself_is_left_as_it_is() -> None:
    decision = judge([*CHAMPIONS, *BETTER], champion=3)
    assert decision == Decision("unchanged", 3, "it is the champion already")


def test_another_seed_of_the_champions_group_is_not_better() -> None:
    assert judge([*CHAMPIONS, *BETTER], champion=4).outcome == "refused"


def test_the_oracle_is_never_promoted() -> None:
    oracle = version(9, "oracle", 0, 0.9)
    assert judge([*CHAMPIONS, oracle], None).version == 2
    decision = judge([*CHAMPIONS, oracle], None, wanted=9)
    assert decision == Decision("refused", 9, "oracle has trained on target labels")


def test_figures_of_other_labels_are_not_compared() -> None:
    moved = [version(5, "actupose", 0, 0.75, measured_on="others")]
    decision = judge([*CHAMPIONS, *moved], champion=2)
    assert (decision.outcome, decision.version) == ("refused", 5)
    assert "not of the labels those of the champion, version 2, are of" in decision.reason
    assert judge([*moved, *CHAMPIONS], None).version == 2, "the newest version says which labels"


def test_a_seed_trained_again_counts_once() -> None:
    again = version(5, "actupose", 0, 0.75)
    decision = judge([*CHAMPIONS, *BETTER, again], champion=2)  # (0.59375 + 0.75) / 2
    assert decision.version == 5
    assert decision.reason.startswith("actupose (2 seeds) PCK@0.05 67.19")


def test_without_figures_there_is_nothing_to_judge_by() -> None:
    unlabelled = version(1, "udape", 0, None, None, measured_on="")
    line = "no figures of a promotion split: the target needs labels on evaluation.promotion_split"
    with pytest.raises(UserError, match=f"^{line}"):
        judge([unlabelled, version(2, "oracle", 0, 0.9)], None)
    with pytest.raises(UserError, match=f"^version 1: {line}"):
        judge([unlabelled, *BETTER], None, wanted=1)
