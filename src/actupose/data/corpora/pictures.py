"""Pixels of an image file that nobody vouches for: size and format first, then a full decode.

A truncated file is refused (OpenCV returns nothing for it). Where labels exist they are in the file's own
pixels, so an EXIF orientation is ignored; unlabelled photos are turned upright by it.
"""

import os
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from actupose.data.corpora.records import Refusal

MAX_PIXELS = 100_000_000  # a small file can announce a picture that does not fit into memory
MAX_BYTES = 4 * MAX_PIXELS  # no picture of so many pixels needs more
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # it is refused, in one line
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # Pillow knows formats that run programs; these are plain pictures
NO_IMAGE = f"not a readable image ({', '.join(FORMATS)})"


@dataclass(frozen=True)
class Picture:
    """Decoded pixels, and the file's bytes where they decode to exactly these in the image store.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        encoded: None for rendered pixels and for a file whose EXIF data may turn it.
    """

    pixels: np.ndarray
    encoded: bytes | None


def read_picture(path: Path, *, upright: bool) -> Picture:
    """Read and decode one image file.

    Raises:
        Refusal: it is no image, too large, truncated or damaged.
    """
    with path.open("rb") as file:
        _check_length(os.fstat(file.fileno()).st_size)
        has_exif = _check_header(file)  # before a large file is read that is no image
        file.seek(0)
        encoded = file.read()
    return Picture(_decode(encoded, upright=upright), None if upright and has_exif else encoded)


def decode_picture(encoded: bytes, *, upright: bool) -> np.ndarray:
    """(H, W, 3) uint8 RGB pixels of an image file's bytes.

    Raises:
        Refusal: as of :func:`read_picture`.
    """
    _check_length(len(encoded))
    _check_header(BytesIO(encoded))
    return _decode(encoded, upright=upright)


def _check_length(length: int) -> None:
    if length > MAX_BYTES:
        raise Refusal(f"more than {MAX_BYTES // 1_000_000} million bytes")


def _decode(encoded: bytes, *, upright: bool) -> np.ndarray:
    flags = cv2.IMREAD_COLOR_RGB | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    except cv2.error as error:
        raise Refusal(f"does not decode: {error.err}") from None
    if pixels is None:
        raise Refusal("truncated or damaged image")
    return np.asarray(pixels)


def _check_header(file: BinaryIO) -> bool:
    """Refuse no image, or too large a one, before any pixel is decoded; tells whether it has EXIF data."""
    try:
        with Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            has_exif = "exif" in image.info
    except Image.DecompressionBombError:
        raise Refusal(f"more than {MAX_PIXELS // 1_000_000} million pixels") from None
    except OSError as error:
        raise Refusal(error.strerror or NO_IMAGE) from None
    except Exception:  # Pillow's readers fail on a damaged header in a dozen ways
        raise Refusal(NO_IMAGE) from None
    if width * height > MAX_PIXELS:
        raise Refusal(f"more than {MAX_PIXELS // 1_000_000} million pixels")
    return has_exif


def encode_jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """JPEG of (H, W, 3) uint8 RGB pixels."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()
