"""Skeletons drawn on pictures and videos at their full size."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from actupose.data.figures.montage import bone_colours, keypoint_colour
from actupose.inference.people import Frame, People
from actupose.inference.video import VideoFile, frame_rate
from actupose.skeleton import Skeleton

_FRACTION_BITS = 4  # of OpenCV's coordinates: sixteenths of a pixel
_BONES_ACROSS = 150  # so many times is a person's box as large as a bone is thick
_DARK = (20, 20, 20)


def draw_people(pixels: np.ndarray, people: People, skeleton: Skeleton, min_confidence: float) -> np.ndarray:
    """Copy of (H, W, 3) pixels with every person's bones; those with an unsure end are thin lines.

    The person's right is orange, the left blue, the trunk green; fingers have a colour each.
    """
    canvas = np.ascontiguousarray(pixels).copy()
    for box, keypoints, confidence in zip(people.boxes, people.keypoints, people.confidence, strict=True):
        thickness = max(2, round(float(max(box[2:])) / _BONES_ACROSS))
        _draw_person(canvas, keypoints, confidence >= min_confidence, skeleton, thickness)
    return canvas


def _draw_person(
    canvas: np.ndarray, keypoints: np.ndarray, is_sure: np.ndarray, skeleton: Skeleton, thickness: int
) -> None:
    """Unsure bones below sure ones, these with a dark rim, so that they show on any picture."""
    points = [tuple(point) for point in np.rint(keypoints * 2**_FRACTION_BITS).astype(int).tolist()]
    thin = max(1, thickness // 4)
    bones = list(zip(skeleton.bones, bone_colours(skeleton), strict=True))
    sure = [(bone, colour) for bone, colour in bones if is_sure[list(bone)].all()]
    for (start, end), colour in bones:
        _line(canvas, points[start], points[end], colour, thin)
    for (start, end), _ in sure:
        _line(canvas, points[start], points[end], _DARK, thickness + 2 * thin)
    for (start, end), colour in sure:
        _line(canvas, points[start], points[end], colour, thickness)
    for name, point, known in zip(skeleton.keypoints, points, is_sure, strict=True):
        if known:
            _disc(canvas, point, thickness + thin, _DARK)
            _disc(canvas, point, thickness, keypoint_colour(name))


def _line(
    canvas: np.ndarray, start: Sequence[int], end: Sequence[int], colour: Sequence[int], thickness: int
) -> None:
    cv2.line(canvas, start, end, colour, thickness, cv2.LINE_AA, _FRACTION_BITS)


def _disc(canvas: np.ndarray, point: Sequence[int], radius: int, colour: Sequence[int]) -> None:
    cv2.circle(canvas, point, radius << _FRACTION_BITS, colour, -1, cv2.LINE_AA, _FRACTION_BITS)


class OverlayFolder:
    """Overlays below a folder, named as what they show: pictures in their format, videos as mp4."""

    def __init__(self, folder: Path, skeleton: Skeleton, min_confidence: float) -> None:
        self.folder, self.skeleton, self.min_confidence = folder, skeleton, min_confidence
        self._open = ExitStack()
        self._video: VideoFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: ANN401 - as the stack takes it
        self._open.__exit__(*error)

    def add(self, frame: Frame, people: People) -> None:
        """Draw and write one picture, or the next frame of a video."""
        drawn = draw_people(frame.pixels, people, self.skeleton, self.min_confidence)
        path = self.folder / frame.source.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not frame.source.is_video:
            write_picture(path, drawn)
            return
        if frame.number == 0 or self._video is None:
            self._open.close()
            name = path if path.suffix == ".mp4" else path.with_name(f"{path.name}.mp4")
            self._video = self._open.enter_context(VideoFile(name, frame_rate(frame.source.path)))
        self._video.write(drawn)


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Encode (H, W, 3) RGB pixels in the format of the path's suffix."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(path.suffix.lower(), bgr)
    path.write_bytes(encoded.tobytes())
