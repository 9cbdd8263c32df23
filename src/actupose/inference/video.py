"""Frames of a video file, and a video file of frames; never more than one frame in memory."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from actupose.errors import UserError

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov"})
_USUAL_RATE = 25.0  # frames a second, where the file does not say
# Both would print lines of their own before ours.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)


def count_frames(path: Path) -> int:
    """Frames that a video announces.

    Raises:
        UserError: it cannot be opened.
    """
    return int(_open(path).get(cv2.CAP_PROP_FRAME_COUNT))


def frame_rate(path: Path) -> float:
    """Frames a second."""
    return float(_open(path).get(cv2.CAP_PROP_FPS)) or _USUAL_RATE


def read_video(path: Path) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 RGB frames in order, upright as the file says; ends where no more can be decoded."""
    capture = _open(path)
    while True:
        is_read, frame = capture.read()
        if not is_read:
            return
        yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def _open(path: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise UserError(f"{path}: not a video that can be opened")
    return capture


class VideoFile:
    """An mp4 file that grows frame by frame; its size is that of the first one."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        self._num_frames = 0
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> Self:
        return self

    def write(self, pixels: np.ndarray) -> None:
        """Append an (H, W, 3) uint8 RGB frame."""
        if self._writer is None:
            size = (pixels.shape[1], pixels.shape[0])
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self.path), cv2.CAP_FFMPEG, code, self.rate, size)
        self._writer.write(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        self._num_frames += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if kind is None and count_frames(self.path) != self._num_frames:  # OpenCV reports no failed write
            raise OSError(f"{self.path}: not all frames could be written; is the disk full?")
