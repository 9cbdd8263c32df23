"""Images per second of the figure renderer: 64 pixels, people and hands in both looks, two threads."""

import time

import torch

from actupose.data.figures import Look, render_figures
from actupose.skeleton import SKELETONS, SkeletonName

SIDE = 64
NUM_IMAGES = 1024
POSE_MIX = (0.65, 0.25, 0.10)


def images_per_second(look: Look, skeleton: SkeletonName) -> float:
    """Rate over ``NUM_IMAGES`` after one chunk of warm-up."""
    render_figures(0, "benchmark", range(64), look, POSE_MIX, SIDE, skeleton)
    start = time.perf_counter()
    render_figures(0, "benchmark", range(NUM_IMAGES), look, POSE_MIX, SIDE, skeleton)
    return NUM_IMAGES / (time.perf_counter() - start)


if __name__ == "__main__":
    torch.set_num_threads(2)
    for skeleton in SKELETONS:
        for name in ("synthetic", "photo"):
            print(f"{skeleton} {name:9s} {images_per_second(name, skeleton):6.0f} images/s at {SIDE} px")
