"""Human3.6M, in its layout: written here, and around the real sample pictures."""

import json
import random
from collections import Counter

import numpy as np
import pytest
from corpus_files import assert_fails, assert_rejects, real_data, run_ingest
from tiny_corpora import CAMERA, WORLD, human36m_image, write_human36m, write_subject

from actupose.data.corpora import index_corpus
from actupose.data.corpora.human36m import KEYPOINTS, Human36mCamera, joint_rows
from actupose.data.corpora.plain_pickle import read_plain_pickle
from actupose.skeleton import BODY16
from actupose.tables import keypoint_values

# Which joint is which.


def test_joints_are_mapped_as_in_the_literature():
    # facts 2.3: 3,2,1,4,5,6,0,-,8,10,16,15,14,11,12,13; the thorax is halfway between shoulders 14 and 11
    rows = dict(zip(BODY16.keypoints, joint_rows(BODY16), strict=True))
    assert rows.pop("thorax") == (14, 11)
    assert list(rows.values()) == [(row,) for row in (3, 2, 1, 4, 5, 6, 0, 8, 10, 16, 15, 14, 11, 12, 13)]
    assert KEYPOINTS[16] == "right_wrist"


def test_a_camera_turns_moves_and_projects():
    # Turned by 90 degrees about z: (x, y) becomes (-y, x). (100, 200, 0) -> (-200 + 10, 100 + 20, 1000).
    camera = Human36mCamera(
        R=[[0, -1, 0], [1, 0, 0], [0, 0, 1]], t=[10, 20, 1000], f=[1000, 500], c=[400, 300]
    )
    np.testing.assert_allclose(camera.project(np.array([[100.0, 200.0, 0.0]])), [[400 - 190, 300 + 60]])


# Splits.


def test_five_subjects_train_and_every_fifth_picture_counts(tmp_path):
    samples, rejected = run_ingest(write_human36m(tmp_path / "in"), tmp_path / "out")
    ids = samples.column("sample_id").to_pylist()
    trained = [f"train/s_{s:02d}/{frame:06d}.jpg" for s in (1, 5, 6, 7, 8) for frame in (0, 5)]
    tested = [f"test/s_{s:02d}/{frame:06d}.jpg" for s in (9, 11) for frame in (0, 5)]
    assert ids == trained + tested
    assert rejected.num_rows == 0


def test_the_literature_draws_test_pictures_with_replacement(tmp_path):
    settings = write_human36m(tmp_path, test_draw="literature")
    files = [f"s_{subject:02d}/{frame:06d}.jpg" for subject in (9, 11) for frame in (0, 5)]
    random.seed(42)
    drawn = random.choices(files, k=3200)
    ids = [r.ids["test"] for r in index_corpus(settings, BODY16, 64) if "test" in r.ids]
    assert [name.removeprefix("test/").split("#")[0] for name in ids] == drawn
    assert len(set(ids)) == 3200
    assert ids[0] == f"test/{drawn[0]}"
    assert Counter(drawn)[drawn[0]] == sum(name.startswith(ids[0]) for name in ids)


# Projection and crop.


def test_the_crop_is_half_as_large_again_as_the_box_of_the_sixteen_keypoints(tmp_path):
    samples, _ = run_ingest(write_human36m(tmp_path / "in"), tmp_path / "out")
    keypoints = keypoint_values(samples, "keypoints")[0]
    # x 30..46, y 20..52, so a side of 48 around (38, 36): left end 14, upper 12. The pelvis (30, 20) goes to
    # 16.5 * 64 / 48 - 0.5 = 21.5 and 8.5 * 64 / 48 - 0.5 = 10.83333, the thorax (42.5, 45) to
    # 29 * 64 / 48 - 0.5 = 38.16667 and 33.5 * 64 / 48 - 0.5 = 44.16667.
    np.testing.assert_allclose(keypoints[BODY16.index("pelvis")], [21.5, 10.83333], atol=1e-4)
    np.testing.assert_allclose(keypoints[BODY16.index("thorax")], [38.16667, 44.16667], atol=1e-4)


def test_the_sample_pictures_are_labelled_where_their_people_are(tmp_path):
    folder = real_data("samples") / "h36m"
    cameras = read_plain_pickle(folder / "cameras.pkl")
    content = json.loads((folder / "h36m_coco.json").read_text())
    settings = write_human36m(tmp_path, frames=1)
    seen = {}
    for image, label in zip(content["images"], content["annotations"], strict=True):
        name = image["file_name"]  # S1_Directions_1.54138969_000001.jpg: subject and camera
        subject, sequence = int(name[1]), name.rsplit("_", 1)[0]
        (tmp_path / f"images/{name}").write_bytes((folder / f"S{subject}" / sequence / name).read_bytes())
        world = 1000 * np.reshape(label["keypoints_3d"], (17, 4))[:, :3]
        given = {k: np.asarray(v) for k, v in cameras[f"S{subject}", sequence.split(".")[1]].items()}
        camera = {"R": given["R"].T.tolist(), "t": (-1000 * given["R"].T @ given["T"]).ravel().tolist()}
        camera |= {"f": given["f"].ravel().tolist(), "c": given["c"].ravel().tolist()}
        entry = human36m_image(subject, 0, file_name=name)
        write_subject(tmp_path, subject, [entry], {"1": camera}, {"2": {"1": {"0": world.tolist()}}})
        seen[subject] = np.reshape(label["keypoints"], (17, 3))[:, :2]
    trained = [r for r in index_corpus(settings, BODY16, 64) if "train" in r.ids]
    for record, subject in zip(trained, (1, 5, 6, 7, 8), strict=True):
        if subject in seen:
            expected = np.stack([seen[subject][list(rows)].mean(axis=0) for rows in joint_rows(BODY16)])
            # The samples' keypoints include the distortion of the lens.
            np.testing.assert_allclose(record.label.keypoints_orig, expected, atol=3)


# Bad inputs.


def with_first_entry(tmp_path, **changes):
    settings = write_human36m(tmp_path / "in")
    path = tmp_path / "in/annotations/Human36M_subject1_data.json"
    images = json.loads(path.read_text())["images"]
    path.write_text(json.dumps({"images": [human36m_image(1, 0, **changes), *images[1:]]}))
    return settings


@pytest.mark.parametrize(
    ("changes", "reason", "path"),
    [
        ({"cam_idx": "1"}, "cam_idx: Input should be a valid integer", None),
        ({"file_name": ""}, "file_name: String should have at least 1", None),
        ({"cam_idx": 7}, "no label of 7", "images/s_01/000000.jpg"),
        ({"frame_idx": 99}, "no label of 2/1/99", "images/s_01/000000.jpg"),
        ({"file_name": "s_01/000001.jpg"}, "no such image file", "images/s_01/000001.jpg"),
        ({"file_name": "/etc/hostname"}, "absolute path", "images//etc/hostname"),
        ({"file_name": "../annotations/x"}, "leaves the data folder", "images/../annotations/x"),
        ({"file_name": "s_01/000005.jpg"}, "used twice", "images/s_01/000005.jpg"),
    ],
)
def test_a_bad_picture_is_one_rejected_row(tmp_path, changes, reason, path):
    settings = with_first_entry(tmp_path, **changes)
    assert_rejects(settings, tmp_path, reason, path or "Human36M_subject1_data.json[0]")


@pytest.mark.parametrize(
    ("part", "content", "reason"),
    [
        ("camera", {"1": CAMERA | {"R": [[1, 0, 0]]}}, "R: List should have at least 3 items"),
        ("camera", {"1": CAMERA | {"f": [float("nan"), 1]}}, "not a finite number"),
        ("camera", {"1": CAMERA | {"t": [0, 0, -1000]}}, "behind the camera"),
        ("camera", {"1": 3}, "entry: Input should be"),
        ("camera", {}, "no label of 1"),
        (
            "joint_3d",
            {"2": {"1": {"0": WORLD[:16], "5": WORLD[:16]}}},
            "joint_3d: List should have at least 17",
        ),
        ("joint_3d", {"2": {"1": [WORLD]}}, "no label of 2/1/0"),
        ("joint_3d", {"2": {"1": {"0": [WORLD[0]] * 17, "5": [WORLD[0]] * 17}}}, "box is empty"),
    ],
)
def test_bad_labels_reject_the_pictures_of_their_subject(tmp_path, part, content, reason):
    settings = write_human36m(tmp_path / "in")
    (tmp_path / f"in/annotations/Human36M_subject5_{part}.json").write_text(json.dumps(content))
    samples, rejected = run_ingest(settings, tmp_path / "out", allowed=0.2)
    assert (len(samples), rejected.num_rows) == (12, 2)
    first = rejected.to_pylist()[0]
    assert first["path"] == "images/s_05/000000.jpg"
    assert reason in first["reason"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("subject11_data", None, "Human36M_subject11_data.json: no such file"),
        ("subject7_camera", "[]", "subject7_camera.json: holds a JSON list, expected an object"),
        ("subject9_joint_3d", "{", "subject9_joint_3d.json: not valid JSON"),
        ("subject1_data", "{}", "no list 'images'"),
    ],
)
def test_wrong_label_files_are_named(tmp_path, name, content, message):
    settings = write_human36m(tmp_path / "in")
    path = tmp_path / f"in/annotations/Human36M_{name}.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert_fails(settings, tmp_path, message)
