"""Preprocessed SURREAL: ``{train,val,test}/run<k>.json`` and the images in ``{split}/run<k>/``.

Facts 2.1: 24 SMPL joints each. The pictures are mirror images of the labelled bodies, so SMPL's left is the
right side of the person in the picture, and the table below exchanges the sides.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

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
from actupose.errors import UserError
from actupose.params import SurrealData
from actupose.skeleton import Skeleton

SMPL24 = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hand", "right_hand",
)  # fmt: skip

ANATOMICAL = {
    "right_ankle": "left_ankle",
    "right_knee": "left_knee",
    "right_hip": "left_hip",
    "left_hip": "right_hip",
    "left_knee": "right_knee",
    "left_ankle": "right_ankle",
    "pelvis": "pelvis",
    "thorax": "spine3",
    "neck": "neck",
    "head_top": "head",
    "right_wrist": "left_wrist",
    "right_elbow": "left_elbow",
    "right_shoulder": "left_shoulder",
    "left_shoulder": "right_shoulder",
    "left_elbow": "right_elbow",
    "left_wrist": "right_wrist",
}
# Every published number was measured with SMPL's collars in the shoulders' place.
TLLIB = ANATOMICAL | {"right_shoulder": "left_collar", "left_shoulder": "right_collar"}

Point = Annotated[list[float], Field(min_length=2, max_length=2)]


class SurrealEntry(Entry):
    """What is read of one entry of a run."""

    name: Annotated[str, Field(min_length=1)]
    keypoint2d: Annotated[list[Point], Field(min_length=len(SMPL24), max_length=len(SMPL24))]


def index_surreal(settings: SurrealData, skeleton: Skeleton) -> Iterator[Record | Rejection]:
    """Every sample of every split, in the order of the files.

    Raises:
        UserError: train or test has no run, or a run is not a JSON list.
    """
    columns = smpl_columns(skeleton, settings.joint_map)
    for split in get_args(Split):
        runs = sorted((settings.root / split).glob("run*.json"))
        if not runs and split != "val":
            raise UserError(f"{settings.root}: no {split}/run*.json; expected SURREAL's preprocessed layout")
        for run in runs:
            yield from _index_run(run, split, columns)


def smpl_columns(skeleton: Skeleton, joint_map: Literal["anatomical", "tllib"]) -> list[int]:
    """SMPL joint that stands for each keypoint of the skeleton."""
    names = ANATOMICAL if joint_map == "anatomical" else TLLIB
    return [SMPL24.index(names[keypoint]) for keypoint in skeleton.keypoints]


def _index_run(run: Path, split: Split, columns: list[int]) -> Iterator[Record | Rejection]:
    folder = run.with_suffix("").resolve()
    prefix = f"{split}/{run.stem}"
    for position, value in enumerate(read_json(run, list)):
        origin = f"{prefix}.json[{position}]"
        try:
            entry = parse_entry(SurrealEntry, value)
            origin = f"{prefix}/{entry.name}"
            image = locate(folder, entry.name)
            yield Record(origin, image, {split: origin}, _label(entry.keypoint2d, columns))
        except Refusal as refusal:
            yield Rejection(origin, str(refusal))


def _label(keypoint2d: list[Any], columns: list[int]) -> Label:
    return Label.all_visible(np.asarray(keypoint2d, dtype=np.float64)[columns])
