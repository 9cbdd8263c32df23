"""MATLAB files from outside (version 5, as MATLAB 5 to 7.2 write them): arrays of numbers, and nothing else.

SciPy's reader believes the types and lengths that a damaged file announces, and ends the whole process; here
they are checked against the bytes that are there.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from actupose.data.corpora.records import Refusal

MAX_BYTES = 80_000_000  # a small compressed file can unpack to more than fits into memory
HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
COMPLEX = 0x0800
NUMERIC_CLASSES = range(6, 16)
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}


def read_plain_matlab(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    """The named variables as float64 arrays.

    Raises:
        Refusal: no MATLAB file with such variables, or one of them holds no real numbers, or too many.
    """
    unreadable = f"no readable MATLAB variable{'s' * (len(names) > 1)} {' and '.join(map(repr, names))}"
    if path.stat().st_size > MAX_BYTES:
        raise Refusal(f"more than {MAX_BYTES // 1_000_000} million bytes")
    try:
        content = path.read_bytes()
        order = {b"IM": "<", b"MI": ">"}[content[HEADER_BYTES - 2 : HEADER_BYTES]]
        found = dict(_variables(memoryview(content)[HEADER_BYTES:], order, set(names)))
        return [found[name] for name in names]
    except (KeyError, ValueError, struct.error, zlib.error):
        raise Refusal(unreadable) from None


def _variables(content: memoryview, order: str, names: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Name and values of those that are wanted."""
    for kind, element in _elements(content, order):
        if kind == COMPRESSED:
            ((kind, element),) = _elements(_unpacked(element), order)
        if kind != MATRIX:
            raise ValueError(f"an element of type {kind}")
        (_, flags), (_, dimensions), (_, letters), *parts = _elements(element, order)
        name = bytes(letters).decode("latin1")
        if name in names:
            shape = np.frombuffer(dimensions, f"{order}i4")
            yield name, _values(flags, shape, parts, order)


def _values(
    flags: memoryview, shape: np.ndarray, parts: list[tuple[int, memoryview]], order: str
) -> np.ndarray:
    """float64 array of the numbers of a matrix, which MATLAB writes column by column."""
    (flag,) = struct.unpack_from(f"{order}I", flags)
    if flag & 0xFF not in NUMERIC_CLASSES or flag & COMPLEX or (shape < 0).any():
        raise ValueError("no real numbers")
    ((kind, numbers),) = parts
    values = np.frombuffer(numbers, f"{order}{NUMBERS[kind]}")
    return values.reshape(shape, order="F").astype(np.float64)


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and bytes of one data element after the other."""
    at = 0
    while at < len(content):
        (tag,) = struct.unpack_from(f"{order}I", content, at)
        if tag >> 16:  # up to four bytes lie within the tag, which holds their number too
            kind, size, start, at = tag & 0xFFFF, tag >> 16, at + 4, at + 8
        else:
            (size,) = struct.unpack_from(f"{order}I", content, at + 4)
            kind, start = tag, at + 8
            at = start + size + (0 if kind == COMPRESSED else -size % 8)
        if start + size > min(at, len(content)):
            raise ValueError("an element beyond the end")
        yield kind, content[start : start + size]


def _unpacked(element: memoryview) -> memoryview:
    content = zlib.decompressobj().decompress(element, MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Refusal(f"a MATLAB variable of more than {MAX_BYTES // 1_000_000} million bytes")
    return memoryview(content)
