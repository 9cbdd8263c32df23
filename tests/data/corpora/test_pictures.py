from io import BytesIO

import cv2
import numpy as np
import pytest
from corpus_files import noise
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from actupose.data.corpora.pictures import MAX_PIXELS, decode_picture, plain_jpeg_size
from actupose.data.corpora.records import Refusal


def jpeg(width=40, height=24, mode="RGB", **options):
    file = BytesIO()
    Image.fromarray(noise(width, height)).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


PLAIN = {
    "baseline": jpeg(),
    "progressive": jpeg(progressive=True),
    "gray": jpeg(mode="L"),
    "CMYK": jpeg(mode="CMYK"),
    "with restarts": jpeg(restart_marker_blocks=2),
    "with a comment, a resolution and a profile": jpeg(comment=b"x", dpi=(72, 72), icc_profile=b"y" * 9),
    "written by OpenCV": cv2.imencode(".jpg", np.zeros((24, 40, 3), np.uint8))[1].tobytes(),
}


@pytest.mark.parametrize("encoded", PLAIN.values(), ids=PLAIN)
def test_the_size_of_a_plain_jpeg_is_the_one_that_pillow_reads(encoded):
    assert plain_jpeg_size(encoded) == Image.open(BytesIO(encoded)).size == (40, 24)


def test_exif_data_anywhere_in_a_jpeg_are_left_to_pillow():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = jpeg(exif=exif)
    assert plain_jpeg_size(turned) is None
    assert decode_picture(turned, upright=True).shape == (40, 24, 3)
    assert decode_picture(turned, upright=False).shape == (24, 40, 3)


def test_what_is_no_jpeg_is_left_to_pillow():
    file = BytesIO()
    Image.fromarray(noise(8, 8)).save(file, "PNG")
    assert plain_jpeg_size(file.getvalue()) is None
    assert plain_jpeg_size(b"") is None


@given(st.sampled_from(list(PLAIN.values())), st.data())
def test_no_damage_to_a_header_is_more_than_a_refusal(whole, data):
    spoilt = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(spoilt) - 1), max_size=5)):
        spoilt[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        spoilt = spoilt[: data.draw(st.integers(0, len(spoilt)))]
    size = plain_jpeg_size(bytes(spoilt))
    try:
        pixels = decode_picture(bytes(spoilt), upright=True)
    except Refusal:
        return
    assert size is None or pixels.shape[:2] == size[::-1], "the decoder found another size than was checked"


def test_a_jpeg_that_announces_too_many_pixels_is_refused_before_it_is_decoded():
    bomb = bytearray(jpeg())
    frame = bomb.index(b"\xff\xc0")
    bomb[frame + 5 : frame + 9] = b"\xff\xdc\xff\xdc"  # 65500 x 65500
    assert plain_jpeg_size(bytes(bomb)) == (65500, 65500)
    with pytest.raises(Refusal, match=f"more than {MAX_PIXELS // 10**6} million pixels"):
        decode_picture(bytes(bomb), upright=True)
