"""Human3.6M as repackaged with json labels: ``annotations/Human36M_subject<S>_*.json`` and ``images/``.

Ionescu et al., PAMI 2014, in the layout of Moon's 3DMPPE; facts 2.3. The person is cut out by the box of the
projected keypoints. Lens distortion (up to 3 pixels of 1000) is left out, as in the literature.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

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
from actupose.data.corpora.splits import draw_again
from actupose.errors import UserError
from actupose.params import Human36mData
from actupose.skeleton import Skeleton

KEYPOINTS = (
    "pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "torso", "neck", "nose", "head",
    "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
)  # fmt: skip
NAMED_OTHERWISE = {"head_top": ("head",), "thorax": ("right_shoulder", "left_shoulder")}
TRAIN_SUBJECTS = (1, 5, 6, 7, 8)
TEST_SUBJECTS = (9, 11)
CROP_SCALE = 1.5

Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
Triple = Annotated[list[float], Field(min_length=3, max_length=3)]


class Human36mImage(Entry):
    """What is read of one entry of ``images``."""

    file_name: Annotated[str, Field(min_length=1)]
    action_idx: int
    subaction_idx: int
    frame_idx: int
    cam_idx: int


class Human36mCamera(Entry):
    """World to camera (R, t in millimetres), focal lengths and principal point in pixels."""

    R: Annotated[list[Triple], Field(min_length=3, max_length=3)]
    t: Triple
    f: Pair
    c: Pair

    def project(self, points_world: np.ndarray) -> np.ndarray:
        """(K, 3) millimetres to (K, 2) pixels."""
        intrinsics = np.array([[self.f[0], 0, self.c[0]], [0, self.f[1], self.c[1]], [0, 0, 1]])
        return project(points_world @ np.array(self.R).T + self.t, intrinsics)


class Human36mJoints(Entry):
    """Keypoints of one frame in millimetres of the world."""

    joint_3d: Annotated[list[Triple], Field(min_length=len(KEYPOINTS), max_length=len(KEYPOINTS))]


@dataclass(frozen=True)
class Subject:
    """Labels of one subject: pictures, cameras by index, joints by action, subaction and frame."""

    number: int
    images: list[Any]
    cameras: dict[str, Any]
    joints: dict[str, Any]


@dataclass(frozen=True)
class _Reader:
    """Where pictures lie, and the joints whose mean each keypoint of the skeleton is."""

    folder: Path
    parts: tuple[tuple[int, ...], ...]

    def read(self, subject: Subject, position: int, split: Split, copy: int = 1) -> Record | Rejection:
        """One picture; its further copies in a split have a number in their id."""
        origin = f"Human36M_subject{subject.number}_data.json[{position}]"
        try:
            entry = parse_entry(Human36mImage, subject.images[position])
            origin = f"images/{entry.file_name}"
            keypoints_orig = self._project(subject, entry)
            image = locate(self.folder, entry.file_name)
        except Refusal as refusal:
            return Rejection(origin, str(refusal))
        ids: dict[Split, str] = {split: f"{split}/{entry.file_name}" + (f"#{copy}" if copy > 1 else "")}
        label = Label.all_visible(keypoints_orig)
        return Record(origin, image, ids, label, PersonBox.around(keypoints_orig, CROP_SCALE))

    def _project(self, subject: Subject, entry: Human36mImage) -> np.ndarray:
        camera = parse_entry(Human36mCamera, _look_up(subject.cameras, entry.cam_idx))
        frame = _look_up(subject.joints, entry.action_idx, entry.subaction_idx, entry.frame_idx)
        joints = np.array(parse_entry(Human36mJoints, {"joint_3d": frame}).joint_3d)
        return camera.project(np.stack([joints[list(rows)].mean(axis=0) for rows in self.parts]))


def index_human36m(settings: Human36mData, skeleton: Skeleton) -> Iterator[Record | Rejection]:
    """One record a picture of five subjects for training, and one a drawn picture of the other two.

    Raises:
        UserError: a label file of one of the seven is missing or is not of this layout.
    """
    reader = _Reader((settings.root / "images").resolve(), joint_rows(skeleton))
    for number in TRAIN_SUBJECTS:
        subject = read_subject(settings.root, number)
        for position in range(0, len(subject.images), settings.stride):
            yield reader.read(subject, position, "train")
    tested = [read_subject(settings.root, number) for number in TEST_SUBJECTS]
    pictures = [(s, position) for s in tested for position in range(0, len(s.images), settings.stride)]
    copies: Counter[int] = Counter()
    for picture in draw_again(len(pictures), settings.seed):
        copies[picture] += 1
        if copies[picture] == 1 or settings.test_draw == "literature":
            yield reader.read(*pictures[picture], "test", copies[picture])


def joint_rows(skeleton: Skeleton) -> tuple[tuple[int, ...], ...]:
    """For each keypoint of the skeleton, the joints whose mean it is."""
    names = [NAMED_OTHERWISE.get(keypoint, (keypoint,)) for keypoint in skeleton.keypoints]
    return tuple(tuple(KEYPOINTS.index(name) for name in parts) for parts in names)


def read_subject(root: Path, number: int) -> Subject:
    """Labels of one subject.

    Raises:
        UserError: a file is missing, is no JSON object, or ``data`` has no list of images.
    """
    prefix = f"Human36M_subject{number}"
    paths = [root / "annotations" / f"{prefix}_{part}.json" for part in ("data", "camera", "joint_3d")]
    data, cameras, joints = (read_json(path, dict) for path in paths)
    if not isinstance(data.get("images"), list):
        raise UserError(f"{paths[0]}: no list 'images'; expected the labels of 3DMPPE")
    return Subject(number, data["images"], cameras, joints)


def _look_up(tree: dict[str, Any], *keys: int) -> Any:  # noqa: ANN401 - foreign JSON
    value: Any = tree
    for key in keys:
        if not isinstance(value, dict) or str(key) not in value:
            raise Refusal(f"no label of {'/'.join(str(part) for part in keys)}")
        value = value[str(key)]
    return value
