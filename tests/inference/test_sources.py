"""Which files are predicted on, and which boxes are theirs."""

import json
from pathlib import Path

import pytest
from brightest import picture

from actupose.errors import UserError
from actupose.inference.boxes import read_boxes
from actupose.inference.overlay import write_picture
from actupose.inference.sources import find_sources


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/2.jpg", "b/1.JPG", "a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(tmp_path / name, picture(20, 20, 10, 10))
    for name in ("notes.txt", ".hidden.jpg"):
        (tmp_path / name).write_text("no picture")
    return tmp_path


def names(*places: Path) -> list[str]:
    return [source.name for source in find_sources(places, leave_out=Path("nowhere"))]


def test_a_folder_is_searched_below_and_sorted(folder):
    assert names(folder) == ["a.png", "b/1.JPG", "b/2.jpg"]
    assert names(folder / "b") == ["1.JPG", "2.jpg"]


def test_files_are_named_below_the_folder_that_holds_all_and_taken_once(folder):
    assert names(folder / "b/2.jpg") == ["2.jpg"]
    assert names(folder / "b/2.jpg", folder / "a.png", folder) == ["b/2.jpg", "a.png", "b/1.JPG"]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("absent.jpg", "absent.jpg: no such file or folder"),
        ("notes.txt", r"notes.txt: by its name no picture or video \(.avi, .bmp"),
        ("empty", "empty: no pictures or videos"),
        ("clip.mp4", "clip.mp4: not a video that can be opened"),
    ],
)
def test_what_cannot_be_predicted_on_is_one_line(folder, place, told, capfd):
    (folder / "empty").mkdir()
    (folder / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match=told):
        names(folder / place)
    assert capfd.readouterr().err == ""  # nor does the decoder print any


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_boxes_are_sorted_by_picture_and_crowds_left_out(tmp_path):
    annotations = [
        {"image_id": 7, "bbox": [1, 2, 3, 4]},
        {"image_id": 7, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        {"image_id": 7, "bbox": [5.5, 6, 7, 8]},
    ]
    images = [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "of-another-day.png"}]
    path = write(tmp_path / "boxes.json", {"images": images, "annotations": annotations})
    boxes = read_boxes(path, ["a.png", "b.png"])
    assert boxes["a.png"].tolist() == [[1, 2, 3, 4], [5.5, 6, 7, 8]]
    assert boxes["b.png"].shape == (0, 4)


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        ({"image_id": 2, "bbox": [1, 2, 3, 4]}, r"annotations\[0\]: image_id 2 is not among the images"),
        ({"image_id": 1, "bbox": [1, 2, 3, 4]}, r"annotations\[0\]: box of x.png, which is not among"),
        ({"image_id": 0, "bbox": [1, 2, 0, 4]}, "has no extent"),
        ({"image_id": 0, "bbox": [1, 2, float("nan"), 4]}, "has no extent"),
        ({"image_id": 0, "bbox": [1, 2, 4]}, r"annotations\[0\]: bbox"),
        ({"image_id": 0}, r"annotations\[0\]: bbox"),
        ("box", r"annotations\[0\]"),
    ],
)
def test_a_bad_box_is_one_line(tmp_path, annotation, told):
    images = [{"id": 0, "file_name": "a.png"}, {"id": 1, "file_name": "x.png"}]
    path = write(tmp_path / "boxes.json", {"images": images, "annotations": [annotation]})
    with pytest.raises(UserError, match=told):
        read_boxes(path, ["a.png"])


@pytest.mark.parametrize(
    ("content", "told"), [({"images": []}, "no list 'annotations'"), ([], "expected an object")]
)
def test_a_file_that_is_not_coco_is_one_line(tmp_path, content, told):
    with pytest.raises(UserError, match=told):
        read_boxes(write(tmp_path / "boxes.json", content), [])
    with pytest.raises(UserError, match=r"absent\.json: no such file"):
        read_boxes(tmp_path / "absent.json", [])
