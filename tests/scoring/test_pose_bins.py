import numpy as np
import pyarrow as pa
import pytest
import torch
from tiny_domains import tiny_params
from tiny_poses import normalised_table, small_set

from actupose.errors import UserError
from actupose.nets.pose_vae import build_vae
from actupose.scoring.pose_bins import SplitPoses, bin_tables, score_split
from actupose.scoring.pose_score import pose_tensors, score_poses
from actupose.skeleton import BODY16
from actupose.tables import BINS, SCORES, normalised_schema, write_table


@pytest.fixture
def stored(tmp_path):
    """A function that writes a normalised table and opens its training split."""

    def store(table):
        write_table(tmp_path / "poses.parquet", table, normalised_schema(16))
        return SplitPoses(tmp_path / "poses.parquet", "train", BODY16)

    return store


@pytest.fixture
def binned(stored):
    """A function from a table and its scores to the tables of scores and bins."""

    def tables(table, scores, num_bins):
        return bin_tables(table.column("sample_id").combine_chunks(), scores.numpy(), stored(table), num_bins)

    return tables


def test_bins_are_of_equal_count_in_the_order_of_the_scores(binned):
    scores = torch.tensor([3.0, 1.0, 2.0, 7.0, 5.0, 6.0, 4.0])
    table, bins = binned(small_set(7), scores, 3)
    assert table.column("score").to_pylist() == [1, 2, 3, 4, 5, 6, 7]
    assert table.column("sample_id").to_pylist()[0] == "pose-001"
    assert table.column("rank").to_pylist() == list(range(7))
    assert table.column("bin").to_pylist() == [0, 0, 0, 1, 1, 2, 2]
    assert bins.column("count").to_pylist() == [3, 2, 2]
    assert bins.column("score_min").to_pylist() == [1, 4, 6]
    assert bins.column("score_mean").to_pylist() == [2, 4.5, 6.5]
    assert bins.column("score_max").to_pylist() == [3, 5, 7]


def test_equal_scores_are_ordered_by_sample_id(binned):
    poses, visible = (part.numpy() for part in pose_tensors(small_set(4)))
    table = normalised_table(poses, visible, ["d", "b", "c", "a"])
    ranked, _ = binned(table, torch.tensor([1.0, 1.0, 0.5, 1.0]), 2)
    assert ranked.column("sample_id").to_pylist() == ["c", "a", "b", "d"]


def test_a_bin_of_equal_poses_has_no_variation_and_one_of_different_poses_has(binned):
    poses, visible = pose_tensors(small_set(8, seed=1))
    visible[:], poses[:4] = True, poses[1]
    table = normalised_table(poses.numpy(), visible.numpy())
    _, bins = binned(table, torch.arange(8.0), 2)
    rows = bins.to_pylist()
    variation = [name for name in BINS.names if name.startswith("variation")]
    assert [rows[0][name] for name in variation] == [0.0] * len(variation)
    assert rows[1]["variation_mean"] > 0
    assert rows[1]["variation_q05"] < rows[1]["variation_q50"] < rows[1]["variation_q95"]


def test_a_bin_of_one_pose_has_an_unknown_variation(binned):
    _, bins = binned(small_set(2), torch.tensor([1.0, 2.0]), 2)
    assert np.isnan(bins.column("variation_mean").to_numpy()).all()


def test_more_bins_than_poses_is_a_users_mistake(binned):
    with pytest.raises(UserError, match=r"^bins: 5 of them for the 4 poses of split 'train'"):
        binned(small_set(4), torch.zeros(4), 5)


def test_no_poses_give_empty_tables(tmp_path, binned):
    scores, bins = binned(small_set(0), torch.zeros(0), 5)
    write_table(tmp_path / "scores.parquet", scores, SCORES)
    write_table(tmp_path / "bins.parquet", bins, BINS)
    assert len(scores) == len(bins) == 0


def test_a_split_that_comes_in_several_pieces_is_scored_and_binned_as_one(stored):
    few, count = small_set(1000), 70_000  # a piece holds 65536
    table = few.take(np.arange(count) % 1000).set_column(0, "sample_id", [[f"{i:06d}" for i in range(count)]])
    other = pa.array(["test" if i % 3 == 0 else "train" for i in range(count)])
    poses = stored(table.set_column(1, "split", other).cast(normalised_schema(16)))
    vae = build_vae(16, tiny_params().vae)
    names, scores = score_split(vae, poses)
    rows = np.flatnonzero(np.arange(count) % 3)
    assert names.to_pylist() == [f"{i:06d}" for i in rows]
    expected = score_poses(vae, *pose_tensors(table.take(rows)))
    assert scores == pytest.approx(expected.numpy(), rel=1e-5)
    ends = np.array([0, 40_000, len(rows) - 1])
    assert poses.take(ends).column("pose").to_pylist() == table.take(rows[ends]).column("pose").to_pylist()
    ranked, bins = bin_tables(names, scores, poses, 5)
    assert bins.column("count").to_pylist() == [9334, 9333, 9333, 9333, 9333]
    assert ranked.column("score").to_numpy() == pytest.approx(np.sort(scores))
    assert (np.diff(ranked.column("score").to_numpy()) >= 0).all()
