import numpy as np
import pytest

from actupose.data.normalise import normalise
from actupose.errors import UserError
from actupose.skeleton import BODY16
from actupose.tables import (
    REJECTED,
    keypoint_values,
    list_values,
    make_table,
    normalised_schema,
    samples_schema,
    write_table,
)


def samples(keypoints, visible):
    count = len(keypoints)
    columns = {
        "sample_id": [f"train/{row}" for row in range(count)],
        "split": ["train"] * (count - 1) + ["test"],
        "corpus": ["lsp"] * count,
        "image_row": list(range(count)),
        "keypoints": np.asarray(keypoints, np.float32),
        "visible": np.asarray(visible),
    }
    return make_table(samples_schema(16), columns)


def random_samples(count=5):
    return np.random.default_rng(0).uniform(0, 64, (count, 16, 2)), np.ones((count, 16), dtype=bool)


def test_poses_are_centred_and_of_unit_spread():
    keypoints, visible = random_samples()
    keypoints[1, 6], visible[1, 6] = np.nan, False
    visible[2, :5] = False
    poses, rejected = normalise(samples(keypoints, visible), "source", BODY16)
    pose = np.where(visible[..., None], keypoint_values(poses, "pose"), np.nan)
    np.testing.assert_allclose(np.nanmean(pose, axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(np.nanmean(pose**2, axis=1).sum(axis=1), 1, rtol=1e-5)
    assert poses.column("split").to_pylist() == ["train"] * 4 + ["test"]
    assert rejected.num_rows == 0


def test_center_and_scale_lead_back_to_the_picture():
    keypoints, visible = random_samples()
    poses, _ = normalise(samples(keypoints, visible), "source", BODY16)
    scale = np.array(poses.column("scale").to_pylist())[:, None, None]
    restored = keypoint_values(poses, "pose") * scale + list_values(poses, "center")[:, None]
    np.testing.assert_allclose(restored, keypoints, atol=1e-3)


def test_a_pose_without_shape_is_rejected_with_the_reason():
    keypoints, visible = random_samples(4)
    visible[1, 1:] = False
    keypoints[2] = 7.0
    poses, rejected = normalise(samples(keypoints, visible), "source", BODY16)
    assert poses.column("sample_id").to_pylist() == ["train/0", "train/3"]
    assert rejected.to_pylist() == [
        {"path": "train/1", "reason": "fewer than two visible keypoints"},
        {"path": "train/2", "reason": "visible keypoints all at one point"},
    ]


def test_an_unlabelled_target_gives_empty_tables_that_can_be_written(tmp_path):
    table = samples(np.full((3, 16, 2), np.nan), np.zeros((3, 16), dtype=bool))
    poses, rejected = normalise(table, "target", BODY16)
    assert (len(poses), len(rejected)) == (0, 0)
    write_table(tmp_path / "poses.parquet", poses, normalised_schema(16))
    write_table(tmp_path / "rejected.parquet", rejected, REJECTED)


def test_an_unlabelled_source_is_the_users_mistake():
    table = samples(np.full((3, 16, 2), np.nan), np.zeros((3, 16), dtype=bool))
    with pytest.raises(UserError, match="no labelled pose"):
        normalise(table, "source", BODY16)


def test_samples_without_labels_among_others_are_left_out():
    keypoints, visible = random_samples(3)
    keypoints[1], visible[1] = np.nan, False
    poses, rejected = normalise(samples(keypoints, visible), "target", BODY16)
    assert poses.column("sample_id").to_pylist() == ["train/0", "train/2"]
    assert rejected.num_rows == 0
