"""A domain of random pictures, as ingest would have written it."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from actupose.data.image_store import write_images
from actupose.skeleton import Skeleton
from actupose.tables import make_table, samples_schema, write_table


def jpegs(count: int, side: int) -> Iterator[bytes]:
    """Blurred noise: a few pictures, again and again."""
    random = np.random.default_rng(0)
    noise = [random.integers(0, 255, (side, side, 3), np.uint8) for _ in range(64)]
    encoded = [cv2.imencode(".jpg", cv2.GaussianBlur(one, (9, 9), 3))[1].tobytes() for one in noise]
    return (encoded[i % len(encoded)] for i in range(count))


def write_domain(folder: Path, splits: dict[str, int], side: int, skeleton: Skeleton) -> list[str]:
    """An image store and its samples, every keypoint at a random visible place; returns their ids."""
    count = sum(splits.values())
    random, schema = np.random.default_rng(1), samples_schema(len(skeleton))
    write_images(folder / "images.arrow", ((picture, side, side) for picture in jpegs(count, side)))
    ids = [f"{number:08d}" for number in range(count)]
    columns = {
        "sample_id": ids,
        "split": [split for split, size in splits.items() for _ in range(size)],
        "corpus": ["random"] * count,
        "image_row": np.arange(count),
        "keypoints": random.uniform(0, side - 1, (count, len(skeleton), 2)).astype(np.float32),
        "visible": np.ones((count, len(skeleton)), bool),
    }
    write_table(folder / "samples.parquet", make_table(schema, columns), schema)
    return ids
