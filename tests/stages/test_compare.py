"""``python -m stages.compare`` in a folder that holds what the earlier stages wrote."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from evaluated_project import demo_params, flat_metrics, write_params, write_project

REPOSITORY = Path(__file__).parents[2]


def run_compare(root):
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'src'}"}
    return subprocess.run(
        [sys.executable, "-m", "stages.compare"], cwd=root, env=environment, capture_output=True, text=True
    )


@pytest.fixture
def project(tmp_path):
    params = demo_params(methods=["udape_vae_hm", "oracle"], seeds=[0, 1])
    write_params(tmp_path / "params.yaml", params)
    write_project(tmp_path, params, lambda method, seed: flat_metrics(0.5 + 0.1 * seed))
    return tmp_path


def test_prints_an_uncut_comparison_and_where_the_page_is(project):
    done = run_compare(project)
    assert done.returncode == 0, done.stderr
    assert "selection last" in done.stdout.lower()
    assert "udape_vae_hm" in done.stdout
    assert "(target labels)" in done.stdout
    assert "±7.1" in done.stdout  # seeds 0.5 and 0.6
    assert "…" not in done.stdout
    assert "\x1b" not in done.stdout
    assert max(len(line.rstrip()) for line in done.stdout.splitlines()) <= 82
    assert done.stdout.endswith("report: reports/report.html\n")
    assert (project / "reports/report.html").is_file()


def test_a_missing_evaluation_is_one_line(project):
    (project / "evaluations/oracle-1/metrics.json").unlink()
    done = run_compare(project)
    assert done.returncode == 2
    assert done.stderr == (
        "error: evaluations/oracle-1: no evaluation of this run; run: dvc repro evaluate@oracle-1\n"
    )
    assert not (project / "reports").exists()
