"""Hand-3D-Studio, cropped: ``H3D_crop/annotation.json`` and the pictures it names.

Zhao et al., 2020; facts 2.5. The pictures are squares around one hand, which is stored as it is.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from actupose.data.corpora.records import (
    Entry,
    Label,
    Record,
    Refusal,
    Rejection,
    Split,
    locate,
    parse_entry,
    read_json,
)
from actupose.data.corpora.splits import draw_test
from actupose.params import H3dData
from actupose.skeleton import HAND21

Point = Annotated[list[float], Field(min_length=2, max_length=2)]


class H3dEntry(Entry):
    """What is read of one entry; the keypoints are in the skeleton's order."""

    name: Annotated[str, Field(min_length=1)]
    keypoint2d: Annotated[list[Point], Field(min_length=len(HAND21), max_length=len(HAND21))]
    without_object: Literal["0", "1", 0, 1]


def index_h3d(settings: H3dData) -> Iterator[Record | Rejection]:
    """One record a picture of the wanted kind, in the order of the file.

    Raises:
        UserError: ``annotation.json`` is missing or no JSON list.
    """
    path = settings.root / "H3D_crop" / "annotation.json"
    entries = [_parse(position, value) for position, value in enumerate(read_json(path, list))]
    yield from (entry for entry in entries if isinstance(entry, Rejection))
    wanted = {"free": {1}, "holding": {0}, "all": {0, 1}}[settings.hands]
    chosen = [e for e in entries if isinstance(e, H3dEntry) and int(e.without_object) in wanted]
    tested = draw_test(len(chosen), settings.seed)
    seen: set[str] = set()
    for position, entry in enumerate(chosen):
        if entry.name in seen:  # the other one may be in the other split
            yield Rejection(entry.name, "its picture is named twice")
            continue
        seen.add(entry.name)
        yield _index_picture(path.parent.resolve(), entry, "test" if position in tested else "train")


def _parse(position: int, value: Any) -> H3dEntry | Rejection:  # noqa: ANN401 - foreign JSON
    try:
        return parse_entry(H3dEntry, value)
    except Refusal as refusal:
        return Rejection(f"annotation.json[{position}]", str(refusal))


def _index_picture(folder: Path, entry: H3dEntry, split: Split) -> Record | Rejection:
    label = Label.all_visible(np.asarray(entry.keypoint2d, dtype=np.float64))
    try:
        return Record(entry.name, locate(folder, entry.name), {split: f"{split}/{entry.name}"}, label)
    except Refusal as refusal:
        return Rejection(entry.name, str(refusal))
