"""The built-in people or hands, rendered on the fly."""

from collections.abc import Iterator

import numpy as np

from actupose.data.corpora.records import Label, Record, Split
from actupose.data.figures import FigureBatch, render_figures
from actupose.params import FiguresData
from actupose.skeleton import Skeleton

CHUNK = 256


def index_figures(settings: FiguresData, skeleton: Skeleton, side: int) -> Iterator[Record]:
    """Every figure of every split; the split's name is the random stream it is drawn from."""
    counts: dict[Split, int] = {
        "train": settings.counts.train,
        "val": settings.counts.val,
        "test": settings.counts.test,
    }
    for split, count in counts.items():
        for start in range(0, count, CHUNK):
            indices = range(start, min(start + CHUNK, count))
            batch = render_figures(
                settings.seed, split, indices, settings.look, settings.pose_mix, side, skeleton.name
            )
            yield from _records(batch, split, indices)


def _records(batch: FigureBatch, split: Split, indices: range) -> Iterator[Record]:
    for row, index in enumerate(indices):
        name = f"{split}/{index:06d}"
        keypoints = batch.keypoints[row].astype(np.float64)
        annotated = np.isfinite(keypoints).all(axis=1)
        yield Record(name, batch.images[row], {split: name}, Label(keypoints, annotated, batch.visible[row]))
