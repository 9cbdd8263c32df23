"""Score what a trained run predicted for the target's test images, and for the source's.

The one place, beside the oracle's training, that opens target labels. No pose network runs here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from actupose.core.curriculum import assign_bins
from actupose.core.pose import normalise_poses
from actupose.data.dataset import Domain, Labels
from actupose.evaluation.predictions import ModelPredictions, SplitPredictions
from actupose.evaluation.summary import NO_BIN, Truth, pck_all, per_bin_table, pose_errors, summarise
from actupose.params import Params
from actupose.scoring.pose_score import load_vae, score_keypoints, score_poses
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


@dataclass(frozen=True)
class Inputs:
    """Both domains, opened with their labels, and what the stages before have written."""

    source: Domain
    target: Domain
    predictions: ModelPredictions
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
    """Evaluate the run in ``inputs.run``, whose model predicted ``inputs.predictions``.

    ``metrics["last"]`` is of the final model and the headline; ``best_on_target`` is of the saved epoch that
    does best on target test labels, as the literature reports, and is no result of unsupervised adaptation.
    ``promotion`` is of the final model on the target split that may decide which model is put to use.
    A target without labels gets predictions and bins of the predicted poses, and no metrics.
    """
    model = inputs.predictions
    test = _compare_split(params, inputs, model, "test")
    truth = test.truth
    metrics: dict[str, Any] = {"last": {}, "best_on_target": {}}
    epochs: list[tuple[int, float]] = []
    if truth.labelled:
        metrics["last"] = summarise(test.predicted.keypoints, test.predicted.cell, truth)
        epochs, metrics["best_on_target"] = _best_epoch(inputs.run, test.sample_ids, truth)
    metrics["last"]["source_pck_all"] = _source_pck(params, inputs, model)
    metrics["promotion"] = _promotion(params, inputs, model, test)
    return Evaluation(
        _predictions_table(test.sample_ids, test.predicted, truth),
        per_bin_table(test.predicted.keypoints, truth),
        metrics,
        epochs,
    )


@dataclass(frozen=True)
class _ComparedSplit:
    """What the model saw in one split of the target, beside the labels."""

    sample_ids: list[str]
    predicted: SplitPredictions
    truth: Truth


def _compare_split(params: Params, inputs: Inputs, model: ModelPredictions, split: str) -> _ComparedSplit:
    sample_ids, labels = inputs.target.sample_ids(split), inputs.target.labels(split)
    predicted = model.of("target", split, sample_ids)
    if not labels.visible.any():
        bins, num_bins = _predicted_bins(params, inputs.vae, predicted)
    elif split == "test":
        bins, num_bins = _scored_bins(inputs, sample_ids), params.bins.target
    else:
        bins, num_bins = _labelled_bins(params, inputs.vae, labels)
    return _ComparedSplit(sample_ids, predicted, _truth(params, model, labels, bins, num_bins))


def _promotion(
    params: Params, inputs: Inputs, model: ModelPredictions, test: _ComparedSplit
) -> dict[str, Any]:
    """Figures on the split that may choose; none where it has no labels.

    ``measured_on`` is equal for two models if and only if their figures can be compared.
    """
    split = params.evaluation.promotion_split
    if split is None or not inputs.target.labels(split).visible.any():
        return {}
    chosen = test if split == "test" else _compare_split(params, inputs, model, split)
    figures = summarise(chosen.predicted.keypoints, chosen.predicted.cell, chosen.truth)
    return {
        "split": split,
        "count": len(chosen.sample_ids),
        "measured_on": chosen.truth.digest(chosen.sample_ids),
        "pck": figures["pck"],
        "pck_all_hardest_third": figures["pck_all_hardest_third"],
    }


def _truth(params: Params, model: ModelPredictions, labels: Labels, bins: Tensor, num_bins: int) -> Truth:
    return Truth(
        labels.keypoints,
        labels.visible,
        bins,
        num_bins,
        SKELETONS[params.data.skeleton],
        params.data.image_size,
        params.evaluation.threshold,
        model.heatmap_side,
        model.heatmap_sigma,
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
    bins, num_bins = torch.full((len(usable),), NO_BIN), min(params.bins.target, int(usable.sum()))
    if num_bins:
        seen = labels.visible[usable]
        values = torch.where(seen[:, :, None], poses[usable], 0.0).flatten(1)
        bins[usable] = assign_bins(score_poses(load_vae(vae), values, seen), num_bins)
    return bins, num_bins


def _predicted_bins(params: Params, vae: Path, predicted: SplitPredictions) -> tuple[Tensor, int]:
    scores = score_keypoints(load_vae(vae), predicted.keypoints)
    num_bins = min(params.bins.target, len(scores))
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


def _source_pck(params: Params, inputs: Inputs, model: ModelPredictions) -> float | None:
    """PCK on the source's test images, None where it has none."""
    sample_ids, labels = inputs.source.sample_ids("test"), inputs.source.labels("test")
    if not labels.visible.any():
        return None
    predicted = model.of("source", "test", sample_ids)
    truth = _truth(params, model, labels, torch.full((len(sample_ids),), NO_BIN), 0)
    return pck_all(predicted.keypoints, truth)


def _predictions_table(sample_ids: list[str], predicted: SplitPredictions, truth: Truth) -> pa.Table:
    errors = pose_errors(predicted.keypoints, truth)
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
            "keypoints_pred": predicted.keypoints.numpy(),
            "confidence": predicted.confidence.numpy(),
            "keypoints_true": truth.keypoints.numpy(),
            "visible": truth.visible.numpy(),
            "evalpose_angle": errors.angle.numpy(),
            "evalpose_bone": errors.bone.numpy(),
        },
        metadata,
    )
