"""Randomness as a function of (seed, stream, step), so that a resumed run equals an unbroken one."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive_seed(seed: int, stream: str, step: int = 0) -> int:
    """63-bit seed of one use: equal inputs give equal seeds on every machine."""
    digest = hashlib.sha256(f"{seed}/{stream}/{step}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(seed: int, stream: str, step: int = 0) -> torch.Generator:
    """CPU generator of one use; draws are made on the CPU and moved, so every device sees the same."""
    return torch.Generator().manual_seed(derive_seed(seed, stream, step))


def numpy_generator(seed: int, stream: str, step: int = 0) -> np.random.Generator:
    """The same for NumPy, for work outside torch."""
    return np.random.default_rng(derive_seed(seed, stream, step))


@contextmanager
def seeded_weights(seed: int, stream: str) -> Iterator[None]:
    """Layers built inside have random weights of (seed, stream); torch's global state is left as it was.

    Layers draw their first weights from the global generator and from no other.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, stream))
        yield
