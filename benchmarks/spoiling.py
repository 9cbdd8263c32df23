"""Ways to spoil one file of a corpus at random: its bytes, the values it holds, its name."""

import io
import json
import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat, savemat

Spoiler = Callable[[Path, random.Random], None]

NUMBERS = (0, -1, 1, 0.5, 10**18, -(10**400), 1e308, -1e308, float("nan"), float("inf"), True)
TEXTS = ("", "x", ".", "..", "../../x.jpg", "/etc/hostname", "a\0b", "\ud800", "a\nb", "e\u0301", "a" * 5000)
OTHERS: tuple[Any, ...] = (None, [], {}, [[]], [None], {"x": []}, [[0.0, 1.0]] * 21)
NAMES = (b"e\xcc\x81", "\N{BUG}".encode(), b"\xff\xfe", b"a\nb", b"-rf", b"a  b", b"x" * 250, b"100%d")


def spoil_bytes(path: Path, draw: random.Random) -> None:
    """Cut off, flip, zero, repeat, leave out or put in bytes."""
    content = bytearray(path.read_bytes())
    start = draw.randrange(len(content) + 1)
    end = min(len(content), start + draw.choice((1, 4, 64, 4096)))
    match draw.randrange(7):
        case 0:
            del content[start:]
        case 1:
            content.clear()
        case 2:
            del content[start:end]
        case 3:
            content[start:start] = content[start:end] * draw.choice((1, 1000))
        case 4:
            content[start:end] = bytes(end - start)
        case 5:
            content[start:start] = draw.randbytes(draw.choice((1, 8, 100)))
        case _:
            for _ in range(draw.choice((1, 3, 20)) if content else 0):
                content[draw.randrange(min(len(content), draw.choice((64, 10**9))))] = draw.randrange(256)
    replace(path, bytes(content))


def spoil_name(path: Path, draw: random.Random) -> None:
    """Rename, remove or exchange the file, or put a folder, a link or a pipe in its place."""
    ending = path.suffix.encode()
    other = draw.choice([entry for entry in path.parent.iterdir() if entry.is_file()])
    match draw.randrange(7):
        case 0:
            path.rename(path.parent / os.fsdecode(draw.choice(NAMES) + ending))
        case 1:
            path.unlink()
        case 2:
            path.unlink()
            path.mkdir()
        case 3:
            path.unlink()
            path.symlink_to(draw.choice(("/etc/hostname", "../../../outside", path.name, other.name, "/")))
        case 4:
            path.unlink()
            os.mkfifo(path)
        case 5:
            replace(path, other.read_bytes())
        case _:
            path.with_name(os.fsdecode(draw.choice(NAMES) + ending)).write_bytes(path.read_bytes())


def spoil_json(path: Path, draw: random.Random) -> None:
    """Change values somewhere within a JSON file."""
    replace(path, json.dumps(changed(json.loads(path.read_bytes()), draw)).encode())


def spoil_pickle(path: Path, draw: random.Random) -> None:
    """Change values somewhere within a pickle."""
    content = changed(pickle.loads(path.read_bytes()), draw)
    replace(path, pickle.dumps(content, draw.choice((0, 2, 4, 5))))


def spoil_mat(path: Path, draw: random.Random) -> None:
    """Change a variable of a MATLAB file."""
    variables = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    spoilt = {name: changed(value, draw) for name, value in variables.items()}
    kept = {name: [] if value is None else value for name, value in spoilt.items()}
    written: Any = io.BytesIO()  # scipy takes it, its stubs name paths alone
    savemat(written, kept, do_compression=draw.random() < 0.5)
    replace(path, written.getvalue())


SPOILERS: dict[str, Spoiler] = {".json": spoil_json, ".pickle": spoil_pickle, ".mat": spoil_mat}


def replace(path: Path, content: bytes) -> None:
    """Write to a new file: the old one may be linked to the good corpus."""
    path.unlink()
    path.write_bytes(content)


def changed(value: Any, draw: random.Random) -> Any:  # noqa: ANN401 - whatever a label file holds
    """The same value but for one spot, mostly deep within it."""
    if isinstance(value, np.ndarray) and draw.random() < 0.9:
        return changed_array(value, draw)
    if isinstance(value, dict | list) and value and draw.random() < 0.9:
        return changed_within(value, draw)
    return draw.choice((*NUMBERS, *TEXTS, *OTHERS, nested(draw)))


def changed_within(value: Any, draw: random.Random) -> Any:  # noqa: ANN401 - a list or dict
    """The same list or dict with one entry changed, taken away or doubled."""
    spoilt = value.copy()
    key = draw.choice(list(value)) if isinstance(value, dict) else draw.randrange(len(value))
    fate = draw.random()
    if fate < 0.08:
        del spoilt[key]
    elif fate < 0.16 and isinstance(value, list):
        spoilt.insert(key, value[key])
    elif fate < 0.16:
        spoilt[draw.choice((-1, 2, 99999, 100000, True, "x", ""))] = spoilt.pop(key)
        return {str(k): v for k, v in spoilt.items()} if isinstance(key, str) else spoilt
    else:
        spoilt[key] = changed(value[key], draw)
    return spoilt


def changed_array(value: np.ndarray, draw: random.Random) -> Any:  # noqa: ANN401 - mostly an array
    """The same array with other values, another shape or another type."""
    spoilt = value.copy()
    match draw.randrange(6):
        case 0 | 1:
            chosen = np.random.default_rng(draw.randrange(2**32)).random(value.shape) < draw.choice((0.01, 1))
            spoilt = np.where(chosen, draw.choice((np.nan, np.inf, -np.inf, 1e300, -1.0, 0.0, 1e5)), spoilt)
        case 2:
            spoilt = spoilt[..., : draw.randrange(spoilt.shape[-1] + 1)]
        case 3:
            spoilt = spoilt.T
        case 4:
            spoilt = spoilt[None] if draw.random() < 0.5 else spoilt.ravel()
        case _:
            with np.errstate(all="ignore"):
                return spoilt.astype(draw.choice(("u1", "i8", "f2", "c8", "?", "O", "U5")))
    return spoilt


def nested(draw: random.Random) -> Any:  # noqa: ANN401 - a list of lists
    """Few objects that stand for endlessly many: every list holds the next one ten times."""
    value: Any = 0.0
    for _ in range(draw.choice((3, 5))):
        value = [value] * 10
    return value
