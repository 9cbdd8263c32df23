"""What a training run reads: images of both domains, and labels of the one it is supervised on.

Target labels are opened for the oracle alone; every other run has only the target's images in its hands.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from actupose.data.dataset import Domain, DomainImages, Labels
from actupose.errors import UserError
from actupose.files import short_digest
from actupose.methods import HelperNets
from actupose.params import RunParams
from actupose.scoring.pose_score import load_vae
from actupose.tables import SCORES, read_table
from actupose.training.style_training import load_style


@dataclass(frozen=True)
class Inputs:
    """Folders of the stages before: ``ingested/{source,target}``, ``bins/source``, the two nets."""

    ingested: Path
    bins: Path
    vae: Path
    style: Path


@dataclass(frozen=True)
class TrainingData:
    """Inputs of one run.

    Attributes:
        labelled, labels: training images with labels, in the same order.
        target: unlabelled training images of the target.
        target_test: images on which the model's predictions are saved as training goes on.
        source_val: labelled source images for a learning curve, None where the source has no such split.
        vae_scores: (N,) score of every labelled training sample, None for the oracle.
        nets: what restyles images and what scores poses, where the method asks for it.
        digest: names the tables' content that decides the weights: target labels for the oracle alone.
    """

    labelled: DomainImages
    labels: Labels
    target: DomainImages
    target_test: DomainImages
    source_val: tuple[DomainImages, Labels] | None
    vae_scores: Tensor | None
    nets: HelperNets
    digest: str


def open_training_data(params: RunParams, inputs: Inputs) -> TrainingData:
    """Open what a run reads.

    Source samples without a score (poses that could not be normalised) take no part.

    Raises:
        UserError: a table is missing, a split is empty, or there is no label to learn from.
    """
    skeleton, supervision = params.skeleton, params.method.labelled_domain
    scores = _scores(inputs.bins / "source") if supervision == "source" else None
    source = Domain(inputs.ingested / "source", skeleton)
    target = Domain(inputs.ingested / "target", skeleton, labels=supervision == "target")
    labelled = source if supervision == "source" else target
    scored = None if scores is None else list(scores)
    images, labels = labelled.images("train", scored), labelled.labels("train", scored)
    if not labels.visible.any():
        raise UserError(
            f"methods.{params.method_name}: supervision: {supervision} needs labels, "
            f"and the {supervision}'s training images have none"
        )
    return TrainingData(
        labelled=images,
        labels=labels,
        target=target.images("train"),
        target_test=target.images("test"),
        source_val=(source.images("val"), source.labels("val")) if source.holds("val") else None,
        vae_scores=None if scores is None else torch.tensor([scores[s] for s in images.sample_ids]),
        nets=HelperNets(
            style=load_style(inputs.style) if params.method.needs_style_net else None,
            vae=load_vae(inputs.vae) if params.method.needs_pose_vae else None,
        ),
        digest=_digest(source, target, scores),
    )


def input_files(params: RunParams, inputs: Inputs) -> list[Path]:
    """Files beside the tables whose content decides the weights."""
    files = [inputs.ingested / domain / "images.arrow" for domain in ("source", "target")]
    if params.method.needs_style_net:
        files.append(inputs.style / "style.safetensors")
    return files


def adaptation_files(params: RunParams, inputs: Inputs) -> list[Path]:
    """More such files, which nothing reads before adaptation begins."""
    return [inputs.vae / "vae.safetensors"] if params.method.needs_pose_vae else []


def _digest(source: Domain, target: Domain, scores: dict[str, float] | None) -> str:
    return short_digest(source.digest() + target.digest() + json.dumps(scores).encode())


def _scores(folder: Path) -> dict[str, float]:
    """VAE score of every sample."""
    table = read_table(folder / "scores.parquet", SCORES, ["sample_id", "score"])
    return dict(zip(table.column("sample_id").to_pylist(), table.column("score").to_pylist(), strict=True))
