"""The whole report from real tables: its files, its words, its bytes."""

import csv
import json
import re

import pytest
from evaluated_project import (
    UNLABELLED_METRICS,
    demo_params,
    drawn_people,
    flat_metrics,
    folders_below,
    write_project,
)

from actupose.errors import UserError
from actupose.report.compare import write_report

LEVELS = {"source_only": 0.4, "actupose": 0.7, "oracle": 0.85}
FIGURES = {"pck_by_group", "per_bin", "predictions", "pose_gallery", "score_distribution", "schedule",
           "learning_curves", "bin_similarity", "pose_variation", "reranking", "reranking_flow"}  # fmt: skip


def report(root, params, reports):
    write_report(folders_below(root), reports, params)
    return reports


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    root = tmp_path_factory.mktemp("labelled")
    params = demo_params(methods=list(LEVELS), seeds=[0, 1])
    write_project(root, params, lambda method, seed: flat_metrics(LEVELS[method] + 0.02 * seed))
    report(root, params, root / "reports")
    return root, params


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    root = tmp_path_factory.mktemp("unlabelled")
    params = demo_params(methods=["source_only", "udape"], seeds=[0])
    write_project(root, params, lambda *_: UNLABELLED_METRICS, drawn_people(is_labelled=False))
    figures = root / "reports/figures"
    figures.mkdir(parents=True)
    (figures / "per_bin.png").write_bytes(b"of an earlier report, when the target had labels")
    return report(root, params, root / "reports")


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_files_are_there(labelled):
    root, _ = labelled
    tables = {"comparison.csv", "comparison.json", "comparison.md", "runs.csv", "report.html"}
    assert set(files(root / "reports")) == tables | {f"figures/{name}.png" for name in FIGURES}


def test_csv_carries_fractions(labelled):
    root, _ = labelled
    rows = list(csv.DictReader((root / "reports/comparison.csv").open()))
    assert [(row["selection"], row["method"]) for row in rows[:4]] == [
        ("last", "source_only"), ("last", "actupose"), ("last", "oracle"), ("best_on_target", "source_only")
    ]  # fmt: skip
    # Seeds 0.70 and 0.72: mean 0.71, deviation 0.02 / sqrt(2).
    figures = [rows[1][name] for name in ("seeds", "pck_all_mean", "pck_all_std")]
    assert figures == ["2", "0.710000", "0.014142"]
    assert [row["target_labels"] for row in rows[:3]] == ["False", "False", "True"]


def test_runs_csv_has_one_line_per_rule_and_run(labelled):
    root, _ = labelled
    rows = list(csv.DictReader((root / "reports/runs.csv").open()))
    assert len(rows) == 2 * 3 * 2
    assert rows[0]["pck_all"] == "0.400000"
    assert rows[0]["epoch"] == ""


def test_json_nests_rule_method_figure(labelled):
    root, _ = labelled
    tree = json.loads((root / "reports/comparison.json").read_text())
    assert tree["last"]["actupose"]["pck_all"] == {"mean": 0.71, "std": 0.014142}
    assert tree["last"]["oracle"]["target_labels"] is True
    assert "labels that unsupervised adaptation must not see" in tree["selection_rules"]["best_on_target"]


def test_markdown_is_for_people(labelled):
    root, _ = labelled
    text = (root / "reports/comparison.md").read_text()
    assert "last: the model after the last epoch; the primary figure." in text
    assert "PCK@0.05 and EvalPose, x100, mean ± standard deviation over 2 seeds." in text
    assert re.search(r"^\| actupose \| 71\.0 ± 1\.4 \|", text, re.MULTILINE)
    assert "| oracle (target labels) |" in text
    assert "an upper bound and not a method" in text


def test_page_is_self_contained(labelled):
    root, _ = labelled
    page = (root / "reports/report.html").read_text()
    references = re.findall(r"(?:src|href)\s*=\s*[\"']?([^\"'>\s]+)", page)
    assert references
    assert all(reference.startswith(("#", "data:image/png;base64,")) for reference in references)
    assert not re.search(r"<script|<link|@import|url\(", page)
    assert page.count("data:image/png;base64,") == len(FIGURES)


def test_page_sets_the_papers_apart(labelled):
    root, _ = labelled
    page = (root / "reports/report.html").read_text()
    measured, reported = page.split('<div class="papers"')
    assert "84.9" in reported
    assert "84.9" not in re.sub(r"base64,[^\"]+", "", measured)
    assert reported.count("Reported by the paper:") == 3
    assert "not one of the papers&#39; tasks" in reported


def test_equal_inputs_give_equal_bytes(labelled, tmp_path):
    root, params = labelled
    assert files(report(root, params, tmp_path / "again")) == files(root / "reports")


def test_without_labels_figures_and_columns_are_absent(unlabelled):
    assert set(files(unlabelled)) & {f"figures/{name}.png" for name in FIGURES} == {
        "figures/predictions.png", "figures/pose_gallery.png", "figures/score_distribution.png",
        "figures/bin_similarity.png", "figures/pose_variation.png",
        "figures/learning_curves.png",
    }  # fmt: skip
    header = (unlabelled / "comparison.csv").read_text().splitlines()[0]
    assert header == "selection,method,target_labels,seeds,source_pck_all_mean"
    assert "The target has no labels" in (unlabelled / "comparison.md").read_text()
    assert "best_on_target" not in json.loads((unlabelled / "comparison.json").read_text())


def test_one_seed_says_so(unlabelled):
    text = (unlabelled / "comparison.md").read_text()
    assert "1 seed" in text
    assert "±" not in text


def test_nothing_is_written_on_an_error(labelled, tmp_path):
    root, _ = labelled
    params = demo_params(methods=["udape"], seeds=[0])
    with pytest.raises(UserError):
        report(root, params, tmp_path / "reports")
    assert not (tmp_path / "reports").exists()
