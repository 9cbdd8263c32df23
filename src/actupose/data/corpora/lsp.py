"""Leeds Sports Pose: ``joints.mat`` and ``images/im0001.jpg`` to ``im2000.jpg``.

Johnson and Everingham, BMVC 2010; facts 2.2. The third row of ``joints`` is 1 where a keypoint is occluded.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from actupose.data.corpora.plain_matlab import read_plain_matlab
from actupose.data.corpora.records import Label, Record, Refusal, Rejection, Split, locate
from actupose.errors import UserError
from actupose.params import LspData
from actupose.skeleton import Skeleton

KEYPOINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
    "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    "neck", "head_top",
)  # fmt: skip
NUM_IMAGES = 2000
NUM_TRAIN = 1000
NUM_DEVELOPMENT = 700  # of these; the others stand in for the test photos


def index_lsp(settings: LspData, skeleton: Skeleton) -> Iterator[Record | Rejection]:
    """One record a photo; keypoints LSP does not annotate (pelvis, thorax) stay NaN.

    Raises:
        UserError: ``joints.mat`` is missing or is not LSP's.
    """
    joints = read_joints(settings.root / "joints.mat")
    folder = (settings.root / "images").resolve()
    for number in range(1, (NUM_TRAIN if settings.split == "development" else NUM_IMAGES) + 1):
        name = f"im{number:04d}"
        origin = f"images/{name}.jpg"
        ids = {split: f"{split}/{name}" for split in _splits(number, settings)}
        try:
            yield Record(origin, locate(folder, f"{name}.jpg"), ids, _label(joints[number - 1], skeleton))
        except Refusal as refusal:
            yield Rejection(origin, str(refusal))


def read_joints(path: Path) -> np.ndarray:
    """(2000, 14, 3) float64: x and y as MATLAB counts (the first pixel is 1), occluded.

    Raises:
        UserError: not a MATLAB file with ``joints`` of 3 x 14 x 2000 numbers.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; an LSP folder holds joints.mat and images/")
    try:
        (joints,) = read_plain_matlab(path, ["joints"])
    except Refusal as refusal:
        raise UserError(f"{path}: {refusal}") from None
    expected = (3, len(KEYPOINTS), NUM_IMAGES)
    if joints.shape != expected:
        raise UserError(f"{path}: joints has shape {joints.shape}, expected {expected}")
    return joints.transpose(2, 1, 0)


def _splits(number: int, settings: LspData) -> tuple[Split, ...]:
    if settings.split == "all":
        return ("train", "test")
    num_train = NUM_DEVELOPMENT if settings.split == "development" else NUM_TRAIN
    return ("train",) if number <= num_train else ("test",)


def _label(joints: np.ndarray, skeleton: Skeleton) -> Label:
    """Label of one photo from its (14, 3) joints."""
    annotated = np.array([name in KEYPOINTS for name in skeleton.keypoints])
    rows = [KEYPOINTS.index(name) if name in KEYPOINTS else 0 for name in skeleton.keypoints]
    keypoints_orig = joints[rows, :2] - 1  # MATLAB's first pixel is 1, ours is 0
    return Label(keypoints_orig, annotated, annotated & (joints[rows, 2] == 0))
