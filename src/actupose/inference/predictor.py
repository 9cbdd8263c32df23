"""A trained model for pictures of any size: crop as ingest does, predict in batches, map back."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch

from actupose.core.device import DeviceName, pick_device
from actupose.data.crop import Cut, move_image, move_points_back, place, scale_box
from actupose.errors import UserError
from actupose.nets.pose_model import PoseModel, load_model, predict_batch
from actupose.skeleton import SKELETONS, Skeleton

CROP_SCALE = 1.25  # of a person's box, as data of one's own is cut in training
BATCH_SIZE = 64


class Keypoints(NamedTuple):
    """Keypoints (N, K, 2) float32 in pixels of the original images, confidence (N, K) float32 (0 to about 1).

    The centre of an image's top-left pixel is (0, 0).
    """

    keypoints: np.ndarray
    confidence: np.ndarray


class Predictor:
    """A model on a device.

    Args:
        model: as :func:`~actupose.nets.pose_model.load_model` returns it.
        device: where it computes.
    """

    def __init__(self, model: PoseModel, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()

    @classmethod
    def load(cls, folder: Path, device: DeviceName = "auto") -> Self:
        """Load a folder with ``model.safetensors`` and ``model.json``, such as ``runs/<method>-<seed>``.

        Raises:
            UserError: they are missing or damaged, or there is no GPU where one is asked for.
        """
        return cls(load_model(folder), pick_device(device))

    @property
    def skeleton(self) -> Skeleton:
        """Names and order of the K keypoints."""
        return SKELETONS[self.model.info.skeleton]

    def predict(
        self,
        images: Sequence[np.ndarray],
        boxes: np.ndarray | None = None,
        *,
        crop_scale: float = CROP_SCALE,
        batch_size: int = BATCH_SIZE,
    ) -> Keypoints:
        """Keypoints of one person an image.

        Args:
            images: N of (H, W, 3) uint8 RGB, each of any size; several people of one image are the image
                given several times.
            boxes: (N, 4) x, y, width, height of the person, pixels of its image; None takes whole images.
            crop_scale: side of the square that is cut out, as a multiple of the box's longer side.
            batch_size: images that the network sees at once.

        Raises:
            UserError: a box has no extent or is not finite.
        """
        side = self.model.info.image_size
        people = [None] * len(images) if boxes is None else list(boxes)
        cuts = [_cut(image, box, crop_scale) for image, box in zip(images, people, strict=True)]
        placements = [place(cut, side) for cut in cuts]
        keypoints = np.empty((len(images), len(self.skeleton), 2), np.float32)
        confidence = np.empty(keypoints.shape[:2], np.float32)
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            squares = [move_image(*pair) for pair in zip(images[part], placements[part], strict=True)]
            batch = torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).contiguous()
            prediction = predict_batch(self.model, batch.to(self.device))
            confidence[part] = prediction.confidence.numpy()
            for row, points_px in enumerate(prediction.keypoints.numpy(), start):
                keypoints[row] = move_points_back(points_px, placements[row])
        return Keypoints(keypoints, confidence)


def _cut(image: np.ndarray, box: np.ndarray | None, crop_scale: float) -> Cut:
    height, width = image.shape[:2]
    if box is None:
        return Cut(0, 0, width, height)
    left, upper, extent_x, extent_y = (float(value) for value in box)
    try:
        return scale_box((left, upper, left + extent_x, upper + extent_y), crop_scale, width, height)
    except ValueError as error:
        raise UserError(f"box {left:g}, {upper:g}, {extent_x:g}, {extent_y:g}: {error}") from None
