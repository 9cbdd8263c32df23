"""FreiHAND, in its layout: written here, and around the real sample pictures."""

import json
import random

import numpy as np
import pytest
from corpus_files import assert_fails, assert_rejects, real_data, run_ingest, spread_hand
from tiny_corpora import INTRINSICS, in_space, write_freihand

from actupose.data.corpora import index_corpus
from actupose.data.corpora.freihand import pictures_for_testing
from actupose.skeleton import HAND21
from actupose.tables import keypoint_values, list_values


def numbers(samples, split):
    return {int(name.removeprefix(f"{split}/")) for name in samples if name.startswith(split)}


def pose_of(number):
    return number % 5


# Splits.


def test_by_pose_no_pose_is_both_in_train_and_test(tmp_path):
    samples, _ = run_ingest(write_freihand(tmp_path / "in"), tmp_path / "out")
    ids = samples.column("sample_id").to_pylist()
    tested, trained = numbers(ids, "test"), numbers(ids, "train")
    assert len(tested) == 4
    assert len({pose_of(number) for number in tested}) == 1
    assert tested | trained == set(range(20))
    assert not {pose_of(number) for number in tested} & {pose_of(number) for number in trained}


def test_by_pose_as_many_pictures_are_tested_as_in_the_literature():
    tested = pictures_for_testing("by_pose", 32560, seed=42)
    assert len(tested) == 3200
    assert len({number % 32560 for number in tested}) == 800


def test_the_literature_draws_pictures_whatever_their_pose():
    # facts 2.6: the list gs, auto, sample, hom (offsets 0, 3, 2, 1 times 32560), shuffled with seed 42
    files = [pose + 32560 * version for version in (0, 3, 2, 1) for pose in range(32560)]
    random.seed(42)
    random.shuffle(files)
    tested = pictures_for_testing("literature", 32560, seed=42)
    assert tested == set(files[:3200])
    assert len({number % 32560 for number in tested}) > 3000


# Projection, crop and mirror.


def test_keypoints_are_projected_cut_and_mirrored(tmp_path):
    samples, rejected = run_ingest(write_freihand(tmp_path / "in"), tmp_path / "out")
    assert rejected.num_rows == 0
    row = [name.split("/")[1] for name in samples.column("sample_id").to_pylist()].index("00000005")
    keypoints = keypoint_values(samples, "keypoints")[row]
    # Pose 0: x 50..130, y 60..100, so a side of 120 around (90, 80): left end 30, upper 20.
    # The wrist (50, 60) goes to x = 63 - (20.5 * 64/120 - 0.5) = 52.56667, y = 40.5 * 64 / 120 - 0.5 = 21.1;
    # the last tip (130, 100) to x = 63 - (100.5 * 64/120 - 0.5) = 9.9, y = 80.5 * 64 / 120 - 0.5 = 42.43333.
    np.testing.assert_allclose(keypoints[HAND21.index("wrist")], [52.56667, 21.1], atol=1e-4)
    np.testing.assert_allclose(keypoints[HAND21.index("little_tip")], [9.9, 42.43333], atol=1e-4)
    assert list_values(samples, "visible").all()


def test_the_sample_pictures_of_a_pose_share_its_keypoints(tmp_path):
    folder = real_data("samples") / "freihand"
    content = json.loads((folder / "test_freihand.json").read_text())
    labels = {a["image_id"]: np.reshape(a["keypoints"], (21, 3))[:, :2] for a in content["annotations"]}
    published = [355, 17620] * 3  # published pose of each pose written here
    settings = write_freihand(tmp_path / "in", [in_space(labels[number]) for number in published])
    for number in range(24):
        source = folder / f"{published[number % 6] + 32560 * (number // 6):08d}.jpg"
        (tmp_path / f"in/training/rgb/{number:08d}.jpg").write_bytes(source.read_bytes())
    for number, record in enumerate(index_corpus(settings, HAND21, 64)):
        expected = labels[published[number % 6] + 32560 * (number // 6)]
        np.testing.assert_allclose(record.label.keypoints_orig, expected, atol=1e-9)
    samples, rejected = run_ingest(settings, tmp_path / "out")
    assert (len(samples), rejected.num_rows) == (24, 0)
    assert list_values(samples, "visible").all()


# Bad inputs.


def with_pose(tmp_path, xyz=None, intrinsics=None):
    """Five poses, of which the first is changed and has one picture left."""
    settings = write_freihand(tmp_path / "in")
    for name, value in (("xyz", xyz), ("K", intrinsics)):
        path = tmp_path / f"in/training_{name}.json"
        poses = json.loads(path.read_text())
        path.write_text(json.dumps([value if value is not None else poses[0], *poses[1:]]))
    return settings


def without_one(xyz, value):
    return [[*xyz[0][:2], value], *xyz[1:]]


GOOD = in_space(spread_hand(50, 60, 80))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"xyz": GOOD[:20]}, "xyz: List should have at least 21 items"),
        ({"xyz": [*GOOD, GOOD[0]]}, "xyz: List should have at most 21 items"),
        ({"xyz": [[1.0, 2.0]] * 21}, "xyz.0: List should have at least 3 items"),
        ({"xyz": without_one(GOOD, "far")}, "xyz.0.2: Input should be a valid number"),
        ({"xyz": without_one(GOOD, float("nan"))}, "not a finite number"),
        ({"xyz": without_one(GOOD, 10**400)}, "xyz.0.2: Input should be"),
        ({"xyz": without_one(GOOD, -1.0)}, "behind the camera"),
        ({"xyz": without_one(GOOD, 0)}, "behind the camera"),
        ({"xyz": [GOOD[0]] * 21}, "box is empty"),
        ({"intrinsics": INTRINSICS[:2]}, "K: List should have at least 3 items"),
        ({"intrinsics": [[float("inf"), 0, 0]] * 3}, "not a finite number"),
        ({"intrinsics": 3}, "K: Input should be a valid list"),
    ],
)
def test_a_bad_pose_rejects_its_four_pictures(tmp_path, changes, reason):
    settings = with_pose(tmp_path, **changes)
    samples, rejected = run_ingest(settings, tmp_path / "out", allowed=0.2)
    assert len(samples) == 16
    assert rejected.column("path").to_pylist() == [
        f"training/rgb/{number:08d}.jpg" for number in (0, 5, 10, 15)
    ]
    assert all(reason in given for given in rejected.column("reason").to_pylist())


def test_a_missing_picture_is_one_rejected_row(tmp_path):
    settings = write_freihand(tmp_path / "in")
    (tmp_path / "in/training/rgb/00000007.jpg").unlink()
    assert_rejects(settings, tmp_path, "no such image file", "training/rgb/00000007.jpg")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("training_K.json", None, "training_K.json: no such file"),
        ("training_xyz.json", "{}", "training_xyz.json: holds a JSON dict, expected a list"),
        ("training_K.json", "[", "training_K.json: not valid JSON"),
        ("training_K.json", "[1, 2]", "training_K.json has 2 poses, training_xyz.json 5"),
    ],
)
def test_wrong_label_files_are_named(tmp_path, name, content, message):
    settings = write_freihand(tmp_path / "in")
    (tmp_path / "in" / name).unlink()
    if content is not None:
        (tmp_path / "in" / name).write_text(content)
    assert_fails(settings, tmp_path, message)
