"""Images that are none, and images of unusual kinds."""

import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from corpus_files import encoded, run_ingest, write_folder
from PIL import Image
from spoilt import Rejected, holding

from actupose.data.image_store import ImageStore

pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")

NO_IMAGE = "not a readable image (JPEG, PNG, WEBP, BMP)"
DAMAGED = "truncated or damaged image"
TOO_LARGE = "more than 100 million pixels"

RGB = Image.new("RGB", (8, 8), (200, 100, 50))
BLUE = Image.new("RGB", (8, 8), (0, 0, 255))


def saved(image, kind, **options):
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, *chunks):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"".join((b"\x89PNG\r\n\x1a\n", header, *chunks, chunk(b"IEND", b"")))


def jpeg_of(width, height):
    """A good JPEG file whose header tells another size."""
    content = saved(RGB, "JPEG")
    size_at = content.index(b"\xff\xc0") + 5
    return content[:size_at] + struct.pack(">HH", height, width) + content[size_at + 4 :]


def bmp_of(width, height):
    """Header of a bitmap; a negative height means that the first row comes first."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header


BLACK_ROWS = chunk(b"IDAT", zlib.compress(bytes(8 * (1 + 3 * 8))))
MUCH_TEXT = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 26)))


def refused(reason, content):
    return Rejected("folder", holding("sub/bad.jpg", content), {"sub/bad.jpg": reason})


def sparse(root):
    """A picture with a hole of a gigabyte behind it, which takes no place on the disk."""
    holding("sub/bad.jpg", encoded())(root)
    os.truncate(root / "sub/bad.jpg", 1 << 30)


BAD = {
    "no bytes": refused(NO_IMAGE, b""),
    "text": refused(NO_IMAGE, b"hello, I am no picture\n"),
    "a program for printers": refused(NO_IMAGE, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    "a drawing": refused(NO_IMAGE, b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "a GIF": refused(NO_IMAGE, saved(RGB, "GIF")),
    "a TIFF": refused(NO_IMAGE, saved(RGB, "TIFF")),
    "two bytes of a JPEG": refused(NO_IMAGE, b"\xff\xd8"),
    "the beginning of a JPEG": refused(NO_IMAGE, b"\xff\xd8\xff\xe0 and then nothing of the kind"),
    "half a JPEG": refused(DAMAGED, encoded()[: len(encoded()) // 2]),
    "half a PNG": refused(DAMAGED, encoded(suffix=".png")[: len(encoded(suffix=".png")) // 2]),
    "half a WebP": refused(NO_IMAGE, encoded(suffix=".webp")[:-8]),
    "half a bitmap": refused(DAMAGED, saved(RGB, "BMP")[:-40]),
    "a PNG without pixels": refused(DAMAGED, png(40, 40)),
    "a PNG of no width": refused(NO_IMAGE, png(0, 40)),
    "a PNG of 120 million pixels": refused(TOO_LARGE, png(20_000, 6_000)),
    "a PNG of 60000 x 60000": refused(TOO_LARGE, png(60_000, 60_000)),
    "a JPEG of 60000 x 60000": refused(TOO_LARGE, jpeg_of(60_000, 60_000)),
    "a bitmap of 60000 x 60000": refused(TOO_LARGE, bmp_of(60_000, -60_000)),
    "a PNG with much text": refused(NO_IMAGE, png(8, 8, MUCH_TEXT, BLACK_ROWS)),
    "a gigabyte": Rejected("folder", sparse, {"sub/bad.jpg": "more than 400 million bytes"}),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_file_that_is_no_usable_image_is_one_rejected_row(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)


def sixteen_bits(blue, green, red):
    return cv2.imencode(".png", np.full((8, 8, 3), (blue, green, red), np.uint16))[1].tobytes()


# What is stored of kinds that hold more, or less, than three channels of eight bits.
UNUSUAL = {
    "ink instead of light": (
        saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100),
        (254, 0, 0),
    ),
    "sixteen bits: the upper eight": (sixteen_bits(0x10FF, 0x20FF, 0x30FF), (0x30, 0x20, 0x10)),
    "sixteen bits of grey": (
        saved(Image.fromarray(np.full((8, 8), 0x80FF, np.uint16)), "PNG"),
        (128, 128, 128),
    ),
    "grey: three times the same": (saved(Image.new("L", (8, 8), 77), "PNG"), (77, 77, 77)),
    "black and white": (saved(Image.new("1", (8, 8), 1), "PNG"), (255, 255, 255)),
    "a palette": (saved(RGB.quantize(2), "PNG"), (200, 100, 50)),
    "transparent: as if it were not": (
        saved(Image.new("RGBA", (8, 8), (200, 100, 50, 0)), "PNG"),
        (200, 100, 50),
    ),
    "grey and transparent": (saved(Image.new("LA", (8, 8), (77, 0)), "PNG"), (77, 77, 77)),
    "an animated PNG: its first picture": (
        saved(RGB, "PNG", save_all=True, append_images=[BLUE]),
        (200, 100, 50),
    ),
    "an animated WebP: its first picture": (
        saved(RGB, "WEBP", save_all=True, append_images=[BLUE], lossless=True),
        (200, 100, 50),
    ),
    "two pictures in one JPEG: the first": (
        saved(RGB, "MPO", save_all=True, append_images=[BLUE], quality=100),
        (200, 100, 50),
    ),
    "bytes after the end": (saved(RGB, "PNG") + b"more" * 100, (200, 100, 50)),
    "a single pixel": (saved(RGB.crop((0, 0, 1, 1)), "PNG"), (200, 100, 50)),
}


@pytest.mark.parametrize(("content", "colour"), UNUSUAL.values(), ids=UNUSUAL)
def test_an_unusual_image_is_stored_in_its_colours(tmp_path, content, colour):
    settings = write_folder(tmp_path / "in")
    holding("0.jpg", content)(tmp_path / "in")
    samples, rejected = run_ingest(settings, tmp_path / "out")
    assert rejected.num_rows == 0
    row = samples.column("image_row").to_pylist()[samples.column("sample_id").to_pylist().index("0.jpg")]
    stored = ImageStore(tmp_path / "out/images.arrow").decode(row)
    assert stored.shape == (64, 64, 3)
    np.testing.assert_allclose(stored.reshape(-1, 3), np.broadcast_to(colour, (64 * 64, 3)), atol=3)


def test_a_line_of_pixels_keeps_a_line(tmp_path):
    settings = write_folder(tmp_path / "in")
    holding("0.jpg", saved(Image.new("RGB", (3000, 1), (255, 255, 255)), "PNG"))(tmp_path / "in")
    samples, _ = run_ingest(settings, tmp_path / "out")
    row = samples.column("image_row").to_pylist()[samples.column("sample_id").to_pylist().index("0.jpg")]
    bright = ImageStore(tmp_path / "out/images.arrow").decode(row).min(axis=2) > 128
    assert np.flatnonzero(bright.all(axis=1)).tolist() == [
        31
    ]  # of 64 rows, the odd one of the border goes last
