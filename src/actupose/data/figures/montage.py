"""Grid of images with drawn skeletons, for a person to look at."""

import cv2
import numpy as np
from numpy.typing import NDArray

from actupose.data.figures.batch import FigureBatch
from actupose.skeleton import Skeleton

_RIGHT, _LEFT, _MIDDLE = (255, 120, 0), (0, 160, 255), (60, 220, 60)
"""RGB of the person's right (orange), left (blue) and trunk (green)."""
_FINGERS = {  # RGB
    "thumb": (255, 60, 60),
    "index": (255, 190, 0),
    "middle": (60, 220, 60),
    "ring": (0, 190, 255),
    "little": (200, 90, 255),
}


def keypoint_colour(name: str) -> tuple[int, int, int]:
    """RGB of a keypoint, by its side or its finger."""
    first = name.partition("_")[0]
    return {"right": _RIGHT, "left": _LEFT, **_FINGERS}.get(first, _MIDDLE)


def bone_colours(skeleton: Skeleton) -> list[tuple[int, int, int]]:
    """RGB of every bone: that of its end beside the trunk or the palm."""
    colours = [keypoint_colour(name) for name in skeleton.keypoints]
    return [colours[b] if colours[a] == _MIDDLE else colours[a] for a, b in skeleton.bones]


def draw_skeleton(
    image: NDArray[np.uint8],
    keypoints_px: NDArray[np.float32],
    visible: NDArray[np.bool_],
    skeleton: Skeleton,
) -> NDArray[np.uint8]:
    """Copy of an image (H, W, 3) with bones, and keypoints (K, 2): filled if visible, else rings."""
    canvas = image.copy()
    points = [(round(float(x)), round(float(y))) for x, y in keypoints_px]
    for (start, end), colour in zip(skeleton.bones, bone_colours(skeleton), strict=True):
        cv2.line(canvas, points[start], points[end], colour, 1, cv2.LINE_AA)
    for name, point, is_visible in zip(skeleton.keypoints, points, visible, strict=True):
        colour = keypoint_colour(name)
        cv2.circle(canvas, point, 3, colour, -1 if is_visible else 1, cv2.LINE_AA)
    return canvas


def montage(
    figures: FigureBatch, columns: int, zoom: int = 4, skeleton: Skeleton | None = None
) -> NDArray[np.uint8]:
    """All figures enlarged ``zoom`` times, row by row, with their keypoints if a skeleton is given: RGB."""
    tiles: list[NDArray[np.uint8]] = []
    for image, keypoints, visible in zip(figures.images, figures.keypoints, figures.visible, strict=True):
        tile = image.repeat(zoom, 0).repeat(zoom, 1)
        zoomed = (keypoints + 0.5) * zoom - 0.5
        tiles.append(draw_skeleton(tile, zoomed, visible, skeleton) if skeleton else tile)
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[i : i + columns], 1) for i in range(0, len(tiles), columns)]
    return np.concatenate(rows, 0)
