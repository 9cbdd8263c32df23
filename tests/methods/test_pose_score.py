import numpy as np
import pytest
import torch
from tiny_domains import tiny_params, tiny_poses

from actupose.core.pose import normalise_poses
from actupose.errors import UserError
from actupose.methods.pose_score import bin_tables, load_vae, pose_tensors, save_vae, score_poses, train_vae
from actupose.nets.pose_vae import build_vae
from actupose.skeleton import BODY16
from actupose.tables import BINS, HISTORY, SCORES, make_table, normalised_schema, read_table, write_table

VAE = tiny_params(vae__epochs=15, vae__batch_size=8, vae__lr=0.01).vae


def normalised_table(poses, visible, ids=None):
    count = len(poses)
    columns = {
        "sample_id": ids or [f"pose-{i:03d}" for i in range(count)],
        "split": ["train"] * count,
        "pose": poses,
        "visible": visible,
        "center": np.zeros((count, 2), np.float32),
        "scale": np.ones(count, np.float32),
    }
    return make_table(normalised_schema(16), columns)


def small_set(count=40, seed=0):
    keypoints = torch.from_numpy(tiny_poses(count, seed))
    visible = torch.ones(count, 16, dtype=torch.bool)
    visible[::4, :3] = False
    poses, _, _ = normalise_poses(keypoints, visible)
    return normalised_table(poses.numpy(), visible.numpy())


def test_invisible_keypoints_are_zero_for_the_vae():
    table = small_set(4)
    poses, visible = pose_tensors(table)
    assert not visible[0, :3].any()
    assert poses[0, :6].tolist() == [0.0] * 6
    assert poses.isfinite().all() and (poses[1] != 0).any()


def test_training_lowers_the_loss_and_tells_of_every_epoch():
    told = []
    _, history = train_vae(*pose_tensors(small_set()), VAE, told.append)
    assert told == list(range(15))
    assert history[-1]["reconstruction"] < 0.8 * history[0]["reconstruction"]
    assert all(entry["kl"] >= 0 for entry in history)


def test_the_same_seed_gives_the_same_vae_whatever_the_global_state():
    data = pose_tensors(small_set())
    first, _ = train_vae(*data, VAE, lambda _: None)
    torch.manual_seed(5)
    second, _ = train_vae(*data, VAE, lambda _: None)
    other, _ = train_vae(*data, VAE.model_copy(update={"seed": 1}), lambda _: None)
    weights = [torch.cat([p.flatten() for p in vae.parameters()]) for vae in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_what_invisible_keypoints_hold_changes_no_score():
    table = small_set()
    poses, visible = pose_tensors(table)
    hidden = ~visible.repeat_interleave(2, dim=1)
    nonsense = normalised_table(torch.where(hidden, 77.0, poses).numpy(), visible.numpy())
    vae = build_vae(16, VAE)
    assert torch.equal(score_poses(vae, *pose_tensors(nonsense)), score_poses(vae, poses, visible))


def test_the_score_is_deterministic_and_rescaled_by_the_share_of_visible_keypoints():
    vae = build_vae(16, VAE)
    poses, visible = pose_tensors(small_set(8))
    scores = score_poses(vae, poses, visible)
    mean = vae.encoder(poses)[:, : VAE.latent]
    errors = (poses - vae.decoder(mean)).detach().square().reshape(8, 16, 2).sum(2)
    by_hand = [float(errors[i][visible[i]].sum()) * 16 / int(visible[i].sum()) for i in range(8)]
    assert scores.tolist() == pytest.approx(by_hand, rel=1e-5)
    assert torch.equal(scores, score_poses(vae, poses, visible))


def test_a_pose_unlike_the_training_poses_scores_higher():
    vae, _ = train_vae(*pose_tensors(small_set()), VAE, lambda _: None)
    poses, visible = pose_tensors(small_set(10, seed=3))
    upside_down = -poses
    assert score_poses(vae, upside_down, visible).min() > score_poses(vae, poses, visible).max()


def test_bins_are_of_equal_count_in_the_order_of_the_scores():
    scores = torch.tensor([3.0, 1.0, 2.0, 7.0, 5.0, 6.0, 4.0])
    table, bins = bin_tables(small_set(7), scores, 3, BODY16)
    assert table.column("score").to_pylist() == [1, 2, 3, 4, 5, 6, 7]
    assert table.column("sample_id").to_pylist()[0] == "pose-001"
    assert table.column("rank").to_pylist() == list(range(7))
    assert table.column("bin").to_pylist() == [0, 0, 0, 1, 1, 2, 2]
    assert bins.column("count").to_pylist() == [3, 2, 2]
    assert bins.column("score_min").to_pylist() == [1, 4, 6]
    assert bins.column("score_mean").to_pylist() == [2, 4.5, 6.5]
    assert bins.column("score_max").to_pylist() == [3, 5, 7]


def test_equal_scores_are_ordered_by_sample_id():
    poses, visible = (part.numpy() for part in pose_tensors(small_set(4)))
    table = normalised_table(poses, visible, ["d", "b", "c", "a"])
    ranked, _ = bin_tables(table, torch.tensor([1.0, 1.0, 0.5, 1.0]), 2, BODY16)
    assert ranked.column("sample_id").to_pylist() == ["c", "a", "b", "d"]


def test_a_bin_of_equal_poses_has_no_variation_and_one_of_different_poses_has():
    poses, visible = pose_tensors(small_set(8, seed=1))
    visible[:], poses[:4] = True, poses[1]
    table = normalised_table(poses.numpy(), visible.numpy())
    _, bins = bin_tables(table, torch.arange(8.0), 2, BODY16)
    rows = bins.to_pylist()
    variation = [name for name in BINS.names if name.startswith("variation")]
    assert [rows[0][name] for name in variation] == [0.0] * len(variation)
    assert rows[1]["variation_mean"] > 0
    assert rows[1]["variation_q05"] < rows[1]["variation_q50"] < rows[1]["variation_q95"]


def test_a_bin_of_one_pose_has_an_unknown_variation():
    _, bins = bin_tables(small_set(2), torch.tensor([1.0, 2.0]), 2, BODY16)
    assert np.isnan(bins.column("variation_mean").to_numpy()).all()


def test_more_bins_than_poses_is_a_users_mistake():
    with pytest.raises(UserError, match=r"^curriculum.num_bins = 5: more bins than the 4 poses"):
        bin_tables(small_set(4), torch.zeros(4), 5, BODY16)


def test_no_poses_give_empty_tables(tmp_path):
    scores, bins = bin_tables(small_set(0), torch.zeros(0), 5, BODY16)
    write_table(tmp_path / "scores.parquet", scores, SCORES)
    write_table(tmp_path / "bins.parquet", bins, BINS)
    assert len(scores) == len(bins) == 0


def test_a_saved_vae_scores_as_before(tmp_path):
    data = pose_tensors(small_set())
    vae, history = train_vae(*data, VAE, lambda _: None)
    save_vae(tmp_path, vae, VAE, history)
    assert torch.equal(score_poses(load_vae(tmp_path), *data), score_poses(vae, *data))
    rows = read_table(tmp_path / "history.parquet", HISTORY).to_pylist()
    assert rows[0] == {"epoch": 0, "metric": "reconstruction", "value": history[0]["reconstruction"]}
    assert len(rows) == 2 * 15


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vae.json", b"{"),
        ("vae.json", b"{}"),
        ("vae.json", b"[]"),
        ("vae.json", b"\xff\xfe"),
        ("vae.safetensors", b""),
        ("vae.safetensors", b"\x10\x00\x00\x00\x00\x00\x00\x00notjson!notjson!"),
    ],
)
def test_a_damaged_vae_is_a_users_mistake_in_one_line(tmp_path, name, content):
    save_vae(tmp_path, build_vae(16, VAE), VAE, [])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="not a usable pose VAE") as caught:
        load_vae(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["vae.json", "vae.safetensors"])
def test_a_missing_vae_names_the_file_and_its_stage(tmp_path, name):
    save_vae(tmp_path, build_vae(16, VAE), VAE, [])
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=rf"{name}: no such file; run the train_vae stage"):
        load_vae(tmp_path)


def test_the_vae_of_another_skeleton_is_refused(tmp_path):
    save_vae(tmp_path, build_vae(16, VAE), VAE, [])
    text = (tmp_path / "vae.json").read_text()
    (tmp_path / "vae.json").write_text(text.replace('"num_keypoints": 16', '"num_keypoints": 21'))
    with pytest.raises(UserError, match="not a usable pose VAE"):
        load_vae(tmp_path)
