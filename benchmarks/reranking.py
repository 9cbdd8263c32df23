"""What the active curriculum's re-ranking follows: rare poses, or photos that are hard to see.

    python benchmarks/reranking.py --run actupose-0

In a finished project: the run's model looks at all source training images, and their pose scores are divided
by its mean peaks as P2 3.1.2 does. Spearman's rank correlations of the peaks, and of the places that samples
rise by, with the pose score and with what is seen in an image; and what is in the tenth that rises most.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from actupose.core.curriculum import rerank
from actupose.data.dataset import Domain, DomainImages, Labels
from actupose.nets.pose_model import load_model, mean_peaks
from actupose.params import Params, load_params
from actupose.skeleton import SKELETONS
from actupose.tables import SCORES, read_table
from actupose.training.prediction import predict_all

BATCH = 256


def seen_in(images: DomainImages) -> pd.DataFrame:
    """Brightness and contrast of every image, 0 to 1."""
    rows = torch.arange(len(images)).split(BATCH)
    gray = (batch.images.float().mean(dim=1) / 255 for batch in images.batches(list(rows), workers=0))
    contrast, brightness = zip(*(torch.std_mean(pixels, dim=(1, 2)) for pixels in gray), strict=True)
    return pd.DataFrame(
        {"brightness": torch.cat(brightness).numpy(), "contrast": torch.cat(contrast).numpy()}
    )


def seen_of(labels: Labels) -> pd.DataFrame:
    """Size of every person (larger side of the box of visible keypoints, pixels) and hidden keypoints."""
    visible = labels.visible.numpy()
    shown = np.where(visible[..., None], labels.keypoints.numpy(), np.nan)
    size = (np.nanmax(shown, axis=1) - np.nanmin(shown, axis=1)).max(axis=1)
    return pd.DataFrame({"size": size, "hidden": (~visible).sum(axis=1)})


def look(project: Path, params: Params, run: str) -> pd.DataFrame:
    """A row a sample: pose score, mean peak, places it rises by, and what is seen."""
    domain = Domain(project / "data/ingested/source", SKELETONS[params.data.skeleton])
    table = read_table(project / "data/bins/source/scores.parquet", SCORES, ["sample_id", "score"])
    scores = dict(zip(table["sample_id"].to_pylist(), table["score"].to_pylist(), strict=True))
    images, labels = domain.images("train", list(scores)), domain.labels("train", list(scores))
    model = load_model(project / "runs" / run)
    found = predict_all(model, images, torch.device("cpu"), workers=0)
    score, peak = torch.tensor([scores[name] for name in images.sample_ids]), mean_peaks(found.confidence)
    known = pd.DataFrame({"pose score": score.numpy(), "mean peak": peak.numpy()})
    known["rise"] = pd.Series(rerank(score, peak).numpy()).rank() - known["pose score"].rank()
    return pd.concat([known, seen_in(images), seen_of(labels)], axis=1)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--run", default="actupose-0")
    arguments = parser.parse_args()
    rows = look(arguments.project, load_params(arguments.project / "params.yaml"), arguments.run)
    rising = rows[rows["rise"] >= rows["rise"].quantile(0.9)]
    table = Table("", "rank corr. with mean peak", "with rise", "mean", "of the tenth that rises most")
    for name in ("pose score", "brightness", "contrast", "size", "hidden"):
        correlations = [rows[name].corr(rows[of], "spearman") for of in ("mean peak", "rise")]
        figures = (*correlations, rows[name].mean(), rising[name].mean())
        table.add_row(name, *(f"{figure:.2f}" for figure in figures))
    Console().print(table)


if __name__ == "__main__":
    main()
