"""Predict with a trained run on every image that a later stage may ask for: no labels, no bins."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from actupose.core.device import pick_device
from actupose.data.dataset import Domain
from actupose.nets.pose_model import ModelInfo, load_model
from actupose.nets.pose_resnet import heatmap_side
from actupose.params import Params
from actupose.skeleton import SKELETONS
from actupose.tables import make_table, model_predictions_schema
from actupose.training.prediction import predict_all


def predict(params: Params, ingested: Path, run: Path) -> pa.Table:
    """Predictions of the model in ``run`` for all images of the target and the source's test images.

    Raises:
        UserError: the model or a table is missing, or the target has no test images.
    """
    skeleton, device = SKELETONS[params.data.skeleton], torch.device(pick_device(params.compute.device))
    domains = {name: Domain(ingested / name, skeleton, labels=False) for name in ("source", "target")}
    model = load_model(run).to(device)
    parts = []
    for domain, split in _splits(domains):
        images = domains[domain].images(split)
        predicted = predict_all(model, images, device, params.compute.workers, params.evaluation.batch_size)
        columns = {
            "domain": [domain] * len(images),
            "split": [split] * len(images),
            "sample_id": images.sample_ids,
            "keypoints_pred": predicted.keypoints.numpy(),
            "confidence": predicted.confidence.numpy(),
            "cell": predicted.cell.numpy().astype(np.int32),
        }
        parts.append(make_table(model_predictions_schema(len(skeleton)), columns, _metadata(model.info)))
    return pa.concat_tables(parts)


def _splits(domains: Mapping[str, Domain]) -> Iterator[tuple[str, str]]:
    yield "target", "test"  # there is nothing to evaluate without it: whoever opens it says so
    for domain, split in (("target", "val"), ("target", "train"), ("source", "test")):
        if domains[domain].holds(split):
            yield domain, split


def _metadata(info: ModelInfo) -> dict[str, str]:
    return {
        "heatmap_side": str(heatmap_side(info.image_size, info.network)),
        "heatmap_sigma": repr(info.heatmap.sigma),
    }
