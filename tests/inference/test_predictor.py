"""A saved model used as its own evaluation uses it, on pictures of any size."""

import io
import math
import struct
import zlib

import cv2
import numpy as np
import pytest
from brightest import finds_brightest, picture
from PIL import Image
from tiny_domains import Project, tiny_params

from actupose.data.crop import move_points, move_points_back, place, scale_box
from actupose.data.image_store import ImageStore
from actupose.errors import UserError
from actupose.inference.decode import decode_image
from actupose.inference.predictor import Predictor
from actupose.tables import keypoint_values, list_values, predictions_schema, read_table, write_table

PARAMS = tiny_params(schedule={"epochs": 2, "pretrain_epochs": 1, "steps_per_epoch": 2, "batch_size": 2})


@pytest.fixture(scope="module")
def finder() -> Predictor:
    return finds_brightest(64)


def test_a_stored_image_is_predicted_as_evaluate_did(tmp_path):
    project = Project(tmp_path)
    run = project.train(PARAMS, "source_only")
    project.predict(PARAMS, run)
    evaluation = project.evaluate(PARAMS, run)
    schema = predictions_schema(16)
    write_table(tmp_path / "predictions.parquet", evaluation.predictions, schema)
    table = read_table(tmp_path / "predictions.parquet", schema)

    store = ImageStore(project.ingested / "target" / "images.arrow")
    stored = [decode_image(bytes(store.encoded(18 + row))) for row in range(12)]  # 18 train, then 12 test
    found = Predictor.load(run, "cpu").predict(stored, batch_size=5)
    np.testing.assert_allclose(found.keypoints, keypoint_values(table, "keypoints_pred"), atol=1e-3)
    np.testing.assert_allclose(found.confidence, list_values(table, "confidence"), rtol=1e-4)
    assert len(np.unique(found.keypoints[:, :, 0])) > 3  # not all in one place


def test_keypoints_are_in_pixels_of_the_original_image_whatever_its_size(finder):
    spots = {(64, 64): (20, 30), (300, 200): (250, 40), (90, 480): (30, 400), (40, 30): (15, 12)}
    images = [picture(*size, *spot) for size, spot in spots.items()]
    found = finder.predict(images, batch_size=3)
    assert found.keypoints.dtype == found.confidence.dtype == np.float32
    assert found.keypoints.shape == (4, 16, 2) and found.confidence.shape == (4, 16)
    for size, spot, keypoints in zip(spots, spots.values(), found.keypoints, strict=True):
        np.testing.assert_allclose(keypoints, [spot] * 16, atol=0.15 * max(1, max(size) / 64))
    np.testing.assert_allclose(found.confidence[:, 1:], 1, atol=0.15)
    np.testing.assert_allclose(found.confidence[:, 0], 0.1, atol=0.015)


def test_a_box_chooses_the_person(finder):
    image = picture(300, 200, 60, 100)
    cv2.circle(image, (220, 90), 6, (255, 255, 255), -1)
    found = finder.predict([image, image], np.array([[40, 80, 40, 40], [200, 70, 40, 40]]))
    np.testing.assert_allclose(found.keypoints[:, 0], [[60, 100], [220, 90]], atol=0.15)


def test_no_image_is_no_prediction(finder):
    assert finder.predict([]).keypoints.shape == (0, 16, 2)


@pytest.mark.parametrize("box", [[5, 5, 0, 0], [5, 5, -3, -9], [math.nan, 5, 10, 10], [5, 5, math.inf, 10]])
def test_a_box_without_extent_is_a_users_mistake(finder, box):
    with pytest.raises(UserError, match="the person's box is empty"):
        finder.predict([picture(64, 64, 20, 20)], np.array([box]))


@pytest.mark.parametrize("mirrored", [False, True])
def test_points_moved_back_are_where_they_were(mirrored):
    placement = place(scale_box((30.0, 10.0, 80.0, 47.0), 1.25, 200, 150), 64, mirrored=mirrored)
    points = np.array([[31.0, 11.5], [55.25, 40.0], [-4.0, 170.0]])
    np.testing.assert_allclose(move_points_back(move_points(points, placement), placement), points)


def test_a_folder_without_a_model_is_a_users_mistake(tmp_path):
    with pytest.raises(UserError, match=r"model\.json: no such file"):
        Predictor.load(tmp_path, "cpu")


def test_bytes_become_rgb_pixels_turned_upright():
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 0] = 255
    red[:, :2] = 0  # black at the left
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    Image.fromarray(red).save(buffer, "PNG", exif=exif)
    pixels = decode_image(buffer.getvalue())
    assert pixels.shape == (6, 4, 3) and pixels.dtype == np.uint8
    assert pixels[5, 0].tolist() == [255, 0, 0] and pixels[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("encoded", "told"),
    [
        (b"", "not a readable image"),
        (b"GIF89a nothing", "not a readable image"),
        (cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()[:200], "image"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(encoded, told):
    with pytest.raises(UserError, match=told) as caught:
        decode_image(encoded)
    assert "\n" not in str(caught.value)


def test_a_picture_that_would_fill_the_memory_is_refused_unread():
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)
    huge = header + struct.pack(">I", zlib.crc32(header[12:])) + struct.pack(">I4sI", 0, b"IDAT", 0x35AF061E)
    with pytest.raises(UserError, match="more than 100 million pixels"):
        decode_image(huge)
