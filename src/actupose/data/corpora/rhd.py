"""Rendered Hand Pose: ``RHD_published_v2/{training,evaluation}`` with ``anno_<set>.pickle`` and ``color/``.

Zimmermann and Brox, ICCV 2017; facts 2.4. A picture gives up to two samples. Which hands count, and that
right hands are mirrored into left ones, is RegDA's rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from actupose.data.corpora.plain_pickle import PickledArray, read_plain_pickle
from actupose.data.corpora.records import Label, PersonBox, Record, Refusal, Rejection, Split, locate
from actupose.data.crop import Cut, scale_box
from actupose.errors import UserError
from actupose.params import RhdData
from actupose.skeleton import HAND21

KEYPOINTS = (  # of either hand, the left one first
    "wrist",
    "thumb_tip", "thumb_dip", "thumb_pip", "thumb_mcp",
    "index_tip", "index_dip", "index_pip", "index_mcp",
    "middle_tip", "middle_dip", "middle_pip", "middle_mcp",
    "ring_tip", "ring_dip", "ring_pip", "ring_mcp",
    "little_tip", "little_dip", "little_pip", "little_mcp",
)  # fmt: skip
SETS: dict[Split, str] = {"train": "training", "test": "evaluation"}
IMAGE_SIDE = 320
CROP_SCALE = 1.5
MIN_BOX = 64
MIN_VISIBLE = 16
MAX_OVERLAP = 0.3


@dataclass(frozen=True)
class Hand:
    """One hand of a picture: (21, 2) pixels of the file and (21,) visibility, in the skeleton's order."""

    side: Literal["left", "right"]
    keypoints_orig: np.ndarray
    visible: np.ndarray

    @property
    def box(self) -> PersonBox:
        """Around all keypoints, visible or not."""
        return PersonBox.around(self.keypoints_orig, CROP_SCALE)


def index_rhd(settings: RhdData) -> Iterator[Record | Rejection]:
    """One record a hand; hands that are too small, hidden or entangled come as rejections without fault.

    Raises:
        UserError: an annotation file is missing, or is not a pickle of plain values by picture number.
    """
    for split, name in SETS.items():
        folder = settings.root / "RHD_published_v2" / name
        path = folder / f"anno_{name}.pickle"
        pictures = read_plain_pickle(path)
        if not isinstance(pictures, dict):
            raise UserError(f"{path}: holds a {type(pictures).__name__}, expected a dict by picture number")
        for position, (number, value) in enumerate(pictures.items()):
            try:
                image, hands = _locate(folder, number), read_hands(value)
            except Refusal as refusal:
                yield Rejection(f"{name}/{path.name}[{position}]", str(refusal))
                continue
            for hand, other in (hands, hands[::-1]):
                origin = f"{name}/color/{number:05d}.png/{hand.side}"
                yield _index_hand(origin, split, image, hand, other)


def _locate(folder: Path, number: Any) -> Path:  # noqa: ANN401 - foreign pickle
    if not isinstance(number, int) or not 0 <= number < 10**5:
        raise Refusal("its key is no picture number")
    return locate((folder / "color").resolve(), f"{number:05d}.png")


def _index_hand(origin: str, split: Split, image: Path, hand: Hand, other: Hand) -> Record | Rejection:
    if reason := why_unfit(hand, other):
        return Rejection(origin, reason, fault=False)
    label = Label(hand.keypoints_orig, np.ones(len(HAND21), dtype=bool), hand.visible)
    return Record(origin, image, {split: origin}, label, hand.box, mirrored=hand.side == "right")


def read_hands(value: Any) -> tuple[Hand, Hand]:  # noqa: ANN401 - foreign pickle
    """Left and right hand of one picture.

    Raises:
        Refusal: there are no 42 rows of x, y and visibility, or a number is not finite.
    """
    found = value.get("uv_vis") if isinstance(value, dict) else None
    if not isinstance(found, PickledArray):  # of lists within lists NumPy would visit every one
        raise Refusal("no array 'uv_vis'")
    rows = np.asarray(found, dtype=np.float64)
    expected = (2 * len(KEYPOINTS), 3)
    if rows.shape != expected:
        raise Refusal(f"uv_vis has shape {rows.shape}, expected {expected}")
    if not np.isfinite(rows).all():
        raise Refusal("a keypoint is not a finite number")
    order = [KEYPOINTS.index(name) for name in HAND21.keypoints]
    left, right = rows[: len(KEYPOINTS)][order], rows[len(KEYPOINTS) :][order]
    return Hand("left", left[:, :2], left[:, 2] > 0), Hand("right", right[:, :2], right[:, 2] > 0)


def why_unfit(hand: Hand, other: Hand) -> str | None:
    """Why a hand is passed over, if it is: hidden, small, or entangled with the other one."""
    if hand.visible.sum() <= MIN_VISIBLE:
        return f"no more than {MIN_VISIBLE} keypoints are visible"
    try:
        cut = scale_box(hand.box.corners, CROP_SCALE, IMAGE_SIDE, IMAGE_SIDE)
    except ValueError as error:
        return str(error)
    if cut.width - 1 <= MIN_BOX:  # RegDA's difference of inclusive ends
        return f"its box is no more than {MIN_BOX} pixels wide"
    if overlap(cut, other.box) >= MAX_OVERLAP:
        return f"the other hand's box covers {MAX_OVERLAP:.0%} of its box or more"
    return None


def overlap(cut: Cut, box: PersonBox) -> float:
    """Share of a cut that a box covers; the ends of either belong to it."""
    left, upper, right, lower = box.corners
    width = min(right, cut.left + cut.width - 1) - max(left, cut.left) + 1
    height = min(lower, cut.upper + cut.height - 1) - max(upper, cut.upper) + 1
    return max(width, 0) * max(height, 0) / (cut.width * cut.height)
