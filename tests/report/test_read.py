import json

import pytest
from evaluated_project import demo_params, flat_metrics, folders_below, write_project

from actupose.errors import UserError
from actupose.report.read import read_binned_data, read_evidence, read_metrics

PARAMS = demo_params(methods=["source_only", "udape"], seeds=[0])


@pytest.fixture
def folders(tmp_path):
    write_project(tmp_path, PARAMS, lambda *_: flat_metrics(0.5))
    return folders_below(tmp_path)


def test_unknown_figures_are_left_out(tmp_path):
    path = tmp_path / "metrics.json"
    tree = {"last": {"pck": {"all": 0.5, "hip": None}, "evalpose_bone": float("nan")}, "best_on_target": {}}
    path.write_text(json.dumps(tree))
    assert read_metrics(path) == {"last": {"pck_all": 0.5}, "best_on_target": {}}


def test_a_missing_evaluation_names_the_command(folders):
    (folders.evaluations / "udape-0/metrics.json").unlink()
    with pytest.raises(UserError, match="no evaluation of this run; run: dvc repro evaluate@udape-0"):
        read_evidence(folders, PARAMS)


def test_several_missing_evaluations_are_counted(folders):
    for run in ("source_only-0", "udape-0"):
        (folders.evaluations / run / "metrics.json").unlink()
    with pytest.raises(UserError, match=r"\(and 1 more\); run: dvc repro evaluate@source_only-0"):
        read_evidence(folders, PARAMS)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{", "not valid JSON"), ("[]", "needs the keys"), ('{"last": {}}', "last and best_on_target")],
)
def test_damaged_metrics_are_one_line(folders, text, complaint):
    (folders.evaluations / "udape-0/metrics.json").write_text(text)
    with pytest.raises(UserError, match=complaint) as caught:
        read_evidence(folders, PARAMS)
    assert "\n" not in str(caught.value)
    assert "dvc repro -f evaluate@udape-0" in str(caught.value)


@pytest.mark.parametrize(
    ("read", "table"),
    [
        (read_evidence, "runs/udape-0/curriculum.parquet"),
        (read_binned_data, "data/bins/target/scores.parquet"),
    ],
)
def test_a_missing_table_is_named(folders, tmp_path, read, table):
    (tmp_path / table).unlink()
    with pytest.raises(UserError, match=table):
        read(folders, PARAMS)
