"""Roots, and the readers of one's own data: COCO's files, folders of photos, figures."""

import shutil
from pathlib import Path

import pytest
from corpus_files import coco_content, coco_person
from spoilt import Rejected, Told, as_folder, as_pipe, cut_short, holding, with_value, without
from tiny_corpora import COCO_KEYPOINTS

from actupose.skeleton import BODY16


def as_it_is(root):
    """Nothing is spoilt but the settings."""


def as_file(root):
    shutil.rmtree(root)
    root.write_text("x")


def emptied(root):
    shutil.rmtree(root)
    root.mkdir()


def without_photos(root):
    emptied(root)
    (root / "notes.txt").write_text("x")


ROOTS = {
    "no folder": Told("figures", shutil.rmtree, "data.source.root = {root}: no such folder"),
    "a file": Told("figures", as_file, "data.source.root = {root}: is a file, not a folder"),
    "an empty folder": Told("figures", emptied, "data.source.root = {root}: the folder is empty"),
    "a name of two lines": Told(
        "figures",
        as_it_is,
        "data.source.root = no\\nfolder: no such folder",
        changes={"root": Path("no\nfolder")},
    ),
    "a folder without photos": Told(
        "folder", without_photos, "{root}: no images (.bmp, .jpeg, .jpg, .png, .webp) in it or below it"
    ),
    "no photo for testing": Told(
        "folder",
        as_it_is,
        "{root}: split 'test' of corpus folder has no sample",
        changes={"test_fraction": 0.0},
    ),
    "no photo for training": Told(
        "folder",
        as_it_is,
        "{root}: split 'train' of corpus folder has no sample",
        changes={"test_fraction": 1.0},
    ),
}


def coco(content):
    return holding("train.json", content)


def told(says, spoil=as_it_is, **changes):
    return Told("coco", spoil, says, changes=changes)


def refused(reason, path="train.json#a.jpg/3", **changes):
    """A third person in the training file has other values."""
    people = [coco_person(number, COCO_KEYPOINTS) for number in (1, 2, 3)]
    people[2] |= changes
    return Rejected("coco", coco(coco_content(people)), {path: reason})


TRAIN = "{root}/train.json: "
BY_POSITION = "train.json#annotations[2]"
FAR = "a keypoint lies farther outside the image than the image is large"
NOT_FINITE = "a keypoint is not a finite number"
NO_BOX = "the person's box is empty"
NUMBER = "Input should be a valid number"
OTHER_NAMES = ["left_hip", "right_hip", "left_knee"]
KEYPOINTS = ", ".join(BODY16.keypoints)

COCO_FILES = {
    "not there": told(TRAIN + "no such file; is this the corpus' root folder?", without("train.json")),
    "a folder": told(TRAIN + "is not a file; is this the corpus' root folder?", as_folder("train.json")),
    "a pipe": told(TRAIN + "is not a file; is this the corpus' root folder?", as_pipe("train.json")),
    "empty": told(TRAIN + "not valid JSON: Expecting value: line 1 column 1 (char 0)", coco("")),
    "cut short": told(TRAIN + "not valid JSON: ...", cut_short("train.json", 0.5)),
    "not UTF-8": told(
        TRAIN + "not valid JSON: 'utf-8' codec can't decode byte 0xff...", coco(b'{"\xff": 0}')
    ),
    "too deep": told(TRAIN + "not valid JSON: maximum recursion depth exceeded...", coco("[" * 100_000)),
    "a number of 5000 digits": told(
        TRAIN + "not valid JSON: Exceeds the limit (4300 digits) for integer...", coco("9" * 5000)
    ),
    "a list": told(TRAIN + "holds a JSON list, expected an object", coco([])),
    "no categories": told(
        TRAIN + "no list 'categories'; expected a COCO keypoint file", without("train.json", ["categories"])
    ),
    "annotations by number": told(
        TRAIN + "no list 'annotations'; expected a COCO keypoint file",
        with_value("train.json", ["annotations"], {"1": {}}),
    ),
    "a category of detections": told(
        TRAIN + "no category has keypoint names; expected a COCO keypoint file",
        coco(coco_content([], names=[])),
    ),
    "a category without a keypoint": told(
        TRAIN + "no keypoint 'right_knee'; there are left_hip, right_hip, left_knee",
        coco(coco_content([], names=OTHER_NAMES)),
    ),
    "a category that is a number": told(
        TRAIN + "categories: entry: Input should be a valid dictionary or instance of CocoCategory",
        with_value("train.json", ["categories", 0], 3),
    ),
    "an image without a name": told(
        TRAIN + "images: file_name: Field required", without("train.json", ["images", 0, "file_name"])
    ),
    "an image id twice": told(
        TRAIN + "images: id 1 is used twice",
        coco(coco_content([]) | {"images": [{"id": 1, "file_name": name} for name in ("a.jpg", "b.jpg")]}),
    ),
    "nobody": told("{root}: split 'train' of corpus coco has no sample", coco(coco_content([]))),
    "a file for a split without images": told(
        "corpus coco: images names no folder for the split 'test' of annotations",
        images={"train": Path("images")},
    ),
    "a keypoint of another skeleton": told(
        f"corpus coco: keypoints: no keypoint 'left_toe'; there are {KEYPOINTS}",
        keypoints={"left_toe": "left_knee"},
    ),
    "other files in the settings": told(
        "{root}/none.json: no such file; is this the corpus' root folder?",
        annotations={"train": Path("none.json")},
    ),
}

COCO_PEOPLE = {
    "too few numbers": refused("9 keypoint numbers, expected 3 x 4", keypoints=COCO_KEYPOINTS[:-3]),
    "NaN": refused(NOT_FINITE, keypoints=[*COCO_KEYPOINTS[:-3], float("nan"), 30, 2]),
    "infinite": refused(NOT_FINITE, keypoints=[*COCO_KEYPOINTS[:-3], float("inf"), 30, 2]),
    "so large that its mean overflows": refused(
        NOT_FINITE, keypoints=[1e308, 20, 2] * 2 + COCO_KEYPOINTS[6:]
    ),
    "all hidden": refused("no keypoint is visible", keypoints=[10, 20, 1, 20, 20, 1, 12, 30, 1, 22, 30, 1]),
    "far to the left": refused(FAR, keypoints=[-100, 20, 2, -100, 20, 2, 12, 30, 2, 0, 0, 0]),
    "one point without a box": refused(NO_BOX, keypoints=[0] * 6 + [5, 5, 2] + [0] * 3, bbox=None),
    "a box of NaN": refused(NO_BOX, bbox=[float("nan"), 0, 5, 5]),
    "a box of infinite width": refused(NO_BOX, bbox=[1e308, 0, 1e308, 5]),
    "a box of three": refused(
        "bbox: List should have at least 4 items after validation, not 3", BY_POSITION, bbox=[1, 2, 3]
    ),
    "keypoints as text": refused("keypoints: Input should be a valid list", BY_POSITION, keypoints="none"),
    "a keypoint as text": refused(
        "keypoints.0: Input should be a valid number", BY_POSITION, keypoints=["10", *COCO_KEYPOINTS[1:]]
    ),
    "a crowd as text": refused("iscrowd: Input should be a valid integer", BY_POSITION, iscrowd="0"),
    "a picture that is not listed": refused("image_id 9 is not among the images", BY_POSITION, image_id=9),
    "an id that is a list": refused("id.int: Input should be a valid integer", BY_POSITION, id=[3]),
    "an id twice": refused("sample id train/a.jpg/2 is used twice", "train.json#a.jpg/2", id=2),
    "a number": Rejected(
        "coco",
        with_value(
            "train.json", ["annotations"], [coco_person(1, COCO_KEYPOINTS), coco_person(2, COCO_KEYPOINTS), 3]
        ),
        {BY_POSITION: "entry: Input should be a valid dictionary or instance of CocoAnnotation"},
    ),
}


@pytest.mark.parametrize("bad", ROOTS.values(), ids=ROOTS)
def test_a_bad_root_is_one_line(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)


@pytest.mark.parametrize("bad", COCO_FILES.values(), ids=COCO_FILES)
def test_a_bad_file_of_coco_is_one_line(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)


@pytest.mark.parametrize("bad", COCO_PEOPLE.values(), ids=COCO_PEOPLE)
def test_a_bad_person_of_coco_is_one_rejected_row(bad, tmp_path, capsys):
    bad.assert_refused(tmp_path, capsys)
