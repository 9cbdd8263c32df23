"""FreiHAND: ``training_K.json``, ``training_xyz.json`` and ``training/rgb/%08d.jpg``.

Zimmermann et al., ICCV 2019; facts 2.6. Every pose comes with four backgrounds: picture ``pose + version *
number of poses``. All hands are right ones and are mirrored into left ones, as RegDA does.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from actupose.data.corpora.camera import project
from actupose.data.corpora.records import (
    Entry,
    Label,
    PersonBox,
    Record,
    Refusal,
    Rejection,
    Split,
    locate,
    parse_entry,
    read_json,
)
from actupose.data.corpora.splits import MAX_TEST, draw_test
from actupose.errors import UserError
from actupose.params import FreihandData
from actupose.skeleton import HAND21

VERSIONS = ("gs", "hom", "sample", "auto")
DRAWN_FROM = ("gs", "auto", "sample", "hom")  # the order in which the literature draws its test pictures
CROP_SCALE = 1.5

Triple = Annotated[list[float], Field(min_length=3, max_length=3)]


class FreihandPose(Entry):
    """Camera matrix, and keypoints in metres of its frame, in the skeleton's order."""

    intrinsics: Annotated[list[Triple], Field(alias="K", min_length=3, max_length=3)]
    xyz: Annotated[list[Triple], Field(min_length=len(HAND21), max_length=len(HAND21))]


def index_freihand(settings: FreihandData) -> Iterator[Record | Rejection]:
    """One record a picture, in the order of their numbers.

    Raises:
        UserError: a label file is missing or no JSON list, or the two are not equally long.
    """
    intrinsics = read_json(settings.root / "training_K.json", list)
    xyz = read_json(settings.root / "training_xyz.json", list)
    poses = len(xyz)
    if len(intrinsics) != poses:
        raise UserError(
            f"{settings.root}: training_K.json has {len(intrinsics)} poses, training_xyz.json {poses}"
        )
    tested = pictures_for_testing(settings.split, poses, settings.seed)
    folder = (settings.root / "training" / "rgb").resolve()
    for number in range(len(VERSIONS) * poses):
        split: Split = "test" if number in tested else "train"
        origin = f"training/rgb/{number:08d}.jpg"
        try:
            label = _label(intrinsics[number % poses], xyz[number % poses])
            image = locate(folder, f"{number:08d}.jpg")
        except Refusal as refusal:
            yield Rejection(origin, str(refusal))
            continue
        box = PersonBox.around(label.keypoints_orig, CROP_SCALE)
        yield Record(origin, image, {split: f"{split}/{number:08d}"}, label, box, mirrored=True)


def pictures_for_testing(split: Literal["by_pose", "literature"], poses: int, seed: int) -> frozenset[int]:
    """Numbers of the pictures for testing: all four of a pose, or drawn without regard to the pose."""
    if split == "by_pose":
        drawn = draw_test(poses, seed, MAX_TEST // len(VERSIONS))
        return frozenset(pose + version * poses for pose in drawn for version in range(len(VERSIONS)))
    positions = draw_test(len(VERSIONS) * poses, seed)
    return frozenset(p % poses + VERSIONS.index(DRAWN_FROM[p // poses]) * poses for p in positions)


def _label(intrinsics: Any, xyz: Any) -> Label:  # noqa: ANN401 - foreign JSON
    pose = parse_entry(FreihandPose, {"K": intrinsics, "xyz": xyz})
    return Label.all_visible(project(np.array(pose.xyz), np.array(pose.intrinsics)))
