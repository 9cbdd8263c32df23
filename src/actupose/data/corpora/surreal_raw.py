"""SURREAL as published: ``{train,val,test}/run<k>/<sequence>/<clip>_info.mat`` and ``<clip>.mp4`` beside it.

Varol et al., CVPR 2017; facts 2.1. The renders are mirror images: as in the preprocessed set, SMPL's left is
the right side of the person in the picture. The published ``joints2D`` are rounded; ``joints3D`` are not.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import cv2
import numpy as np

from actupose.data.corpora.camera import project
from actupose.data.corpora.plain_matlab import read_plain_matlab
from actupose.data.corpora.records import Label, PersonBox, Record, Refusal, Rejection, Split, locate
from actupose.data.corpora.surreal import SMPL24, smpl_columns
from actupose.data.crop import Cut, inside
from actupose.errors import UserError
from actupose.params import SurrealRawData
from actupose.skeleton import Skeleton

WIDTH, HEIGHT = 320, 240
INTRINSICS = np.array([[600.0, 0.0, 160.0], [0.0, 600.0, 120.0], [0.0, 0.0, 1.0]])
CAM_FROM_WORLD = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
CROP_SCALE = 1.5
WRONG_SIZE = f"a frame of its video is not {WIDTH} x {HEIGHT} pixels"


def index_surreal_raw(settings: SurrealRawData, skeleton: Skeleton) -> Iterator[Record | Rejection]:
    """One record a frame of every clip; a clip that cannot be read is one rejection.

    Raises:
        UserError: train or test has no clip.
    """
    columns = smpl_columns(skeleton, settings.joint_map)
    for split in get_args(Split):
        labels = sorted((settings.root / split).rglob("*_info.mat"))
        if not labels and split != "val":
            raise UserError(f"{settings.root}: no *_info.mat below {split}/; expected SURREAL's layout")
        for path in labels:
            clip = path.relative_to(settings.root).as_posix().removesuffix("_info.mat")
            yield from _index_clip(settings, clip, split, columns)


def _index_clip(
    settings: SurrealRawData, clip: str, split: Split, columns: list[int]
) -> Iterator[Record | Rejection]:
    root = settings.root.resolve()
    try:
        points_cam = read_points(locate(root, f"{clip}_info.mat"))
        if not (root / f"{clip}.mp4").is_file():
            raise Refusal("no video (.mp4) beside its labels")
        video = locate(root, f"{clip}.mp4")
        for number, pixels in read_frames(video, len(points_cam), settings.stride):
            yield _index_frame(f"{clip}#{number:03d}", split, pixels, points_cam[number], columns)
    except Refusal as refusal:
        yield Rejection(clip, str(refusal))


def _index_frame(
    origin: str, split: Split, pixels: np.ndarray, points_cam: np.ndarray, columns: list[int]
) -> Record | Rejection:
    try:
        joints_orig = project(points_cam, INTRINSICS)
    except Refusal as refusal:
        return Rejection(origin, str(refusal))
    keypoints_orig = joints_orig[columns]
    if not inside(keypoints_orig, Cut(0, 0, WIDTH, HEIGHT)).any():
        return Rejection(origin, "the person is outside the picture", fault=False)
    label = Label.all_visible(keypoints_orig)
    return Record(origin, pixels, {split: origin}, label, PersonBox.around(joints_orig, CROP_SCALE))


def read_points(path: Path) -> np.ndarray:
    """(T, 24, 3) joints of every frame in metres of the camera's frame.

    Raises:
        Refusal: no MATLAB file with ``joints3D`` of 3 x 24 x T numbers and ``camLoc`` of 3.
    """
    joints, location = read_plain_matlab(path, ["joints3D", "camLoc"])
    if joints.ndim not in (2, 3) or joints.shape[:2] != (3, len(SMPL24)) or location.size != 3:
        raise Refusal(
            f"joints3D has shape {joints.shape}, camLoc {location.shape}, expected (3, 24, T) and (3, 1)"
        )
    points_world = joints.reshape(3, len(SMPL24), -1).transpose(2, 1, 0)  # a clip of one frame has two axes
    return np.asarray((points_world - location.ravel()) @ CAM_FROM_WORLD.T)


def read_frames(path: Path, count: int, stride: int) -> Iterator[tuple[int, np.ndarray]]:
    """Number and (240, 320, 3) uint8 RGB pixels of every ``stride``-th of the first ``count`` frames.

    Raises:
        Refusal: it is no such video, or has fewer frames.
    """
    with path.open("rb") as file:
        if file.read(8)[4:] != b"ftyp":  # the decoder would open play lists too, which name other files
            raise Refusal("its video is not an MP4 file")
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not video.isOpened():
            raise Refusal("its video cannot be opened")
        if (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) != (WIDTH, HEIGHT):
            raise Refusal(WRONG_SIZE)  # before a frame is decoded: a small file can announce a huge one
        for number in range(count):
            if not video.grab():
                raise Refusal(f"its video has {number} readable frames, its labels {count}")
            if number % stride == 0:
                yield number, _pixels(video)
    finally:
        video.release()


def _pixels(video: cv2.VideoCapture) -> np.ndarray:
    _, bgr = video.retrieve()
    if bgr is None or bgr.shape != (HEIGHT, WIDTH, 3):
        raise Refusal(WRONG_SIZE)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
