"""How well scores of poses tell which poses models get wrong, and what hidden keypoints do to them.

    python benchmarks/pose_score.py --project .

The project's runs are evaluated. For each score: Spearman's rank correlation with the mean error of a pose's
visible keypoints, of every run's predictions on the target's test images (their labels: this is for a choice
on development data); with the number of hidden keypoints; and the score of complete test poses of which four
keypoints are hidden at random, over their score (median) and in rank. Mean over seeds of the VAE.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from actupose.nets.pose_vae import PoseVae, leave_one_out_error, show
from actupose.params import Params, VaeParams, load_params
from actupose.scoring.pose_bins import SplitPoses
from actupose.scoring.pose_score import pose_tensors, score_poses, train_vae
from actupose.skeleton import SKELETONS
from actupose.tables import keypoint_values, list_values

SEEDS = (0, 1, 2)
HIDDEN = 4
Score = Callable[[Tensor, Tensor], Tensor]


def load_poses(
    project: Path, params: Params, domain: str, split: str
) -> tuple[list[str], tuple[Tensor, Tensor]]:
    """Sample ids; poses and which keypoints are visible."""
    table = SplitPoses(project / f"data/normalised/{domain}.parquet", split, SKELETONS[params.data.skeleton])
    batches = list(table.batches())
    ids = [name for batch in batches for name in batch.column("sample_id").to_pylist()]
    poses, visible = zip(*map(pose_tensors, batches), strict=True)
    return ids, (torch.cat(poses), torch.cat(visible))


def pose_errors(path: Path) -> pd.Series:
    """Mean distance of a pose's visible keypoints, by sample id."""
    table = pq.read_table(path)
    predicted, true = (keypoint_values(table, name) for name in ("keypoints_pred", "keypoints_true"))
    distance = np.linalg.norm(predicted - true, axis=2)
    errors = np.nanmean(np.where(list_values(table, "visible"), distance, np.nan), axis=1)
    return pd.Series(errors, table.column("sample_id").to_pylist())


def leave_one_out(vae: PoseVae) -> Score:
    """Every visible keypoint against what the VAE makes of the others."""

    def score(poses: Tensor, visible: Tensor) -> Tensor:
        return leave_one_out_error(vae, poses, visible).sum(dim=1) / visible.sum(dim=1)

    return score


def neighbour_distance(source: tuple[Tensor, Tensor], neighbours: int = 5) -> Score:
    """Mean squared distance to the nearest source poses, over the keypoints that both have."""
    known, seen = source

    def one(pose: Tensor, visible: Tensor) -> Tensor:
        both = (seen & visible).float()
        shared = both.sum(dim=1)
        errors = (known - pose).square().unflatten(1, (-1, 2)).sum(dim=2)
        distance = torch.where(shared < 4, torch.inf, (errors * both).sum(dim=1) / shared)
        return distance.topk(neighbours, largest=False).values.mean()

    return lambda poses, visible: torch.stack([one(*row) for row in zip(poses, visible, strict=True)])


def vae_scores(source: tuple[Tensor, Tensor], settings: VaeParams, seed: int) -> dict[str, Score]:
    """Scores by the VAE as published and by one trained with hidden keypoints."""
    scores: dict[str, Score] = {}
    for mask in (0.0, 0.5):
        chosen = settings.model_copy(update={"mask": mask, "seed": seed, "score_kl": 0.0})
        vae, _ = train_vae(*source, chosen, lambda _: None)
        name = f"mask {mask}"
        scores[f"{name}, leave one out"] = leave_one_out(vae)
        for weight in (0.0, 0.1, 1.0):
            scores[f"{name}, score_kl {weight}"] = _weighted(vae, weight)
    return scores


def _weighted(vae: PoseVae, weight: float) -> Score:
    def score(poses: Tensor, visible: Tensor) -> Tensor:
        vae.score_kl = weight
        return score_poses(vae, poses, visible)

    return score


@torch.no_grad()
def judge(
    score: Score, ids: list[str], target: tuple[Tensor, Tensor], errors: Mapping[str, pd.Series]
) -> dict[str, float]:
    """Every figure of one score."""
    poses, visible = target
    found = pd.Series(score(poses, visible).numpy(), ids)
    figures = {run: found.corr(error.reindex(ids), "spearman") for run, error in errors.items()}
    hidden = pd.Series((~visible).sum(dim=1).numpy(), ids)
    complete = visible.sum(dim=1) == visible.sum(dim=1).max()
    place = torch.rand(visible.shape, generator=torch.Generator().manual_seed(0)).masked_fill(~visible, 2)
    kept = (visible & (place.argsort(1).argsort(1) >= HIDDEN))[complete]
    before = score(poses[complete], visible[complete])
    after = score(show(poses[complete], kept), kept)
    return figures | {
        "hidden": found.corr(hidden, "spearman"),
        "4 hidden: ratio": float((after / before).median()),
        "4 hidden: rank": pd.Series(before.numpy()).corr(pd.Series(after.numpy()), "spearman"),
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", type=Path, default=Path())
    project = parser.parse_args().project
    params = load_params(project / "params.yaml")
    _, source = load_poses(project, params, "source", "train")
    ids, target = load_poses(project, params, "target", "test")
    paths = sorted(project.glob("evaluations/*/predictions.parquet"))
    errors = {path.parent.name: pose_errors(path) for path in paths}
    rows: dict[str, list[dict[str, float]]] = {
        "nearest source poses": [judge(neighbour_distance(source), ids, target, errors)]
    }
    for seed in SEEDS:
        for name, score in vae_scores(source, params.vae, seed).items():
            rows.setdefault(name, []).append(judge(score, ids, target, errors))
    table = Table("score", *rows["nearest source poses"][0])
    for name, found in rows.items():
        means = pd.DataFrame(found).mean()
        table.add_row(name, *(f"{value:.2f}" for value in means))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
