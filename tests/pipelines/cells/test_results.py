import json
from pathlib import Path

import pytest

from actupose.report.sweep import CellResults, write_summary
from pipelines.cells.results import cell_metrics


def results(folder: Path, name: str, figures: dict[str, list[float]]) -> CellResults:
    """A cell whose methods have these PCKs, one a seed."""
    for method, values in figures.items():
        for seed, value in enumerate(values):
            (folder / name / f"{method}-{seed}").mkdir(parents=True)
            metrics = {"last": {"pck": {"all": value}}, "best_on_target": {}}
            (folder / name / f"{method}-{seed}/metrics.json").write_text(json.dumps(metrics))
    return CellResults(name, {"methods.actupose.curriculum.pace": name}, folder / name)


def test_methods_of_a_cell_are_told_apart(tmp_path: Path) -> None:
    cells = [
        results(tmp_path, "a", {"udape": [0.1, 0.3], "actupose": [0.4]}),
        results(tmp_path, "b", {"udape": [0.5]}),
    ]
    metrics = cell_metrics(write_summary(tmp_path, cells))
    assert set(metrics["a"]) == {  # one seed has no deviation, and nobody measured the hardest third
        "sweep/udape/pck_0.05_mean", "sweep/udape/pck_0.05_std", "sweep/actupose/pck_0.05_mean",
    }  # fmt: skip
    assert metrics["a"]["sweep/udape/pck_0.05_mean"] == pytest.approx(0.2)
    assert metrics["b"] == pytest.approx({"sweep/pck_0.05_mean": 0.5})


def test_where_every_cell_failed_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert cell_metrics(write_summary(tmp_path, [])) == {}
    assert not list(tmp_path.iterdir())


def test_the_summary_chooses_no_cell(tmp_path: Path) -> None:
    write_summary(
        tmp_path, [results(tmp_path, "a", {"udape": [0.1]}), results(tmp_path, "b", {"udape": [0.5]})]
    )
    text = (tmp_path / "summary.md").read_text()
    assert "a setting that is chosen by them is not an unsupervised result" in text
    assert "best" not in text


def test_what_was_decided_stands_below_the_table(tmp_path: Path) -> None:
    cells = [results(tmp_path, "a", {"udape": [0.1]})]
    write_summary(tmp_path, cells, "It does not help: kept off.\n")
    assert (tmp_path / "summary.md").read_text().endswith("|\n\nIt does not help: kept off.\n")
