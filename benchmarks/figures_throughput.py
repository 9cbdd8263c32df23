"""Images per second of the figure renderer: 64 pixels, both looks, two threads."""

import time

import torch

from actupose.data.figures import Look, render_figures

SIDE = 64
NUM_IMAGES = 1024


def images_per_second(look: Look) -> float:
    """Rate over ``NUM_IMAGES`` after one chunk of warm-up."""
    render_figures(0, "benchmark", range(64), look, (0.65, 0.25, 0.10), SIDE)
    start = time.perf_counter()
    render_figures(0, "benchmark", range(NUM_IMAGES), look, (0.65, 0.25, 0.10), SIDE)
    return NUM_IMAGES / (time.perf_counter() - start)


if __name__ == "__main__":
    torch.set_num_threads(2)
    for name in ("synthetic", "photo"):
        print(f"{name:9s} {images_per_second(name):6.0f} images/s at {SIDE} px")
