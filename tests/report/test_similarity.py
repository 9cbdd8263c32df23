import numpy as np
import pandas as pd
import pytest
from evaluated_project import STANDING

from actupose.report.read import BinnedPoses
from actupose.report.similarity import angle_similarity, bin_similarity
from actupose.skeleton import BODY16
from actupose.tables import make_table, normalised_schema


def test_similarity_is_the_cosine_over_what_both_poses_show():
    angles = np.array([[3.0, 4.0, np.nan], [4.0, 3.0, 1.0], [np.nan, np.nan, 2.0]])
    found = angle_similarity(angles)
    assert found[0, 1] == pytest.approx(24 / 25)
    assert found[1, 2] == pytest.approx(1)
    assert np.isnan(found[0, 2])


def normalised(poses):
    count = len(poses)
    columns = {
        "sample_id": [f"s{i}" for i in range(count)],
        "split": ["train"] * count,
        "pose": np.asarray(poses, np.float32),
        "visible": np.ones((count, 16), bool),
        "center": np.zeros((count, 2), np.float32),
        "scale": np.ones(count, np.float32),
    }
    schema = normalised_schema(16)
    return make_table(schema, {name: columns[name] for name in schema.names})


def test_bins_of_one_pose_are_alike_and_no_pose_is_held_to_itself():
    random = np.random.default_rng(0)
    wild = STANDING + random.normal(0, 1, (3, 16, 2))
    poses = normalised([STANDING, STANDING, *wild])
    scores = pd.DataFrame({"sample_id": [f"s{i}" for i in range(5)], "bin": [0, 0, 1, 1, 2]})
    found = bin_similarity(poses, BinnedPoses(scores, pd.DataFrame({"bin": [0, 1, 2]})), BODY16)
    assert found[0, 0] == pytest.approx(1)
    assert found[0, 1] == pytest.approx(found[1, 0])
    assert found[1, 1] < 1
    assert np.isnan(found[2, 2])  # a single pose
