"""Random views of a batch with heat maps to learn from: batched, against one sample after the other.

    python benchmarks/views.py

The second way is that of the public code of UDAPE and RegDA: OpenCV and NumPy on each sample, a loop over
keypoints. Both take turns in one run on one thread; the ratio of the medians is what counts.
"""

import argparse

import cv2
import numpy as np
import torch
from turns import median_ms

from actupose.core.affine import scale_matrix, transform_points
from actupose.core.heatmap import render_gaussians
from actupose.data.augment import View, draw_crop, draw_view, keypoints_in_view, render_view
from actupose.params import ViewParams

BATCH, KEYPOINTS = 32, 16
SIGMA = 2.0
RANGES = ViewParams(rotation=60, shear=30, translate=0.05, scale=(0.6, 1.3), flip=0, color=0.25, blur=0)
GRAY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def batched(images: torch.Tensor, keypoints: torch.Tensor, side: int, cells: int) -> None:
    """As a training step does it."""
    view = random_view(side, images.device)
    render_view(images, view, blurred=False)
    seen = keypoints_in_view(keypoints, view, torch.arange(KEYPOINTS, device=images.device))
    render_gaussians(transform_points(seen, scale_matrix(side, cells, images.device)), (cells, cells), SIGMA)


def random_view(side: int, device: torch.device) -> View:
    """Views of a batch."""
    random = torch.Generator().manual_seed(0)
    return draw_view(RANGES, draw_crop((0.6, 1.0), BATCH, side, random, device), side, random)


def one_by_one(images: list[np.ndarray], keypoints: np.ndarray, side: int, cells: int) -> None:
    """The same with a loop over samples and keypoints."""
    view = random_view(side, torch.device("cpu"))
    for image, points, matrix, color in zip(
        images, keypoints, view.view_from_stored.numpy(), view.color.numpy(), strict=True
    ):
        jitter(cv2.warpAffine(image, matrix[:2], (side, side)).astype(np.float32) / 255, color)
        moved = points @ matrix[:2, :2].T + matrix[:2, 2]
        for x, y in (moved + 0.5) * cells / side - 0.5:
            draw(x, y, cells)


def jitter(image: np.ndarray, color: np.ndarray) -> np.ndarray:
    """Brightness, contrast, saturation of one image."""
    image = (image * color[0]).clip(0, 1)
    mean = (image @ GRAY).mean()
    image = (mean + (image - mean) * color[1]).clip(0, 1)
    gray = (image @ GRAY)[..., None]
    return np.asarray(np.clip(gray + (image - gray) * color[2], 0, 1))


def draw(x: float, y: float, cells: int) -> np.ndarray:
    """One Gaussian."""
    rows, columns = np.mgrid[:cells, :cells]
    return np.asarray(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * SIGMA**2)))


def main() -> None:
    """Take turns, print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    side, cells = arguments.side, arguments.side // 4
    random = np.random.default_rng(0)
    pictures = list(random.integers(0, 255, (BATCH, side, side, 3), np.uint8))
    keypoints = random.random((BATCH, KEYPOINTS, 2), np.float32) * side
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    points = torch.from_numpy(keypoints)
    works = (
        lambda _: batched(images, points, side, cells),
        lambda _: one_by_one(pictures, keypoints, side, cells),
    )
    ours, naive = median_ms(works, arguments.rounds)
    print(f"{BATCH} views of {side} px: batched {ours:.0f} ms, one by one {naive:.0f} ms: {naive / ours:.2f}")


if __name__ == "__main__":
    main()
