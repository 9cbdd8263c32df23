"""Files of wanted poses: what a renderer reads, and a picture."""

import json

import cv2
import numpy as np
import pytest
from lacking_source import SHAPES, UPRIGHT, LackingSource

from actupose.skeleton import BODY16
from actupose.tables import WANTED_BINS, read_table, wanted_schema
from actupose.wanted.find import Wanted, find_wanted
from actupose.wanted.write import draw_wanted, write_wanted


@pytest.fixture
def project(tmp_path) -> LackingSource:
    return LackingSource(tmp_path)


@pytest.fixture
def wanted(project) -> Wanted:
    return find_wanted(project.inputs(), BODY16)


@pytest.fixture
def nothing(project) -> Wanted:
    project.write_source([SHAPES["upside down"]] * 6 + [SHAPES["stands"]] * 4)
    return find_wanted(project.inputs(), BODY16)


def test_both_tables_are_read_back(wanted, tmp_path):
    assert [path.name for path in write_wanted(tmp_path, wanted, BODY16)] == [
        "wanted_bins.parquet",
        "wanted.parquet",
        "wanted.json",
    ]
    assert read_table(tmp_path / "wanted_bins.parquet", WANTED_BINS).equals(wanted.bins)
    assert read_table(tmp_path / "wanted.parquet", wanted_schema(16)).equals(wanted.poses)


def test_every_pose_is_one_person_who_fills_four_fifths_of_a_frame(wanted, tmp_path):
    write_wanted(tmp_path, wanted, BODY16)
    content = json.loads((tmp_path / "wanted.json").read_text())
    (image,), (person,), (category,) = (content[name] for name in ("images", "annotations", "categories"))
    assert (image["file_name"], image["width"], image["height"]) == ("wanted-000.png", 256, 256)
    assert person["image_id"] == image["id"] and category["keypoints"] == list(BODY16.keypoints)
    points = np.reshape(person["keypoints"], (16, 3))
    assert (points[:, 2] == 2).all()
    # 24 high and 17 wide as UPRIGHT is: 204.8 px high, in the middle of the frame
    scale = 204.8 / 24
    middle = (UPRIGHT.min(0) + UPRIGHT.max(0)) / 2
    np.testing.assert_allclose(points[:, :2], 127.5 - scale * (UPRIGHT - middle), atol=0.01)
    expected = [127.5 - scale * 17 / 2, 127.5 - 102.4, scale * 17, 204.8]
    assert person["bbox"] == pytest.approx(expected, abs=1e-3)


def test_the_picture_is_drawn_and_the_same_bytes_again(wanted, tmp_path):
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    assert draw_wanted(first, wanted.poses, BODY16) == [first]
    draw_wanted(second, wanted.poses, BODY16)
    assert first.read_bytes() == second.read_bytes()
    assert cv2.imread(str(first)).std() > 1


def test_where_nothing_lacks_the_lists_are_empty_and_no_picture_stays(nothing, tmp_path):
    (tmp_path / "wanted.png").write_bytes(b"of before")
    write_wanted(tmp_path, nothing, BODY16)
    assert draw_wanted(tmp_path / "wanted.png", nothing.poses, BODY16) == []
    assert not (tmp_path / "wanted.png").exists()
    assert read_table(tmp_path / "wanted.parquet", wanted_schema(16)).num_rows == 0
    content = json.loads((tmp_path / "wanted.json").read_text())
    assert (content["images"], content["annotations"]) == ([], [])
