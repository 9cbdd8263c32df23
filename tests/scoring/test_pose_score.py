import pytest
import torch
from tiny_domains import tiny_params
from tiny_poses import normalised_table, small_set

from actupose.core.rng import generator
from actupose.errors import UserError
from actupose.nets.pose_vae import build_vae
from actupose.scoring import pose_score
from actupose.scoring.pose_score import load_vae, pose_tensors, save_vae, score_poses, train_vae
from actupose.tables import HISTORY, read_table

VAE = tiny_params(vae__epochs=15, vae__batch_size=8, vae__lr=0.01).vae


def test_invisible_keypoints_are_zero_for_the_vae():
    table = small_set(4)
    poses, visible = pose_tensors(table)
    assert not visible[0, :3].any()
    assert poses[0, :6].tolist() == [0.0] * 6
    assert poses.isfinite().all() and (poses[1] != 0).any()


def test_training_lowers_the_loss_and_tells_of_every_epoch():
    told = []
    _, history = train_vae(*pose_tensors(small_set()), VAE, told.append)
    assert told == list(range(1, 16))
    assert history[-1]["reconstruction"] < 0.8 * history[0]["reconstruction"]
    assert all(entry["kl"] >= 0 for entry in history)


def test_a_loss_that_is_not_finite_is_one_line():
    with pytest.raises(UserError, match=r"loss is not finite after epoch \d; lower vae.lr = 1e\+20"):
        train_vae(*pose_tensors(small_set()), VAE.model_copy(update={"lr": 1e20}), lambda _: None)


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


def test_the_kl_term_counts_in_the_score_by_its_weight():
    poses, visible = pose_tensors(small_set(8))
    plain, weighted = (build_vae(16, VAE.model_copy(update={"score_kl": weight})) for weight in (0.0, 0.5))
    mean, log_variance = weighted.encoder(poses).detach().double().chunk(2, dim=1)
    prior = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    divergence = torch.distributions.kl_divergence(posterior, prior).sum(dim=1)
    added = score_poses(weighted, poses, visible) - score_poses(plain, poses, visible)
    torch.testing.assert_close(added.double(), 0.5 * divergence, rtol=1e-4, atol=1e-5)


def test_training_hides_no_more_than_the_share_and_only_what_is_visible():
    poses, visible = pose_tensors(small_set(400))
    shown = pose_score._hide(poses + 1, visible, 0.5, generator(0, "test"))
    kept = (shown != 0).reshape(400, 16, 2).all(dim=2)
    assert torch.equal(shown[kept.repeat_interleave(2, 1)], (poses + 1)[kept.repeat_interleave(2, 1)])
    hidden = (visible & ~kept).sum(dim=1) / visible.sum(dim=1)
    assert hidden.min() == 0 and 0.4 < hidden.max() <= 0.55 and 0.2 < hidden.mean() < 0.3
    assert torch.equal(kept[~visible], torch.ones_like(kept[~visible]))  # the ones put there are untouched


def test_a_vae_trained_with_hidden_keypoints_minds_them_less():
    poses, visible = pose_tensors(small_set(200))
    whole = visible.all(dim=1)
    partly = visible[whole].clone()
    partly[:, ::3] = False
    ratios = []
    for mask in (0.0, 0.5):
        settings = VAE.model_copy(update={"mask": mask, "epochs": 60, "hidden": (32,), "latent": 6})
        vae, _ = train_vae(poses, visible, settings, lambda _: None)
        hidden = poses[whole].masked_fill(~partly.repeat_interleave(2, dim=1), 0.0)
        ratio = score_poses(vae, hidden, partly) / score_poses(vae, poses[whole], visible[whole])
        ratios.append(float(ratio.median()))
    assert ratios[1] < 0.7 * ratios[0]


def test_a_pose_unlike_the_training_poses_scores_higher():
    vae, _ = train_vae(*pose_tensors(small_set()), VAE, lambda _: None)
    poses, visible = pose_tensors(small_set(10, seed=3))
    upside_down = -poses
    assert score_poses(vae, upside_down, visible).min() > score_poses(vae, poses, visible).max()


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
