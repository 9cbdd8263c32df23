"""Grid of images with drawn skeletons, for a person to look at."""

import cv2
import numpy as np
from numpy.typing import NDArray

from actupose.data.figures.batch import FigureBatch
from actupose.skeleton import BODY16

_RIGHT, _LEFT, _MIDDLE = (255, 120, 0), (0, 160, 255), (60, 220, 60)
"""RGB of the person's right (orange), left (blue) and trunk (green)."""


def _side_colour(name: str) -> tuple[int, int, int]:
    if name.startswith("right_"):
        return _RIGHT
    return _LEFT if name.startswith("left_") else _MIDDLE


def draw_skeleton(
    image: NDArray[np.uint8], keypoints_px: NDArray[np.float32], visible: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Copy of an image (H, W, 3) with bones, and keypoints (K, 2): filled if visible, else rings."""
    canvas = image.copy()
    points = [(round(float(x)), round(float(y))) for x, y in keypoints_px]
    for start, end in BODY16.bones:
        cv2.line(canvas, points[start], points[end], _side_colour(BODY16.keypoints[start]), 1, cv2.LINE_AA)
    for name, point, seen in zip(BODY16.keypoints, points, visible, strict=True):
        cv2.circle(canvas, point, 3, _side_colour(name), -1 if seen else 1, cv2.LINE_AA)
    return canvas


def montage(figures: FigureBatch, columns: int, zoom: int = 4, skeletons: bool = True) -> NDArray[np.uint8]:
    """All figures enlarged ``zoom`` times, row by row: uint8, RGB."""
    tiles: list[NDArray[np.uint8]] = []
    for image, keypoints, visible in zip(figures.images, figures.keypoints, figures.visible, strict=True):
        tile = image.repeat(zoom, 0).repeat(zoom, 1)
        zoomed = (keypoints + 0.5) * zoom - 0.5
        tiles.append(draw_skeleton(tile, zoomed, visible) if skeletons else tile)
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[i : i + columns], 1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows, 0)
