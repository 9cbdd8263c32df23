"""Checkpoints that survive a kill: written aside, flushed, renamed; the last two kept; a bad one refused.

A file is the SHA-256 of what follows, so that truncation and flipped bits are seen; a line with the number of
the format; and the state.
They lie in a folder named by a key of everything that decides the weights: another run's is never loaded.
"""

import hashlib
import io
import re
import warnings
from pathlib import Path
from typing import Any

import torch

from actupose.files import atomic_path

KEPT = 2
FORMAT = 1  # one more for every change that a reader of the one before would misread
_HEADER = b"actupose checkpoint, format "
_DIGEST_BYTES = hashlib.sha256().digest_size


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write the state after ``step`` steps; of the others only the one before it stays.

    A newer one was refused, or the run would not be here: it goes too, lest it push out usable ones. So does
    what a killed process left half written.
    """
    _remove_unfinished(folder)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = b"%s%d\n%s" % (_HEADER, FORMAT, buffer.getvalue())
    with atomic_path(folder / _name(step)) as path:
        path.write_bytes(hashlib.sha256(content).digest() + content)
    kept = [path for path in _newest_first(folder) if path.name <= _name(step)][:KEPT]
    for other in set(_newest_first(folder)).difference(kept):
        other.unlink()


def load_checkpoint(folder: Path, key: str) -> dict[str, Any] | None:
    """State of the newest usable checkpoint, None where there is none; each refused one is a warning."""
    for path in _newest_first(folder):
        try:
            return _read(path, key)
        except ValueError as error:
            warnings.warn(f"{path}: {error}; using the one before it, if there is one", stacklevel=2)
    return None


def newest_step(folder: Path) -> int:
    """Steps that the newest checkpoint holds; 0 where there is none."""
    return max((int(path.stem.removeprefix("step-")) for path in _newest_first(folder)), default=0)


def remove_checkpoints(folder: Path) -> None:
    """Drop all: the run's outputs are written."""
    for path in _newest_first(folder):
        path.unlink()
    _remove_unfinished(folder)


def _remove_unfinished(folder: Path) -> None:
    for path in folder.glob(".step-*.tmp"):
        path.unlink()


def _name(step: int) -> str:
    return f"step-{step:09d}.ckpt"


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.ckpt"), reverse=True)


def _read(path: Path, key: str) -> dict[str, Any]:
    whole = path.read_bytes()
    digest, content = whole[:_DIGEST_BYTES], whole[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("damaged (its checksum does not fit)")
    header, _, state_bytes = content.partition(b"\n")
    _check_header(header)
    try:
        state = torch.load(io.BytesIO(state_bytes), map_location="cpu", weights_only=True)
    except Exception as error:  # the reader raises anything on what it did not write
        raise ValueError(f"not a checkpoint ({type(error).__name__})") from None
    if not isinstance(state, dict) or state.get("key") != key:
        raise ValueError("belongs to another run (method, params, code or inputs differ)")
    return state


def _check_header(header: bytes) -> None:
    found = re.fullmatch(_HEADER + rb"(\d+)", header)
    if not found:
        raise ValueError("not a checkpoint")
    if int(found[1]) != FORMAT:
        age = "a newer" if int(found[1]) > FORMAT else "an older"
        raise ValueError(f"written by {age} version (format {int(found[1])}, this one reads {FORMAT})")
