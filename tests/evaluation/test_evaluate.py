import math

import numpy as np
import pytest
import torch
from file_opens import counted_opens
from tiny_domains import SIDE, Project, tiny_params, tiny_poses, write_samples, write_scores

from actupose.core.pose import normalise_poses
from actupose.data.dataset import Domain
from actupose.errors import UserError
from actupose.evaluation.evaluate import Evaluation
from actupose.nets.pose_model import ModelInfo, load_model, save_model
from actupose.nets.pose_resnet import build_network
from actupose.params import Params
from actupose.scoring.pose_score import load_vae, score_poses
from actupose.skeleton import BODY16
from actupose.tables import (
    PER_BIN,
    epoch_predictions_schema,
    keypoint_values,
    list_values,
    make_table,
    predictions_schema,
    table_metadata,
    write_table,
)
from actupose.training.prediction import predict_all

PARAMS = tiny_params(evaluation__batch_size=5)


@pytest.fixture
def project(tmp_path) -> Project:
    """Data, a VAE and the model of a run, whose weights are random."""
    project = Project(tmp_path)
    info = ModelInfo(skeleton="body16", image_size=SIDE, network=PARAMS.network, heatmap=PARAMS.heatmap)
    network = build_network(16, PARAMS.network, 0)
    with torch.no_grad():
        network.head[-1].weight.mul_(1000)  # so that keypoints differ
    save_model(tmp_path / "run", network, info)
    write_epochs(project, {})
    return project


def evaluate(project: Project, params: Params = PARAMS) -> Evaluation:
    """Predict and score."""
    project.predict(params, project.root / "run")
    return project.evaluate(params, project.root / "run")


def labels_of(project: Project):
    return Domain(project.ingested / "target", BODY16).labels("test")


def write_epochs(project: Project, predictions: dict[int, torch.Tensor], ids=None) -> None:
    """Saved predictions (12, 16, 2) of epochs; their cells are those that hold them, two pixels a cell."""
    schema = epoch_predictions_schema(16)
    everyone = ids or [f"target-test-{i:03d}" for i in range(12)]
    points = torch.cat(list(predictions.values())) if predictions else torch.zeros(0, 16, 2)
    x, y = ((points + 0.5) / 2 - 0.5).round().clamp(0, 15).long().unbind(-1)
    columns = {
        "epoch": np.repeat(np.array(list(predictions), np.int64), 12),
        "sample_id": everyone * len(predictions),
        "keypoints_pred": points.numpy(),
        "confidence": torch.ones(points.shape[:2]).numpy(),
        "cell": (y * 16 + x).int().numpy(),
    }
    write_table(project.root / "run" / "epoch_predictions.parquet", make_table(schema, columns), schema)


def wrong(labels: torch.Tensor, samples: int) -> torch.Tensor:
    """Labels with the first samples wholly wrong."""
    moved = labels.clone()
    moved[:samples] += 10
    return moved


def test_predictions_are_the_models_in_the_order_of_the_images_beside_their_labels(project):
    result = evaluate(project)
    images = Domain(project.ingested / "target", BODY16).images("test")
    model = load_model(project.root / "run")
    expected = predict_all(model, images, torch.device("cpu"), 0, batch_size=12)
    table, labels = result.predictions, labels_of(project)
    assert table.schema.equals(predictions_schema(16), check_metadata=False)
    assert table.column("sample_id").to_pylist() == images.sample_ids
    np.testing.assert_allclose(
        keypoint_values(table, "keypoints_pred"), expected.keypoints.numpy(), atol=1e-3
    )
    np.testing.assert_allclose(list_values(table, "confidence"), expected.confidence.numpy(), rtol=1e-3)
    np.testing.assert_array_equal(keypoint_values(table, "keypoints_true"), labels.keypoints.numpy())
    np.testing.assert_array_equal(list_values(table, "visible"), labels.visible.numpy())
    assert table.column("bin").to_pylist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert table_metadata(table) == {"image_side": "32", "skeleton": "body16", "selection": "last"}


def test_metrics_follow_from_the_predictions(project):
    result = evaluate(project)
    predicted = keypoint_values(result.predictions, "keypoints_pred")
    labels = labels_of(project)
    near = (
        np.linalg.norm(predicted - labels.keypoints.numpy(), axis=2) < 0.05 * SIDE
    ) & labels.visible.numpy()
    limbs = [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]
    share = near.sum(0)[limbs] / labels.visible.numpy().sum(0)[limbs]
    assert result.metrics["last"]["pck"]["all"] == pytest.approx(share.mean(), abs=1e-6)
    hard = near[8:].sum(0)[limbs] / labels.visible.numpy()[8:].sum(0)[limbs]  # bins 4 and 5
    assert result.metrics["last"]["pck_all_hardest_third"] == pytest.approx(hard.mean(), abs=1e-6)
    assert result.per_bin.schema.equals(PER_BIN)
    assert result.per_bin.column("count").to_pylist() == [2] * 6
    assert 0 <= result.metrics["last"]["source_pck_all"] <= 1
    write_table(project.root / "p.parquet", result.predictions, predictions_schema(16))
    write_table(project.root / "b.parquet", result.per_bin, PER_BIN)


def test_the_threshold_is_the_settings(project):
    strict, loose = (
        evaluate(project, tiny_params(evaluation__threshold=share)).metrics["last"]["pck"]["all"]
        for share in (0.01, 0.9)
    )
    assert strict < 0.5 < loose


def test_the_best_epoch_is_the_first_of_the_best_and_stands_apart_from_the_last(project):
    truth = labels_of(project).keypoints
    write_epochs(project, {1: wrong(truth, 9), 3: wrong(truth, 3), 5: wrong(truth, 3), 7: wrong(truth, 6)})
    result = evaluate(project)
    assert [epoch for epoch, _ in result.epochs] == [1, 3, 5, 7]
    # visible: all but the right ankle of every fifth picture of the domain, so shares are of nearly 12
    assert [value for _, value in result.epochs] == pytest.approx([0.25, 0.75, 0.75, 0.5], abs=0.02)
    best = result.metrics["best_on_target"]
    assert best["epoch"] == 3
    assert best["pck"]["all"] == result.epochs[1][1]
    assert best["pck"]["wrist"] == pytest.approx(0.75)
    assert best["pck_tllib"]["wrist"] == pytest.approx(0.75)
    assert best["evalpose_bone"] == pytest.approx(1, abs=1e-5)
    assert best["pck_all_hardest_third"] == 1
    assert "epoch" not in result.metrics["last"]
    assert result.metrics["last"]["pck"]["all"] < 0.75


def test_without_saved_epochs_there_is_no_best_one(project):
    result = evaluate(project)
    assert result.epochs == []
    assert result.metrics["best_on_target"] == {}
    assert result.metrics["last"]["pck"]["all"] is not None


def test_predictions_of_other_images_are_our_own_fault(project):
    ids = [f"target-test-{i:03d}" for i in reversed(range(12))]
    write_epochs(project, {0: labels_of(project).keypoints}, ids)
    with pytest.raises(ValueError, match="predictions of epoch 0 are not of the target's test images"):
        evaluate(project)


def unlabel(project: Project) -> None:
    project.relabel_target(np.full((30, 16, 2), np.nan, np.float32), np.zeros((30, 16), bool))


def test_a_target_without_labels_gets_bins_of_its_predicted_poses_and_no_metrics(project):
    truth = labels_of(project).keypoints
    write_epochs(project, {1: truth})
    unlabel(project)
    result = evaluate(project)
    assert set(result.metrics["last"]) == {"source_pck_all"}
    assert result.metrics["best_on_target"] == {} and result.epochs == []
    assert sorted(result.predictions.column("bin").to_pylist()) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert result.per_bin.column("count").to_pylist() == [2] * 6
    for name in ("keypoint_accuracy", "pck_all", "evalpose_angle", "evalpose_bone"):
        assert all(math.isnan(value) for value in result.per_bin.column(name).to_pylist())
    assert np.isfinite(list_values(result.predictions, "confidence")).all()
    assert np.isnan(keypoint_values(result.predictions, "keypoints_true")).all()


def test_the_bins_of_predicted_poses_order_them_by_the_vaes_score(project):
    unlabel(project)
    table = evaluate(project).predictions
    predicted = torch.from_numpy(keypoint_values(table, "keypoints_pred"))
    visible = torch.ones(12, 16, dtype=torch.bool)
    scores = score_poses(load_vae(project.vae), normalise_poses(predicted, visible)[0].flatten(1), visible)
    bins = torch.tensor(table.column("bin").to_pylist())
    assert all(scores[bins == i].max() <= scores[bins == i + 1].min() for i in range(5))


def test_fewer_unlabelled_images_than_bins_get_a_bin_each(project):
    unlabel(project)
    result = evaluate(project, tiny_params(bins__target=25))
    assert sorted(result.predictions.column("bin").to_pylist()) == list(range(12))


def test_a_model_that_sees_everything_in_one_place_is_evaluated_too(project):
    info = load_model(project.root / "run").info
    network = build_network(16, PARAMS.network, 0)
    with torch.no_grad():
        network.head[-1].weight.zero_()
    save_model(project.root / "run", network, info)
    unlabel(project)
    result = evaluate(project)
    assert sorted(result.predictions.column("bin").to_pylist()) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_a_labelled_sample_without_a_score_has_no_bin(project):
    ids = [f"target-test-{i:03d}" for i in range(12) if i != 4]
    write_scores(project.bins / "target", ids, range(11), "test")
    result = evaluate(project)
    assert result.predictions.column("bin").to_pylist()[4] == -1
    assert sum(result.per_bin.column("count").to_pylist()) == 11


def test_a_source_without_test_labels_has_no_accuracy(project):
    rows = [(f"source-train-{i:03d}", "train") for i in range(24)]
    write_samples(project.ingested / "source", rows, tiny_poses(24, 0), np.ones((24, 16), bool))
    assert evaluate(project).metrics["last"]["source_pck_all"] is None


def test_a_run_without_a_model_is_a_users_mistake(project):
    (project.root / "run" / "model.json").unlink()
    with pytest.raises(UserError, match=r"model\.json: no such file; run the train stage"):
        evaluate(project)


def test_a_whole_run_is_evaluated_from_its_outputs(project):
    schedule = {"epochs": 2, "pretrain_epochs": 1, "steps_per_epoch": 1, "batch_size": 2}
    params = tiny_params(schedule=schedule, evaluation__every_epochs=1)
    run = project.train(params, "actupose")
    project.predict(params, run)
    result = project.evaluate(params, run)
    assert [epoch for epoch, _ in result.epochs] == [0, 1]
    assert result.metrics["last"]["pck"]["all"] == pytest.approx(result.epochs[-1][1], abs=1e-6)


def label_validation_split(project: Project) -> torch.Tensor:
    """Six validation images whose poses grow ever less like the first; their labels (6, 16, 2)."""
    poses = tiny_poses(6, 3)
    for i in range(6):
        poses[i, :, 0] += i * np.linspace(-1, 1, 16)
    rows = [(f"target-test-{i:03d}", "test") for i in range(12)] + [(f"v{i}", "val") for i in range(6)]
    keypoints = np.concatenate([tiny_poses(12, 2), poses])
    write_samples(project.ingested / "target", rows, keypoints, np.ones((18, 16), bool))
    return torch.from_numpy(poses)


def promotion_of(project: Project, split: str | None) -> dict:
    return evaluate(project, tiny_params(evaluation__promotion_split=split)).metrics["promotion"]


def test_the_test_split_promotes_by_the_figures_of_the_last_model(project):
    metrics = evaluate(project).metrics
    found, last = metrics["promotion"], metrics["last"]
    assert (found["split"], found["count"]) == ("test", 12)
    assert found["pck"] == last["pck"]
    assert found["pck_all_hardest_third"] == last["pck_all_hardest_third"]


def test_a_validation_split_promotes_by_its_own_labels_and_its_own_hardest_third(project):
    poses = label_validation_split(project)
    wide = tiny_params(evaluation__promotion_split="val", evaluation__threshold=0.4)
    found = evaluate(project, wide).metrics["promotion"]
    images = Domain(project.ingested / "target", BODY16).images("val")
    predicted = predict_all(load_model(project.root / "run"), images, torch.device("cpu"), 0, 5).keypoints
    near = (predicted - poses).norm(dim=2) < 0.4 * SIDE
    limbs = [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]
    assert (found["split"], found["count"]) == ("val", 6)
    assert 0 < found["pck"]["all"] != found["pck_all_hardest_third"] < 1
    assert found["pck"]["all"] == pytest.approx(float(near[:, limbs].float().mean()), abs=1e-6)
    visible = torch.ones(6, 16, dtype=torch.bool)
    values = normalise_poses(poses, visible)[0].flatten(1)
    hardest = score_poses(load_vae(project.vae), values, visible).topk(2).indices  # six bins of one sample
    share = float(near[hardest][:, limbs].float().mean())
    assert found["pck_all_hardest_third"] == pytest.approx(share, abs=1e-6)


def test_figures_for_promotion_are_comparable_only_if_they_are_of_the_same_labels(project):
    label_validation_split(project)
    first, test = promotion_of(project, "val"), promotion_of(project, "test")
    assert first["measured_on"] == promotion_of(project, "val")["measured_on"] != test["measured_on"]
    wider = tiny_params(evaluation__promotion_split="val", evaluation__threshold=0.1)
    assert evaluate(project, wider).metrics["promotion"]["measured_on"] != first["measured_on"]


@pytest.mark.parametrize("split", [None, "val"])
def test_without_labels_that_may_choose_there_are_no_figures_for_promotion(project, split):
    assert promotion_of(project, split) == {}


def test_scoring_needs_neither_the_model_nor_an_image(project):
    wanted = evaluate(project)
    run = project.root / "run"
    for path in (run / "model.json", run / "model.safetensors", *project.ingested.glob("*/images.arrow")):
        path.unlink()
    found = project.evaluate(PARAMS, run)
    assert found.metrics == wanted.metrics
    assert found.predictions.equals(wanted.predictions)
    assert project.evaluate(tiny_params(evaluation__threshold=0.9), run).metrics != wanted.metrics


def test_every_table_is_opened_once(project):
    label_validation_split(project)
    run, params = project.root / "run", tiny_params(evaluation__promotion_split="val")
    project.predict(params, run)
    tables = [project.predictions, run / "epoch_predictions.parquet", project.bins / "target/scores.parquet"]
    tables += project.ingested.glob("*/samples.parquet")
    with counted_opens(tables) as opens:
        project.evaluate(params, run)
    assert opens == dict.fromkeys(tables, 1)
