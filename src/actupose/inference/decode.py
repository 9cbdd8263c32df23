"""Image bytes from anywhere to pixels."""

import numpy as np

from actupose.data.corpora.pictures import decode_picture
from actupose.data.corpora.records import Refusal
from actupose.errors import UserError


def decode_image(encoded: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB pixels of an image file's bytes, turned upright by its EXIF data.

    Raises:
        UserError: they are no image, a truncated or damaged one, or one too large to decode.
    """
    try:
        return decode_picture(encoded, upright=True)
    except Refusal as refusal:
        raise UserError(str(refusal)) from None
