"""Every bad input ends as one line of a UserError or one row of rejected.parquet."""

import json
import os
import struct
import zlib

import numpy as np
import pytest
from corpus_files import (
    coco_content,
    coco_person,
    fails,
    rejects,
    run_ingest,
    surreal_entry,
    write_coco,
    write_folder,
    write_surreal,
)
from scipy.io import savemat

from actupose.params import FolderData, LspData

LABELLED = [10, 20, 2, 20, 20, 2, 12, 30, 2, 22, 30, 2]


# The root.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "no such folder"),
        (lambda root: root.write_text("x"), "is a file, not a folder"),
        (lambda root: root.mkdir(), "the folder is empty"),
    ],
)
def test_a_bad_root_is_named_with_its_key(tmp_path, make, message):
    make(tmp_path / "in")
    settings = FolderData(corpus="folder", root=tmp_path / "in", test_fraction=0.5, seed=0)
    fails(settings, tmp_path, f"data.source.root = {tmp_path / 'in'}: {message}")


def test_a_folder_without_images_says_what_it_looked_for(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/notes.txt").write_text("x")
    settings = FolderData(corpus="folder", root=tmp_path / "in", test_fraction=0.5, seed=0)
    fails(settings, tmp_path, "no images (.bmp, .jpeg, .jpg, .png, .webp)")


@pytest.mark.parametrize(("fraction", "split"), [(0.0, "test"), (1.0, "train")])
def test_an_empty_split_is_named(tmp_path, fraction, split):
    settings = write_folder(tmp_path / "in").model_copy(update={"test_fraction": fraction})
    fails(settings, tmp_path, f"split '{split}' of corpus folder has no sample")


# Label files.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{[", "run0.json: not valid JSON"),
        ("[" * 100_000, "run0.json: not valid JSON"),
        (b"\xff\xfe[]\x00", "run0.json: not valid JSON"),
        ('{"name": "x"}', "run0.json: holds a JSON dict, expected a list"),
        ("[]", "split 'train' of corpus surreal has no sample"),
    ],
)
def test_a_damaged_run_of_surreal_is_named(tmp_path, content, message):
    settings = write_surreal(tmp_path / "in")
    raw = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "in/train/run0.json").write_bytes(raw)
    fails(settings, tmp_path, message)


def test_a_folder_that_is_not_surreal_is_named(tmp_path):
    settings = write_surreal(tmp_path / "in")
    (tmp_path / "in/test/run0.json").unlink()
    fails(settings, tmp_path, "no test/run*.json")


def with_first_entry(tmp_path, **changes):
    """SURREAL whose first training entry is changed; a field set to None is left out."""
    settings = write_surreal(tmp_path / "in", per_split=3)
    path = tmp_path / "in/train/run0.json"
    entries = json.loads(path.read_text())
    entries[0] = {key: value for key, value in (entries[0] | changes).items() if value is not None}
    path.write_text(json.dumps(entries))
    return settings


def moved(joint, x):
    keypoints = surreal_entry("x")["keypoint2d"]
    keypoints[joint] = [x, 5.0]
    return keypoints


OUTSIDE = [[-5.0, -5.0]] * 24


@pytest.mark.parametrize(
    ("changes", "reason", "origin"),
    [
        ({"keypoint2d": [[1.0, 2.0]] * 13}, "keypoint2d: List should have at least 24 items", None),
        ({"keypoint2d": [[1.0]] * 24}, "keypoint2d.0: List should have at least 2 items", None),
        ({"keypoint2d": [["1", 2.0]] * 24}, "keypoint2d.0.0: Input should be a valid number", None),
        ({"keypoint2d": None}, "keypoint2d: Field required", None),
        ({"name": None}, "name: Field required", None),
        ({"name": 3}, "name: Input should be a valid string", None),
        ({"keypoint2d": moved(4, float("nan"))}, "not a finite number", "train_0.jpg"),
        ({"keypoint2d": moved(4, float("inf"))}, "not a finite number", "train_0.jpg"),
        ({"keypoint2d": moved(4, 1e300)}, "farther outside the image", "train_0.jpg"),
        ({"keypoint2d": moved(4, -40.5)}, "farther outside the image", "train_0.jpg"),
        ({"keypoint2d": moved(4, 80.5)}, "farther outside the image", "train_0.jpg"),
        ({"keypoint2d": OUTSIDE}, "no keypoint is visible", "train_0.jpg"),
        ({"name": "/etc/passwd"}, "absolute path", "/etc/passwd"),
        ({"name": "../../test/run0/test_0.jpg"}, "leaves the data folder", "../../test/run0/test_0.jpg"),
        ({"name": "../../../x.jpg"}, "leaves the data folder", "../../../x.jpg"),
        ({"name": "absent.jpg"}, "no such image file", "absent.jpg"),
        ({"name": "."}, "no such image file", "."),
        ({"name": "a\0b.jpg"}, "not a usable file name", "a\0b.jpg"),
        ({"name": "train_1.jpg"}, "sample id train/run0/train_1.jpg is used twice", "train_1.jpg"),
    ],
)
def test_a_bad_entry_of_surreal_is_one_rejected_row(tmp_path, changes, reason, origin):
    path = "train/run0.json[0]" if origin is None else f"train/run0/{origin}"
    rejects(with_first_entry(tmp_path, **changes), tmp_path, reason, path)


def test_a_link_out_of_the_data_folder_is_rejected(tmp_path):
    settings = with_first_entry(tmp_path, name="link.jpg")
    (tmp_path / "outside.jpg").write_bytes((tmp_path / "in/train/run0/train_1.jpg").read_bytes())
    (tmp_path / "in/train/run0/link.jpg").symlink_to(tmp_path / "outside.jpg")
    rejects(settings, tmp_path, "leaves the data folder", "train/run0/link.jpg")


def test_a_pipe_is_not_waited_for(tmp_path):
    settings = with_first_entry(tmp_path, name="pipe.jpg")
    os.mkfifo(tmp_path / "in/train/run0/pipe.jpg")
    rejects(settings, tmp_path, "no such image file", "train/run0/pipe.jpg")


# Images.


def huge_png(width, height):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IEND\xaeB`\x82"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a readable image"),
        (b"hello, I am no picture\n", "not a readable image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a readable image"),
        (b"\xff\xd8\xff\xe0 and then nothing of the kind", "not a readable image"),
        (huge_png(20_000, 6_000), "more than 100 million pixels"),
        (huge_png(60_000, 60_000), "more than 100 million pixels"),
        (huge_png(40, 40), "truncated or damaged image"),
    ],
)
def test_a_file_that_is_no_usable_image_is_rejected(tmp_path, content, reason):
    settings = write_folder(tmp_path / "in")
    (tmp_path / "in/sub").mkdir()
    (tmp_path / "in/sub/bad.jpg").write_bytes(content)
    rejects(settings, tmp_path, reason, "sub/bad.jpg")


def test_a_file_name_that_is_not_utf8_is_kept_readable(tmp_path):
    settings = write_folder(tmp_path / "in")
    (tmp_path / "in/0.jpg").rename(tmp_path / "in" / os.fsdecode(b"\xff0.jpg"))
    samples, _ = run_ingest(settings, tmp_path / "out")
    assert "\\udcff0.jpg" in samples.column("sample_id").to_pylist()


# LSP.


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"joints": np.zeros((3, 14, 10))}, "joints has shape (3, 14, 10), expected (3, 14, 2000)"),
        ({"joints": np.zeros((14, 3, 2000))}, "joints has shape (14, 3, 2000)"),
        ({"joints": "some text"}, "no readable MATLAB variable 'joints'"),
        ({"other": np.zeros(3)}, "no readable MATLAB variable 'joints'"),
    ],
)
def test_wrong_joints_of_lsp_are_named(tmp_path, variables, message):
    (tmp_path / "in").mkdir()
    savemat(tmp_path / "in/joints.mat", variables)
    fails(LspData(corpus="lsp", root=tmp_path / "in", split="official"), tmp_path, message)


@pytest.mark.parametrize(
    "content", [b"", b"no MATLAB file", b"MATLAB 5.0 MAT-file" + b" " * 105 + b"\0\1IM\x0f\0"]
)
def test_a_damaged_mat_file_is_named(tmp_path, content):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/joints.mat").write_bytes(content)
    fails(LspData(corpus="lsp", root=tmp_path / "in", split="official"), tmp_path, "joints.mat: no readable")


def test_an_lsp_folder_without_labels_or_images_is_named(tmp_path):
    settings = LspData(corpus="lsp", root=tmp_path / "in", split="official")
    (tmp_path / "in/images").mkdir(parents=True)
    fails(settings, tmp_path, "an LSP folder holds joints.mat and images/")
    savemat(tmp_path / "in/joints.mat", {"joints": np.ones((3, 14, 2000))})
    fails(settings, tmp_path, "2000 of 2000 inputs rejected")


# COCO.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds a JSON list, expected an object"),
        ({"images": [], "annotations": []}, "no list 'categories'"),
        (coco_content([], names=[]), "no category has keypoint names"),
        (coco_content([], names=["left_hip", "right_hip", "left_knee"]), "no keypoint 'right_knee'"),
        (coco_content([]) | {"images": [{"id": 1}]}, "images: file_name: Field required"),
        (coco_content([]) | {"categories": [3]}, "categories: entry: Input should be"),
        (coco_content([]), "split 'train' of corpus coco has no sample"),
    ],
)
def test_a_file_that_is_not_coco_is_named(tmp_path, content, message):
    fails(write_coco(tmp_path / "in", content), tmp_path, message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keypoints": {"left_toe": "left_knee"}}, "no keypoint 'left_toe'; there are right_ankle"),
        ({"annotations": {"train": "none.json"}}, "none.json: No such file"),
        ({"images": {"train": "images"}}, "images names no folder for the split 'test'"),
    ],
)
def test_wrong_coco_settings_are_named(tmp_path, settings, message):
    content = coco_content([coco_person(1, LABELLED)])
    fails(write_coco(tmp_path / "in", content, **settings), tmp_path, message)


@pytest.mark.parametrize(
    ("person", "reason", "origin"),
    [
        (coco_person(3, LABELLED[:-3]), "9 keypoint numbers, expected 3 x 4", "a.jpg/3"),
        (coco_person(3, [*LABELLED[:-3], float("nan"), 30, 2]), "not a finite number", "a.jpg/3"),
        (coco_person(3, [10, 20, 1, 20, 20, 1, 12, 30, 1, 22, 30, 1]), "no keypoint is visible", "a.jpg/3"),
        (coco_person(3, [-100, 20, 2, -100, 20, 2, 12, 30, 2, 0, 0, 0]), "farther outside", "a.jpg/3"),
        (coco_person(3, [0] * 6 + [5, 5, 2] + [0] * 3, bbox=None), "box is empty", "a.jpg/3"),
        (coco_person(3, LABELLED, bbox=[float("nan"), 0, 5, 5]), "box is empty", "a.jpg/3"),
        (coco_person(2, LABELLED), "sample id train/a.jpg/2 is used twice", "a.jpg/2"),
        (coco_person(3, LABELLED, image_id=9), "image_id 9 is not among the images", None),
        (coco_person(3, "none"), "keypoints: Input should be a valid list", None),
        (3, "entry: Input should be", None),
    ],
)
def test_a_bad_annotation_of_coco_is_one_rejected_row(tmp_path, person, reason, origin):
    settings = write_coco(tmp_path / "in", coco_content([coco_person(n, LABELLED) for n in (1, 2)]))
    content = coco_content([*(coco_person(n, LABELLED) for n in (1, 2)), person])
    (tmp_path / "in/bad.json").write_text(json.dumps(content))
    annotations = {"train": "bad.json", "test": "people.json"}
    settings = write_coco(tmp_path / "in", coco_content([coco_person(1, LABELLED)]), annotations=annotations)
    path = "bad.json#annotations[2]" if origin is None else f"bad.json#{origin}"
    rejects(settings, tmp_path, reason, path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/hostname", "absolute path"),
        ("../people.json", "leaves the data folder"),
        ("b.jpg", "no such image"),
    ],
)
def test_a_coco_file_name_is_data(tmp_path, name, reason):
    settings = write_coco(tmp_path / "in", coco_content([coco_person(1, LABELLED)], file_name=name))
    fails(settings, tmp_path, reason)
