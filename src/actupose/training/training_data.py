"""What a training run reads: images of both domains, and labels of the one it is supervised on.

Target labels are opened for the oracle alone; every other run has only the target's images in its hands.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from actupose.data.dataset import DomainImages, Labels, read_labels
from actupose.errors import UserError
from actupose.nets.style_net import StyleNet
from actupose.params.run import TrainingSettings
from actupose.tables import SCORES, read_table, samples_schema
from actupose.training.style_training import load_style


@dataclass(frozen=True)
class Inputs:
    """Folders of the stages before: ``ingested/{source,target}``, ``bins/source``, the style net."""

    ingested: Path
    bins: Path
    style: Path


@dataclass(frozen=True)
class TrainingData:
    """Inputs of one run.

    Attributes:
        labelled, labels: training images with labels, in the same order.
        target: unlabelled training images of the target.
        target_test: images on which the model's word is saved as training goes on.
        source_val: labelled source images for a learning curve, None where the source has no such split.
        vae_scores: (N,) score of every labelled training sample, None for the oracle.
        style_net: what restyles images, None where no batch is restyled by a net.
    """

    labelled: DomainImages
    labels: Labels
    target: DomainImages
    target_test: DomainImages
    source_val: tuple[DomainImages, Labels] | None
    vae_scores: Tensor | None
    style_net: StyleNet | None


def open_training_data(settings: TrainingSettings, inputs: Inputs) -> TrainingData:
    """Open what a run reads.

    Source samples without a score (poses that could not be normalised) take no part.

    Raises:
        UserError: a table is missing, a split is empty, or there is no label to learn from.
    """
    skeleton, supervision, ingested = settings.skeleton, settings.method.supervision, inputs.ingested
    scores = _scores(inputs.bins / "source") if supervision == "source" else None
    scored = None if scores is None else list(scores)
    labelled = DomainImages(ingested / supervision, "train", skeleton, scored)
    labels = read_labels(ingested / supervision, "train", skeleton, scored)
    if not labels.visible.any():
        raise UserError(
            f"methods.{settings.method_name}: supervision: {supervision} needs labels, "
            f"and the {supervision}'s training images have none"
        )
    return TrainingData(
        labelled=labelled,
        labels=labels,
        target=DomainImages(ingested / "target", "train", skeleton),
        target_test=DomainImages(ingested / "target", "test", skeleton),
        source_val=_source_val(ingested / "source", settings),
        vae_scores=None if scores is None else torch.tensor([scores[s] for s in labelled.sample_ids]),
        style_net=load_style(inputs.style) if _needs_style_net(settings) else None,
    )


def _needs_style_net(settings: TrainingSettings) -> bool:
    return settings.method.adaptation == "mean_teacher" and settings.style.kind == "adain"


def input_files(settings: TrainingSettings, inputs: Inputs) -> list[Path]:
    """Files whose content decides the weights; labels of the target count for the oracle alone."""
    ingested = inputs.ingested
    files = [ingested / "source" / "samples.parquet", inputs.bins / "source" / "scores.parquet"]
    files += [ingested / domain / "images.arrow" for domain in ("source", "target")]
    if settings.method.supervision == "target":
        files.append(ingested / "target" / "samples.parquet")
    if _needs_style_net(settings):
        files.append(inputs.style / "style.safetensors")
    return files


def target_rows(settings: TrainingSettings, ingested: Path) -> str:
    """Which images the target's splits hold: what of its samples table decides the weights without labels."""
    columns = ["sample_id", "split", "image_row"]
    table = read_table(
        ingested / "target" / "samples.parquet", samples_schema(len(settings.skeleton)), columns
    )
    return json.dumps(table.to_pydict())


def _source_val(folder: Path, settings: TrainingSettings) -> tuple[DomainImages, Labels] | None:
    labels = read_labels(folder, "val", settings.skeleton)
    return (DomainImages(folder, "val", settings.skeleton), labels) if len(labels.visible) else None


def _scores(folder: Path) -> dict[str, float]:
    """VAE score of every sample."""
    table = read_table(folder / "scores.parquet", SCORES, ["sample_id", "score"])
    return dict(zip(table.column("sample_id").to_pylist(), table.column("score").to_pylist(), strict=True))
