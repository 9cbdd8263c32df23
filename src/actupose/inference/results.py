"""Predicted people as a table and as a COCO keypoint file."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from actupose.errors import one_line
from actupose.files import atomic_path
from actupose.inference.people import People
from actupose.skeleton import Skeleton
from actupose.tables import make_table, people_schema

_SURE, _UNSURE = 2, 1  # COCO's flags of a visible and of a hidden keypoint


def people_table(found: Sequence[People], skeleton: Skeleton) -> pa.Table:
    """One row a person, in the order of the pictures and frames."""
    counts = [len(people.boxes) for people in found]
    columns = {
        "image": np.repeat([one_line(people.image) for people in found], counts).tolist(),
        "frame": np.repeat([people.frame for people in found], counts),
        "person": np.concatenate([np.arange(count) for count in counts]),
        "keypoints": np.concatenate([people.keypoints for people in found]),
        "confidence": np.concatenate([people.confidence for people in found]),
        "box": np.concatenate([people.boxes for people in found]),
        "width": np.repeat([people.size[0] for people in found], counts),
        "height": np.repeat([people.size[1] for people in found], counts),
    }
    return make_table(people_schema(len(skeleton)), columns, {"skeleton": skeleton.name})


def write_coco(path: Path, found: Sequence[People], skeleton: Skeleton, min_confidence: float) -> None:
    """Write a COCO keypoint file, entry by entry: a long video has many.

    A keypoint's flag is 2 where its confidence reaches ``min_confidence``, else 1 (hidden), never 0. A frame
    of a video is an image with the video's name and ``frame``.
    """
    sections = {
        "images": (_image(number, people) for number, people in enumerate(found, 1)),
        "categories": iter([_category(skeleton)]),
        "annotations": _annotations(found, min_confidence),
    }
    with atomic_path(path) as temporary, temporary.open("w") as file:
        for number, (name, entries) in enumerate(sections.items()):
            file.write(f"{',' if number else '{'}\n{json.dumps(name)}: [")
            for position, entry in enumerate(entries):
                file.write(("," if position else "") + "\n" + json.dumps(entry, allow_nan=False))
            file.write("\n]")
        file.write("\n}\n")


def _image(number: int, people: People) -> dict[str, Any]:
    width, height = people.size
    return {
        "id": number,
        "file_name": one_line(people.image),
        "frame": people.frame,
        "width": width,
        "height": height,
    }


def _category(skeleton: Skeleton) -> dict[str, Any]:
    return {
        "id": 1,
        "name": {"body16": "person", "hand21": "hand"}[skeleton.name],
        "keypoints": list(skeleton.keypoints),
        "skeleton": [[start + 1, end + 1] for start, end in skeleton.bones],  # COCO counts from 1
    }


def _annotations(found: Sequence[People], min_confidence: float) -> Iterator[dict[str, Any]]:
    number = 0
    for image, people in enumerate(found, 1):
        for box, keypoints, confidence in zip(people.boxes, people.keypoints, people.confidence, strict=True):
            number += 1
            flags = np.where(confidence >= min_confidence, _SURE, _UNSURE)
            points = keypoints.astype(float).round(2)
            triples = zip(points.tolist(), flags.tolist(), strict=True)
            yield {
                "id": number,
                "image_id": image,
                "category_id": 1,
                "keypoints": [value for (x, y), flag in triples for value in (x, y, flag)],
                "num_keypoints": len(keypoints),
                "score": round(float(confidence.mean()), 4),
                "bbox": [float(value) for value in box],
                "area": float(box[2] * box[3]),
                "iscrowd": 0,
            }
