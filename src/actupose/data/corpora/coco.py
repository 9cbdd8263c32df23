"""Keypoint files in COCO's layout: labelled data of one's own.

A keypoint's flag is 0 where it is not annotated, 1 where it is annotated but hidden, 2 where it is visible.
The person is cut out by the annotation's ``bbox``, or by the box of its keypoints where there is none.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
from pydantic import Field

from actupose.data.corpora.records import (
    Entry,
    Label,
    PersonBox,
    Record,
    Refusal,
    Rejection,
    Split,
    check_keypoint_names,
    locate,
    parse_entry,
    read_json,
)
from actupose.errors import UserError
from actupose.params import CocoData
from actupose.skeleton import Skeleton

Identity = int | str


class CocoImage(Entry):
    """What is read of one entry of ``images``."""

    id: Identity
    file_name: Annotated[str, Field(min_length=1)]


class CocoAnnotation(Entry):
    """What is read of one entry of ``annotations``; boxes of detections have no keypoints."""

    id: Identity
    image_id: Identity
    category_id: Identity
    keypoints: list[float] = Field(default_factory=list)
    bbox: Annotated[list[float], Field(min_length=4, max_length=4)] | None = None
    iscrowd: int = 0


class CocoCategory(Entry):
    """What is read of one entry of ``categories``."""

    id: Identity
    keypoints: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class _Source:
    """One annotation file: where its images lie, and the columns of each category's keypoints."""

    split: Split
    name: str
    folder: Path
    files: Mapping[Identity, str]
    columns: Mapping[Identity, list[list[int]]]
    num_keypoints: Mapping[Identity, int]
    crop_scale: float


def index_coco(settings: CocoData, skeleton: Skeleton) -> Iterator[Record | Rejection]:
    """One record a labelled person.

    Raises:
        UserError: a file is missing or not COCO's, or a keypoint name is unknown.
    """
    check_keypoint_names(settings.keypoints, skeleton.keypoints, "corpus coco: keypoints")
    for split in get_args(Split):
        if split in settings.annotations:
            yield from _index_file(settings, skeleton, split)


def _index_file(settings: CocoData, skeleton: Skeleton, split: Split) -> Iterator[Record | Rejection]:
    if split not in settings.images:
        raise UserError(f"corpus coco: images names no folder for the split {split!r} of annotations")
    path = settings.root / settings.annotations[split]
    content = read_json(path, dict)
    for section in ("images", "annotations", "categories"):
        if not isinstance(content.get(section), list):
            raise UserError(f"{path}: no list {section!r}; expected a COCO keypoint file")
    categories = _labelled_categories(content["categories"], path)
    source = _Source(
        split=split,
        name=settings.annotations[split].as_posix(),
        folder=(settings.root / settings.images[split]).resolve(),
        files=coco_file_names(content["images"], path),
        columns={c.id: _columns(settings, skeleton, c.keypoints, path) for c in categories},
        num_keypoints={c.id: len(c.keypoints) for c in categories},
        crop_scale=settings.crop_scale,
    )
    for position, value in enumerate(content["annotations"]):
        yield _index_person(source, position, value)


def _labelled_categories(values: list[Any], path: Path) -> list[CocoCategory]:
    try:
        categories = [parse_entry(CocoCategory, value) for value in values]
    except Refusal as refusal:
        raise UserError(f"{path}: categories: {refusal}") from None
    labelled = [category for category in categories if category.keypoints]
    if not labelled:
        raise UserError(f"{path}: no category has keypoint names; expected a COCO keypoint file")
    return labelled


def coco_file_names(values: list[Any], path: Path) -> dict[Identity, str]:
    """File name of every id in ``images`` of the file ``path``.

    Raises:
        UserError: an entry lacks a field, or an id is used twice.
    """
    try:
        images = [parse_entry(CocoImage, value) for value in values]
    except Refusal as refusal:
        raise UserError(f"{path}: images: {refusal}") from None
    for value, count in Counter(image.id for image in images).items():
        if count > 1:
            raise UserError(f"{path}: images: id {value!r} is used twice")
    return {image.id: image.file_name for image in images}


def _columns(settings: CocoData, skeleton: Skeleton, names: list[str], path: Path) -> list[list[int]]:
    """For each keypoint of the skeleton, the columns whose mean it is; none where it is not mapped."""
    columns = []
    for keypoint in skeleton.keypoints:
        parts = settings.keypoints.get(keypoint, ())
        wanted = (parts,) if isinstance(parts, str) else parts
        check_keypoint_names(wanted, names, str(path))
        columns.append([names.index(name) for name in wanted])
    return columns


def _index_person(source: _Source, position: int, value: Any) -> Record | Rejection:  # noqa: ANN401 - foreign JSON
    origin = f"{source.name}#annotations[{position}]"
    try:
        person = parse_entry(CocoAnnotation, value)
        file_name = source.files.get(person.image_id)
        if file_name is None:
            raise Refusal(f"image_id {person.image_id} is not among the images")
        origin = f"{source.name}#{file_name}/{person.id}"
        if person.iscrowd or person.category_id not in source.columns or not any(person.keypoints):
            return Rejection(origin, "a crowd or a person without labelled keypoints", fault=False)
        label = _label(person, source)
        if not label.annotated.any():
            return Rejection(origin, "none of the mapped keypoints is labelled", fault=False)
        ids: dict[Split, str] = {source.split: f"{source.split}/{file_name}/{person.id}"}
        return Record(origin, locate(source.folder, file_name), ids, label, _box(person, label, source))
    except Refusal as refusal:
        return Rejection(origin, str(refusal))


def _label(person: CocoAnnotation, source: _Source) -> Label:
    """Label of one person; a mean of keypoints is annotated, or visible, where all of them are."""
    count = source.num_keypoints[person.category_id]
    if len(person.keypoints) != 3 * count:
        raise Refusal(f"{len(person.keypoints)} keypoint numbers, expected 3 x {count}")
    values = np.asarray(person.keypoints, dtype=np.float64).reshape(count, 3)
    columns = source.columns[person.category_id]
    keypoints_orig = np.full((len(columns), 2), np.nan)
    flags = np.zeros(len(columns))
    for keypoint, parts in enumerate(columns):
        if parts:
            keypoints_orig[keypoint] = values[parts, :2].mean(axis=0)
            flags[keypoint] = values[parts, 2].min()
    return Label(keypoints_orig, flags > 0, flags > 1)


def _box(person: CocoAnnotation, label: Label, source: _Source) -> PersonBox:
    """The annotation's own box, or that of the labelled keypoints."""
    if person.bbox is not None and min(person.bbox[2:]) > 0:
        left, upper, width, height = person.bbox
        return PersonBox((left, upper, left + width, upper + height), source.crop_scale)
    return PersonBox.around(label.keypoints_orig[label.annotated], source.crop_scale)
