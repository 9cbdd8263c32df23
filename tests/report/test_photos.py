from dataclasses import replace

import numpy as np
import pytest
from evaluated_project import SIDE, demo_params, drawn_people, flat_metrics, folders_below, write_project

from actupose.report.gallery import choose_poses
from actupose.report.photos import Prediction, choose_photos
from actupose.report.read import read_binned_data, read_evidence
from actupose.skeleton import BODY16

PARAMS = demo_params(methods=["source_only", "actupose"], seeds=[4, 5])


@pytest.fixture
def folders(tmp_path):
    write_project(tmp_path, PARAMS, lambda *_: flat_metrics(0.5), drawn_people(20))
    return folders_below(tmp_path)


@pytest.fixture
def evidence(folders):
    return read_evidence(folders, PARAMS)


def test_photos_are_the_first_of_each_bin_with_the_first_seed(evidence):
    photos = choose_photos(evidence, BODY16, threshold=0.05)
    headings = ["bin 0\neasiest", "bin 1", "bin 2", "bin 3", "bin 4\nhardest"]
    assert [photo.heading for photo in photos] == headings
    assert all(photo.image.shape == (SIDE, SIDE, 3) for photo in photos)
    assert list(photos[0].predictions) == ["source_only", "actupose"]
    first_seed = next(run for run in evidence.runs if run.method == "actupose" and run.seed == 4)
    shown = photos[1].predictions["actupose"].keypoints
    # Twenty photographs in five bins: bin 1 begins with row 4.
    assert shown.ravel().tolist() == first_seed.predictions.column("keypoints_pred")[4].as_py()
    evalpose = first_seed.predictions.column("evalpose_bone")[4].as_py()
    assert photos[1].predictions["actupose"].evalpose == evalpose


def test_a_keypoint_is_right_within_the_distance(evidence):
    prediction = choose_photos(evidence, BODY16, threshold=0.05)[0].predictions["actupose"]
    label = choose_photos(evidence, BODY16, threshold=0.05)[0].label
    distance = np.linalg.norm(prediction.keypoints - label, axis=1)
    assert prediction.is_right.tolist() == (distance < 0.05 * SIDE).tolist()
    assert prediction.scored.sum() == 12


def test_accuracy_counts_scored_keypoints():
    is_right, scored = np.array([True, False, True, True]), np.array([True, True, True, False])
    known = Prediction(np.zeros((4, 2)), is_right, scored, evalpose=0.915)
    assert known.accuracy == "PCK 66.7  (2/3)\nEvalPose 91.5"
    assert replace(known, evalpose=np.nan).accuracy == "PCK 66.7  (2/3)"  # no bone is labelled
    assert replace(known, is_right=None).accuracy == ""


def test_gallery_samples_the_named_bins_and_repeats(folders):
    data = read_binned_data(folders, PARAMS)
    rows = choose_poses(data.source_poses, data.domains["source"])
    assert [heading.split("\n")[0] for heading, _ in rows] == [f"bin {number}" for number in range(5)]
    assert all(poses.shape == (6, 16, 2) for _, poses in rows)
    again = choose_poses(data.source_poses, data.domains["source"])
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(rows, again, strict=True))
    scores = data.domains["source"].scores
    hardest = set(scores.loc[scores["bin"] == 4, "sample_id"])
    known = {tuple(pose): name for name, pose in zip(
        data.source_poses.column("sample_id").to_pylist(),
        data.source_poses.column("pose").to_pylist(), strict=True)}  # fmt: skip
    assert {known[tuple(pose.ravel().tolist())] for pose in rows[-1][1]} <= hardest
