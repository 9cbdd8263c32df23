"""Index tensors of a skeleton's bones and triplets, one copy for each device."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Int64
from torch import Tensor


def index_columns(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Int64[Tensor, "n"], ...]:
    """Columns of equally long index rows: bones give (starts, ends), triplets (a, b, c).

    Args:
        rows: n rows of m keypoint positions.
        device: where the columns shall lie.

    Returns:
        m tensors, shared between calls: not to be written to.
    """
    return _index_columns(tuple(tuple(row) for row in rows), device)


@lru_cache(maxsize=64)
def _index_columns(rows: tuple[tuple[int, ...], ...], device: torch.device) -> tuple[Int64[Tensor, "n"], ...]:
    # Cached because copying a Python list to a GPU waits for it. Made outside inference mode because
    # autograd refuses to save an inference tensor, and evaluation may be the first to ask.
    with torch.inference_mode(mode=False):
        return tuple(torch.tensor(column, device=device) for column in zip(*rows, strict=True))
