"""A source of people who stand or lie, and target photos that show people upside down too; all by hand.

Of eight photos a model is surest of the last five: upside down p3, p5, p6, standing p4, p7. On the others it
sees people who lie. Standing and upside down all bones point to opposite sides (mean cosine -1), lying across
(0). Eight of ten source poses stand, two lie.
"""

from pathlib import Path

import numpy as np
import torch
from tiny_domains import NUM_KEYPOINTS, SIDE, STANDING, tiny_params, tiny_poses, write_samples

from actupose.evaluation.predictions import ModelPredictions
from actupose.nets.pose_vae import build_vae
from actupose.scoring.pose_score import save_vae, score_keypoints
from actupose.tables import (
    SCORES,
    make_table,
    model_predictions_schema,
    normalised_schema,
    write_table,
)
from actupose.wanted.find import Inputs

UPRIGHT = STANDING - STANDING.mean(0)
SHAPES = {"stands": UPRIGHT, "upside down": -UPRIGHT, "lies": UPRIGHT[:, ::-1] * [1, -1]}
PHOTOS = ["lies"] * 3 + ["upside down", "stands", "upside down", "upside down", "stands"]
SOURCE = ["stands"] * 8 + ["lies"] * 2
NAMES = [f"p{number}" for number in range(len(PHOTOS))]


class LackingSource:
    """Its files below a project's root, as earlier stages leave them; ``run`` names the predictions."""

    def __init__(self, root: Path, run: str = "udape-0") -> None:
        self.predictions = root / f"data/predictions/{run}.parquet"
        self.poses = root / "data/normalised/source.parquet"
        self.scores = root / "data/bins/source/scores.parquet"
        self.vae = root / "models/vae"
        settings = tiny_params().vae
        self.network = build_vae(NUM_KEYPOINTS, settings).eval()
        save_vae(self.vae, self.network, settings, [])
        self.write_predictions([SHAPES[shape] for shape in PHOTOS])
        self.write_source([SHAPES[shape] for shape in SOURCE])
        rows = [(name, "train") for name in NAMES]
        unlabelled = np.zeros((len(rows), NUM_KEYPOINTS), bool)
        write_samples(root / "data/ingested/target", rows, tiny_poses(len(rows), 0), unlabelled)

    def score(self, shape: str) -> float:
        """VAE score of a pose."""
        return float(score_keypoints(self.network, _keypoints([SHAPES[shape]]))[0])

    def write_predictions(self, shapes: list[np.ndarray], split: str = "train") -> None:
        """One photo each, of which the model is the surer the later it comes."""
        schema = model_predictions_schema(NUM_KEYPOINTS)
        confidence = 0.1 * np.arange(1, len(shapes) + 1)[:, None]
        columns = {
            "domain": ["target"] * len(shapes),
            "split": [split] * len(shapes),
            "sample_id": NAMES,
            "keypoints_pred": _keypoints(shapes).numpy(),
            "confidence": np.broadcast_to(confidence, (len(shapes), NUM_KEYPOINTS)).astype(np.float32),
            "cell": np.zeros((len(shapes), NUM_KEYPOINTS), np.int32),
        }
        metadata = {"heatmap_side": "16", "heatmap_sigma": "1.5"}
        write_table(self.predictions, make_table(schema, columns, metadata), schema)

    def write_source(self, shapes: list[np.ndarray]) -> None:
        """Poses s0, s1, ... of training, and their scores in three bins.

        The bins end at the lower score of those who stand and those upside down, between the two, and before
        the higher.
        """
        count, schema = len(shapes), normalised_schema(NUM_KEYPOINTS)
        names = [f"s{number}" for number in range(count)]
        columns = {
            "sample_id": names,
            "split": ["train"] * count,
            "pose": np.float32(shapes) / np.float32(9),
            "visible": np.ones((count, NUM_KEYPOINTS), bool),
            "center": np.zeros((count, 2), np.float32),
            "scale": np.full(count, 9, np.float32),
        }
        write_table(self.poses, make_table(schema, columns), schema)
        low, high = sorted([self.score("stands"), self.score("upside down")])
        bins = np.arange(count) * 3 // count
        columns = {
            "sample_id": names,
            "split": ["train"] * count,
            "score": np.float32([low, 0.6 * low + 0.4 * high, 0.4 * low + 0.6 * high])[bins],
            "rank": np.arange(count),
            "bin": bins,
        }
        write_table(self.scores, make_table(SCORES, columns), SCORES)

    def inputs(self) -> Inputs:
        """What the search reads."""
        model = ModelPredictions(self.predictions, NUM_KEYPOINTS)
        return Inputs(model, NAMES, self.poses, self.scores, self.vae)


def _keypoints(shapes: list[np.ndarray]) -> torch.Tensor:
    """(N, K, 2) pixels."""
    return torch.from_numpy(np.float32(shapes) + SIDE / 2)
