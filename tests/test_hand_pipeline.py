"""The pipeline on hands: the same stages, another skeleton, no code of its own."""

import json
from pathlib import Path

import pytest
from shrunk_project import make_project, prepare, run_here

from actupose import tables


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hands") / "project"
    net = {"style_net.train": True, "style_net.steps": 4, "style_net.channels": 4}
    adain = {"methods.actupose.style.kind": "adain", **net}
    make_project(folder, {"data.skeleton": "hand21", "train.methods": ["regda", "actupose"], **adain})
    prepare(folder)
    for method in ("regda", "actupose"):
        for stage in ("train", "predict", "evaluate"):
            run_here(folder, stage, method, "0")
    run_here(folder, "compare")
    return folder


def test_hands_are_trained_and_compared_by_their_own_groups(project: Path) -> None:
    for name in ("regda-0", "actupose-0"):
        metrics = json.loads((project / "evaluations" / name / "metrics.json").read_text())
        assert {"mcp", "pip", "dip", "fingertip", "all"} <= {key.lower() for key in metrics["last"]["pck"]}
        path = project / "evaluations" / name / "predictions.parquet"
        assert len(tables.read_table(path, tables.predictions_schema(21))) == 24
    assert "actupose" in (project / "reports/comparison.md").read_text()


def test_the_style_net_is_trained_and_shown(project: Path) -> None:
    assert (project / "models/style/style.safetensors").is_file()
    assert (project / "reports/figures/restyled.png").is_file()
