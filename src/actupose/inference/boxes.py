"""Boxes of people in pictures, from a COCO file."""

import math
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from actupose.data.corpora.coco import Identity, coco_file_names
from actupose.data.corpora.records import Entry, Refusal, parse_entry, read_json
from actupose.errors import UserError


class BoxAnnotation(Entry):
    """What is read of one entry of ``annotations``."""

    image_id: Identity
    bbox: Annotated[list[float], Field(min_length=4, max_length=4)]
    iscrowd: int = 0


def read_boxes(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """(P, 4) x, y, width, height in pixels of every picture of ``names``; crowds are left out.

    Raises:
        UserError: the file is missing or not COCO's; a box has no extent or is of no picture in ``names``.
    """
    if not path.is_file():
        raise UserError(f"{path}: {'is not a file' if path.exists() else 'no such file'}")
    content = read_json(path, dict)
    for section in ("images", "annotations"):
        if not isinstance(content.get(section), list):
            raise UserError(f"{path}: no list {section!r}; expected COCO's layout")
    files = coco_file_names(content["images"], path)
    boxes: dict[str, list[list[float]]] = {name: [] for name in names}
    for position, value in enumerate(content["annotations"]):
        try:
            _add_box(boxes, files, value)
        except Refusal as refusal:
            raise UserError(f"{path}: annotations[{position}]: {refusal}") from None
    return {name: np.array(rows, np.float64).reshape(-1, 4) for name, rows in boxes.items()}


def _add_box(boxes: dict[str, list[list[float]]], files: dict[Identity, str], value: Any) -> None:  # noqa: ANN401 - foreign JSON
    person = parse_entry(BoxAnnotation, value)
    if person.iscrowd:
        return
    if person.image_id not in files:
        raise Refusal(f"image_id {person.image_id} is not among the images")
    name = files[person.image_id]
    if name not in boxes:
        raise Refusal(f"box of {name}, which is not among the pictures given")
    if not all(map(math.isfinite, person.bbox)) or min(person.bbox[2:]) <= 0:
        raise Refusal(f"bbox {person.bbox} has no extent")
    boxes[name].append(person.bbox)
