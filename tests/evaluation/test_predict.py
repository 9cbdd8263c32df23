"""Predictions that later stages read: of whom, by what, and that no label is among it."""

import numpy as np
import pytest
import torch
from tiny_domains import SIDE, Project, tiny_params, tiny_poses, write_samples

from actupose.errors import UserError
from actupose.evaluation.predict import predict
from actupose.evaluation.predictions import ModelPredictions
from actupose.nets.pose_model import ModelInfo, save_model
from actupose.nets.pose_resnet import build_network, heatmap_side
from actupose.tables import model_predictions_schema, table_metadata, write_table

PARAMS = tiny_params()
SCHEMA = model_predictions_schema(16)


@pytest.fixture
def project(tmp_path) -> Project:
    """Data and the model of a run, whose weights are random."""
    project = Project(tmp_path)
    info = ModelInfo(skeleton="body16", image_size=SIDE, network=PARAMS.network, heatmap=PARAMS.heatmap)
    save_model(tmp_path / "run", build_network(16, PARAMS.network, 0), info)
    return project


def predicted(project: Project, params=PARAMS):
    return predict(params, project.ingested, project.root / "run")


def rows_of(table) -> list[tuple[str, str, str]]:
    return list(zip(*(table.column(name).to_pylist() for name in SCHEMA.names[:3]), strict=True))


def with_three_splits(project: Project) -> None:
    splits = {"train": 4, "val": 2, "test": 3}
    rows = [(f"{split}{i}", split) for split, count in splits.items() for i in range(count)]
    write_samples(project.ingested / "target", rows, tiny_poses(9, 0), np.ones((9, 16), bool))


def test_all_of_the_target_and_the_sources_test_images_are_predicted(project):
    with_three_splits(project)
    table = predicted(project)
    assert table.schema.equals(SCHEMA, check_metadata=False)
    assert rows_of(table) == [
        *(("target", "test", f"test{i}") for i in range(3)),
        *(("target", "val", f"val{i}") for i in range(2)),
        *(("target", "train", f"train{i}") for i in range(4)),
        *(("source", "test", f"source-test-{i:03d}") for i in range(4)),
    ]
    side = heatmap_side(SIDE, PARAMS.network)
    assert table_metadata(table) == {"heatmap_side": str(side), "heatmap_sigma": "1.5"}


def test_splits_that_are_not_there_are_left_out(project):
    write_samples(project.ingested / "source", [("s0", "train")], tiny_poses(1, 0), np.ones((1, 16), bool))
    write_samples(project.ingested / "target", [("t0", "test")], tiny_poses(1, 0), np.ones((1, 16), bool))
    assert {row[:2] for row in rows_of(predicted(project))} == {("target", "test")}


def test_a_target_without_test_images_is_a_users_mistake(project):
    rows = [("t0", "train")]
    write_samples(project.ingested / "target", rows, tiny_poses(1, 0), np.ones((1, 16), bool))
    with pytest.raises(UserError, match=r"target/samples\.parquet: split 'test' holds no sample"):
        predicted(project)


def test_neither_labels_nor_what_scores_them_change_a_byte(project):
    def written(params=PARAMS) -> bytes:
        write_table(project.predictions, predicted(project, params), SCHEMA)
        return project.predictions.read_bytes()

    before = written()
    assert written(tiny_params(evaluation__threshold=0.2, bins__target=3)) == before
    project.relabel_target(np.full((30, 16, 2), np.nan, np.float32), np.zeros((30, 16), bool))
    assert written() == before


def test_a_split_is_read_back_as_it_was_predicted(project):
    project.predict(PARAMS, project.root / "run")
    model = ModelPredictions(project.predictions, 16)
    ids = [f"source-test-{i:03d}" for i in range(4)]
    found, table = model.of("source", "test", ids), predicted(project).slice(12 + 18)
    assert (model.heatmap_side, model.heatmap_sigma) == (heatmap_side(SIDE, PARAMS.network), 1.5)
    assert found.keypoints.flatten(1).tolist() == table.column("keypoints_pred").to_pylist()
    assert found.confidence.tolist() == table.column("confidence").to_pylist()
    assert found.cell.tolist() == table.column("cell").to_pylist() and found.cell.dtype == torch.int64


def test_predictions_of_other_images_are_refused(project):
    project.predict(PARAMS, project.root / "run")
    with pytest.raises(UserError, match=r"not of the images in split 'test' of the source; run its stage"):
        ModelPredictions(project.predictions, 16).of("source", "test", ["another"])


def test_predictions_that_do_not_say_what_a_cell_is_are_refused(project):
    write_table(project.predictions, predicted(project).replace_schema_metadata(None), SCHEMA)
    with pytest.raises(UserError, match=r"predictions\.parquet: does not say what a cell is"):
        ModelPredictions(project.predictions, 16)
