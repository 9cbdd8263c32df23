"""From a picture of any shape to the stored square, and its keypoints with it.

Two rules of the reference data sets (facts 2.0 and 2.2): a square crop around a person's box, and a whole
picture fitted into the square with black borders.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Cut:
    """A rectangle of whole pixels within an image."""

    left: int
    upper: int
    width: int
    height: int


@dataclass(frozen=True)
class Placement:
    """Where a cut lies in a square of ``side`` pixels: resized to (width, height), padded, then mirrored."""

    cut: Cut
    width: int
    height: int
    pad_left: int
    pad_upper: int
    side: int
    mirrored: bool = False


def scale_box(
    corners: tuple[float, float, float, float], factor: float, image_width: int, image_height: int
) -> Cut:
    """Square around a box (left, upper, right, lower), ``factor`` as large, moved and limited to the image.

    Raises:
        ValueError: the box has no extent or is not finite.
    """
    left, upper, right, lower = corners
    extent = factor * max(right - left, lower - upper)
    if not all(map(math.isfinite, (*corners, extent))) or extent <= 0:
        raise ValueError("the person's box is empty")
    side = max(1, min(round(extent), image_width, image_height))
    cut_left = min(max(round((left + right - side) / 2), 0), image_width - side)
    cut_upper = min(max(round((upper + lower - side) / 2), 0), image_height - side)
    return Cut(cut_left, cut_upper, side, side)


def place(cut: Cut, side: int, *, mirrored: bool = False) -> Placement:
    """Fit a cut into a square: the longer side fills it, the rest is split evenly, the odd pixel last."""
    longest = max(cut.width, cut.height)
    width = max(1, side * cut.width // longest)
    height = max(1, side * cut.height // longest)
    return Placement(cut, width, height, (side - width) // 2, (side - height) // 2, side, mirrored)


def move_points(points_orig: np.ndarray, placement: Placement) -> np.ndarray:
    """(K, 2) pixels of the file -> (K, 2) pixels of the stored square; pixel centres are integers."""
    cut = placement.cut
    scale = np.array([placement.width / cut.width, placement.height / cut.height])
    offset = np.array([cut.left, cut.upper])
    padding = np.array([placement.pad_left, placement.pad_upper])
    points = np.asarray((points_orig - offset + 0.5) * scale - 0.5 + padding)
    if placement.mirrored:
        points[:, 0] = placement.side - 1 - points[:, 0]
    return points


def move_points_back(points_px: np.ndarray, placement: Placement) -> np.ndarray:
    """(K, 2) pixels of the stored square -> (K, 2) pixels of the file: the inverse of :func:`move_points`."""
    cut, points = placement.cut, np.array(points_px, dtype=np.float64)
    if placement.mirrored:
        points[:, 0] = placement.side - 1 - points[:, 0]
    scale = np.array([cut.width / placement.width, cut.height / placement.height])
    padding = np.array([placement.pad_left, placement.pad_upper])
    return np.asarray((points - padding + 0.5) * scale - 0.5 + np.array([cut.left, cut.upper]))


def move_image(image: np.ndarray, placement: Placement) -> np.ndarray:
    """(H, W, 3) image of the file -> (side, side, 3), black where padded."""
    cut = placement.cut
    pixels = image[cut.upper : cut.upper + cut.height, cut.left : cut.left + cut.width]
    if (cut.width, cut.height) != (placement.width, placement.height):
        shrinks = placement.width < cut.width or placement.height < cut.height
        interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        pixels = cv2.resize(pixels, (placement.width, placement.height), interpolation=interpolation)
    square = np.zeros((placement.side, placement.side, 3), dtype=np.uint8)
    rows = slice(placement.pad_upper, placement.pad_upper + placement.height)
    square[rows, placement.pad_left : placement.pad_left + placement.width] = pixels
    return cv2.flip(square, 1) if placement.mirrored else square


def inside(points_orig: np.ndarray, cut: Cut) -> np.ndarray:
    """(K,) bool: which of (K, 2) points of the file lie on a pixel of the cut; NaN lies nowhere."""
    offset = points_orig - np.array([cut.left, cut.upper]) + 0.5
    return np.asarray(((offset >= 0) & (offset < [cut.width, cut.height])).all(axis=1))
