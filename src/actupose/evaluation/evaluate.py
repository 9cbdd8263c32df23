"""Evaluate a trained run on the target's test images, and on the source's.

The one place, beside the oracle's training, that opens target labels.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from actupose.core.curriculum import assign_bins
from actupose.core.device import pick_device
from actupose.core.pose import normalise_poses
from actupose.data.dataset import DomainImages, Labels, read_labels
from actupose.evaluation.summary import NO_BIN, Truth, pck_all, per_bin_table, pose_errors, summarise
from actupose.nets.pose_model import PoseModel, Prediction, load_model
from actupose.nets.pose_resnet import heatmap_side
from actupose.params import Params
from actupose.scoring.pose_score import load_vae, score_poses
from actupose.skeleton import SKELETONS
from actupose.tables import (
    SCORES,
    epoch_predictions_schema,
    keypoint_values,
    list_values,
    make_table,
    predictions_schema,
    read_table,
)
from actupose.training.epoch_evaluation import predict_all


@dataclass(frozen=True)
class Inputs:
    """Folders the stages before have written."""

    ingested: Path
    bins: Path
    vae: Path
    run: Path


@dataclass(frozen=True)
class Evaluation:
    """Everything of ``evaluations/<method>-<seed>/``, and the target PCK of every saved epoch."""

    predictions: pa.Table
    per_bin: pa.Table
    metrics: dict[str, Any]
    epochs: list[tuple[int, float]]


def evaluate(params: Params, inputs: Inputs) -> Evaluation:
    """Evaluate the run in ``inputs.run``.

    ``metrics["last"]`` is of the final model and the headline; ``best_on_target`` is of the saved epoch that
    does best on target test labels, as the literature reports, and is no result of unsupervised adaptation.
    ``promotion`` is of the final model on the target split that may decide which model is put to use.
    A target without labels gets predictions and bins of the predicted poses, and no metrics.
    """
    model = load_model(inputs.run)
    model = model.to(pick_device(params.compute.device))
    test = _predict_split(params, inputs, model, "test")
    truth = test.truth
    metrics: dict[str, Any] = {"last": {}, "best_on_target": {}}
    epochs: list[tuple[int, float]] = []
    if truth.labelled:
        metrics["last"] = summarise(test.prediction.keypoints, test.prediction.cell, truth)
        epochs, metrics["best_on_target"] = _best_epoch(inputs.run, test.sample_ids, truth)
    metrics["last"]["source_pck_all"] = _source_pck(params, inputs, model)
    metrics["promotion"] = _promotion(params, inputs, model, test)
    return Evaluation(
        _predictions_table(test.sample_ids, test.prediction, truth),
        per_bin_table(test.prediction.keypoints, truth),
        metrics,
        epochs,
    )


@dataclass(frozen=True)
class _SplitPrediction:
    """What the model sees in one split of the target, beside the labels."""

    sample_ids: list[str]
    prediction: Prediction
    truth: Truth


def _predict_split(params: Params, inputs: Inputs, model: PoseModel, split: str) -> _SplitPrediction:
    skeleton, folder = SKELETONS[params.data.skeleton], inputs.ingested / "target"
    images, labels = DomainImages(folder, split, skeleton), read_labels(folder, split, skeleton)
    prediction = _predict(params, model, images)
    if not labels.visible.any():
        bins, num_bins = _predicted_bins(params, inputs.vae, prediction)
    elif split == "test":
        bins, num_bins = _scored_bins(inputs, images.sample_ids), params.curriculum.num_bins
    else:
        bins, num_bins = _labelled_bins(params, inputs.vae, labels)
    return _SplitPrediction(images.sample_ids, prediction, _truth(params, model, labels, bins, num_bins))


def _promotion(params: Params, inputs: Inputs, model: PoseModel, test: _SplitPrediction) -> dict[str, Any]:
    """Figures on the split that may choose; none where it has no labels.

    ``measured_on`` is equal for two models if and only if their figures can be compared.
    """
    split = params.evaluation.promotion_split
    if split is None:
        return {}
    labels = read_labels(inputs.ingested / "target", split, SKELETONS[params.data.skeleton])
    if not labels.visible.any():
        return {}
    chosen = test if split == "test" else _predict_split(params, inputs, model, split)
    figures = summarise(chosen.prediction.keypoints, chosen.prediction.cell, chosen.truth)
    return {
        "split": split,
        "count": len(chosen.sample_ids),
        "measured_on": chosen.truth.digest(chosen.sample_ids),
        "pck": figures["pck"],
        "pck_all_hardest_third": figures["pck_all_hardest_third"],
    }


def _predict(params: Params, model: PoseModel, images: DomainImages) -> Prediction:
    device = next(model.parameters()).device
    return predict_all(model, images, device, params.compute.workers, params.evaluation.batch_size)


def _truth(params: Params, model: PoseModel, labels: Labels, bins: Tensor, num_bins: int) -> Truth:
    return Truth(
        labels.keypoints,
        labels.visible,
        bins,
        num_bins,
        SKELETONS[params.data.skeleton],
        params.data.image_size,
        params.evaluation.threshold,
        heatmap_side(model.info.image_size, model.info.network),
        model.info.heatmap.sigma,
    )


def _scored_bins(inputs: Inputs, sample_ids: list[str]) -> Tensor:
    """Bin of every test sample, as the score stage has it."""
    table = read_table(inputs.bins / "target" / "scores.parquet", SCORES, ["sample_id", "bin"])
    known = dict(zip(table.column("sample_id").to_pylist(), table.column("bin").to_pylist(), strict=True))
    return torch.tensor([known.get(sample, NO_BIN) for sample in sample_ids])


def _labelled_bins(params: Params, vae: Path, labels: Labels) -> tuple[Tensor, int]:
    """Bins of labelled poses that the score stage does not score; one without a size has none."""
    poses, _, scale = normalise_poses(labels.keypoints, labels.visible)
    usable = scale > 0
    bins, num_bins = torch.full((len(usable),), NO_BIN), min(params.curriculum.num_bins, int(usable.sum()))
    if num_bins:
        seen = labels.visible[usable]
        values = torch.where(seen[:, :, None], poses[usable], 0.0).flatten(1)
        bins[usable] = assign_bins(score_poses(load_vae(vae), values, seen), num_bins)
    return bins, num_bins


def _predicted_bins(params: Params, vae: Path, prediction: Prediction) -> tuple[Tensor, int]:
    visible = torch.ones_like(prediction.confidence, dtype=torch.bool)
    poses, _, _ = normalise_poses(prediction.keypoints, visible)
    poses = poses.nan_to_num(nan=0.0)  # all keypoints in one place: a pose without size
    scores = score_poses(load_vae(vae), poses.flatten(1), visible)
    num_bins = min(params.curriculum.num_bins, len(scores))
    return assign_bins(scores, num_bins), num_bins


def _best_epoch(
    run: Path, sample_ids: list[str], truth: Truth
) -> tuple[list[tuple[int, float]], dict[str, Any]]:
    """Target PCK of every saved epoch, and all metrics of the best (the first of equals)."""
    table = read_table(run / "epoch_predictions.parquet", epoch_predictions_schema(len(truth.skeleton)))
    epochs: list[tuple[int, float]] = []
    best: dict[str, Any] = {}
    for epoch in pc.unique(table.column("epoch")).to_pylist():
        rows = table.filter(pc.equal(table.column("epoch"), epoch))
        if rows.column("sample_id").to_pylist() != sample_ids:
            raise ValueError(f"{run}: predictions of epoch {epoch} are not of the target's test images")
        predicted = torch.from_numpy(keypoint_values(rows, "keypoints_pred"))
        accuracy = pck_all(predicted, truth)
        if not epochs or accuracy > max(value for _, value in epochs):
            cells = torch.from_numpy(list_values(rows, "cell")).long()
            best = {**summarise(predicted, cells, truth), "epoch": epoch}
        epochs.append((epoch, accuracy))
    return epochs, best


def _source_pck(params: Params, inputs: Inputs, model: PoseModel) -> float | None:
    """PCK on the source's test images, None where it has none."""
    skeleton, folder = SKELETONS[params.data.skeleton], inputs.ingested / "source"
    labels = read_labels(folder, "test", skeleton)
    if not labels.visible.any():
        return None
    images = DomainImages(folder, "test", skeleton)
    prediction = _predict(params, model, images)
    truth = _truth(params, model, labels, torch.full((len(images),), NO_BIN), 0)
    return pck_all(prediction.keypoints, truth)


def _predictions_table(sample_ids: list[str], prediction: Prediction, truth: Truth) -> pa.Table:
    errors = pose_errors(prediction.keypoints, truth)
    metadata = {
        "image_side": str(truth.image_size),
        "skeleton": truth.skeleton.name,
        "selection": "last",
    }
    return make_table(
        predictions_schema(len(truth.skeleton)),
        {
            "sample_id": sample_ids,
            "bin": truth.bins.numpy(),
            "keypoints_pred": prediction.keypoints.numpy(),
            "confidence": prediction.confidence.numpy(),
            "keypoints_true": truth.keypoints.numpy(),
            "visible": truth.visible.numpy(),
            "evalpose_angle": errors.angle.numpy(),
            "evalpose_bone": errors.bone.numpy(),
        },
        metadata,
    )
