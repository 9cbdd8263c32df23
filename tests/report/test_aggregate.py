import math
from dataclasses import replace

import pandas as pd
import pytest
from evaluated_project import (
    UNLABELLED_METRICS,
    demo_params,
    drawn_people,
    flat_metrics,
    folders_below,
    write_project,
)

from actupose.report.aggregate import compare_runs, history_curves, per_bin_curves, run_figures, summarise
from actupose.report.columns import method_mark
from actupose.report.read import read_evidence
from actupose.report.text import notes


@pytest.fixture
def two_seeds(tmp_path):
    params = demo_params(methods=["source_only", "oracle"], seeds=[0, 1])
    write_project(tmp_path, params, lambda method, seed: flat_metrics(0.4 + 0.2 * seed))
    return params, read_evidence(folders_below(tmp_path), params)


def test_mean_and_sample_deviation_over_seeds(two_seeds):
    params, evidence = two_seeds
    row = compare_runs(evidence.runs, params).tables["last"][0]
    # Seeds give 0.4 and 0.6: mean 0.5, deviation sqrt((0.1^2 + 0.1^2) / (2 - 1)).
    assert row.seeds == 2
    assert row.mean["pck_all"] == pytest.approx(0.5)
    assert row.std["pck_all"] == pytest.approx(math.sqrt(0.02))
    assert row.mean["pck_tllib_wrist"] == pytest.approx(0.5)


def test_selection_rules_are_kept_apart(two_seeds):
    params, evidence = two_seeds
    best = compare_runs(evidence.runs, params).tables["best_on_target"][0]
    assert best.mean["pck_all"] == pytest.approx(0.6)
    assert best.mean["epoch"] == 3


def test_the_oracle_is_marked(two_seeds):
    params, evidence = two_seeds
    comparison = compare_runs(evidence.runs, params)
    assert comparison.upper_bounds == ("oracle",)
    assert comparison.labels == {"source_only": "source_only", "oracle": "oracle (target labels)"}


@pytest.mark.parametrize(
    ("method", "mark"), [("poseda", "(our reading)"), ("ensemble_teacher", "(ours)")], ids=str
)
def test_what_is_no_papers_is_marked_and_the_mark_explained(two_seeds, method, mark):
    params, evidence = two_seeds
    comparison = replace(compare_runs(evidence.runs, params), marks={method: mark, "udape": ""})
    assert comparison.labels == {method: f"{method} {mark}", "udape": "udape"}
    assert method_mark(params.methods[method]) == mark
    assert [note.split(":")[0] for note in notes(comparison)[1:]] == [mark]


def test_one_seed_has_no_deviation():
    figures = pd.DataFrame([{"selection": "last", "method": "udape", "seed": 0, "pck_all": 0.7}])
    (row,) = summarise(figures)["last"]
    assert (row.seeds, row.mean, row.std) == (1, {"pck_all": 0.7}, {})


def test_a_figure_that_one_seed_lacks_is_absent():
    rows = [
        {"selection": "last", "method": "udape", "seed": 0, "pck_all": 0.7, "pck_hip": 0.5},
        {"selection": "last", "method": "udape", "seed": 1, "pck_all": 0.9},
    ]
    (row,) = summarise(pd.DataFrame(rows))["last"]
    assert row.mean == pytest.approx({"pck_all": 0.8})


def test_without_target_labels_only_the_source_column_is_left(tmp_path):
    params = demo_params(methods=["source_only", "udape"], seeds=[0])
    write_project(tmp_path, params, lambda *_: UNLABELLED_METRICS, drawn_people(is_labelled=False))
    comparison = compare_runs(read_evidence(folders_below(tmp_path), params).runs, params)
    assert list(comparison.tables) == ["last"]
    assert [column.key for column in comparison.columns["last"]] == ["source_pck_all"]
    assert not comparison.has_target_labels


def test_methods_keep_the_order_of_the_params(tmp_path):
    params = demo_params(methods=["udape", "actupose", "source_only"], seeds=[1, 0])
    write_project(tmp_path, params, lambda *_: flat_metrics(0.5))
    evidence = read_evidence(folders_below(tmp_path), params)
    assert [row.method for row in compare_runs(evidence.runs, params).tables["last"]] == [
        "udape", "actupose", "source_only"
    ]  # fmt: skip
    assert list(run_figures(evidence.runs)["seed"][:2]) == [1, 0]


def test_curves_average_seeds_bin_by_bin_and_epoch_by_epoch(two_seeds):
    _, evidence = two_seeds
    first, second, *_ = evidence.runs
    curve = per_bin_curves(evidence.runs, "pck_all")["source_only"]
    assert curve["mean"].to_numpy() == pytest.approx(
        (first.per_bin["pck_all"] + second.per_bin["pck_all"]).to_numpy() / 2
    )
    assert list(curve.index) == [0, 1, 2, 3, 4]
    losses = history_curves(evidence.runs, "source")["source_only"]
    start = first.history["value"][0] + second.history["value"][0]
    assert losses.loc[0, "mean"] == pytest.approx(start / 2)
    assert history_curves(evidence.runs, "consistency") == {}
