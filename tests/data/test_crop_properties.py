"""Any picture cut, fitted and mirrored: its keypoints lie on the same pixels as before."""

import cv2
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from actupose.data.crop import Cut, inside, move_image, move_points, place, scale_box

SPOT = 4  # pixels from the middle of the spot to its edge
sizes = st.tuples(st.integers(24, 120), st.integers(24, 120))
shares = st.tuples(st.floats(0, 1), st.floats(0, 1))
few = settings(max_examples=60)


def with_spot(size, share):
    """(H, W, 3) black picture with a white square spot whose middle is an (x, y) pixel."""
    width, height = size
    x, y = (round(SPOT + part * (length - 1 - 2 * SPOT)) for part, length in zip(share, size, strict=True))
    picture = np.zeros((height, width, 3), np.uint8)
    cv2.rectangle(picture, (x - SPOT, y - SPOT), (x + SPOT, y + SPOT), (255, 255, 255), -1)
    return picture, np.array([[x, y]], float)


def middle_of(square):
    """Centre of mass of what is bright."""
    rows, columns = np.mgrid[: square.shape[0], : square.shape[1]]
    bright = square[..., 0].astype(float)
    return np.array([(columns * bright).sum(), (rows * bright).sum()]) / bright.sum()


@few
@given(sizes, shares, st.sampled_from([32, 64, 96]), st.booleans())
def test_a_whole_picture_is_fitted_with_its_keypoints(size, share, side, mirrored):
    picture, keypoint = with_spot(size, share)
    placement = place(Cut(0, 0, *size), side, mirrored=mirrored)
    square = move_image(picture, placement)
    assert square.shape == (side, side, 3)
    np.testing.assert_allclose(middle_of(square), move_points(keypoint, placement)[0], atol=0.1)


@few
@given(sizes, shares, st.tuples(shares, shares), st.floats(0.5, 2.5), st.booleans())
def test_a_person_is_cut_out_with_its_keypoints(size, share, corners, factor, mirrored):
    picture, keypoint = with_spot(size, share)
    scaled = np.sort(np.array(corners) * size, axis=0)
    assume((scaled[1] - scaled[0]).max() > 1)
    cut = scale_box((*scaled[0], *scaled[1]), factor, *size)
    assert cut.width == cut.height <= min(size)
    assert 0 <= cut.left <= size[0] - cut.width
    assert 0 <= cut.upper <= size[1] - cut.height
    around = keypoint + np.array([[-SPOT, -SPOT], [SPOT, SPOT]])
    assume(inside(around, cut).all())  # a spot that is cut has another middle
    placement = place(cut, 64, mirrored=mirrored)
    square = move_image(picture, placement)
    moved = move_points(keypoint, placement)
    np.testing.assert_allclose(middle_of(square), moved[0], atol=0.1)
    assert inside(moved, Cut(0, 0, 64, 64)).all()
