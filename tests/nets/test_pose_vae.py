import math

import pytest
import torch

from actupose.nets.pose_vae import build_vae, kl_divergence, leave_one_out_error, squared_error
from actupose.params import VaeParams

VAE = VaeParams(
    hidden=(12, 6), latent=3, kl_weight=0.1, epochs=1, batch_size=4, lr=0.01, seed=0, mask=0, score_kl=0
)


def test_the_error_sums_over_visible_keypoints_and_is_rescaled_to_all():
    poses = torch.tensor([[1.0, 2.0, 0.0, 0.0, 3.0, 3.0]])
    reconstruction = torch.tensor([[0.0, 0.0, 50.0, 50.0, 3.0, 2.0]])
    visible = torch.tensor([[True, False, True]])
    # (1 + 4) + (0 + 1) = 6 over two visible keypoints of three
    assert squared_error(poses, reconstruction, visible).tolist() == pytest.approx([6 * 3 / 2])
    assert squared_error(poses, reconstruction, ~visible).tolist() == pytest.approx([5000 * 3])


def test_the_divergence_of_a_standard_normal_is_nothing_and_by_hand_elsewhere():
    assert kl_divergence(torch.zeros(1, 3), torch.zeros(1, 3)).tolist() == [0]
    assert kl_divergence(torch.tensor([[1.0, -2.0]]), torch.zeros(1, 2)).tolist() == pytest.approx([2.5])
    by_hand = 0.5 * (4 - 1 - math.log(4))
    assert kl_divergence(torch.zeros(1, 1), torch.full((1, 1), math.log(4))).tolist() == pytest.approx(
        [by_hand]
    )


def test_one_seed_gives_one_vae_and_the_global_state_is_left_alone():
    torch.manual_seed(4)
    state = torch.get_rng_state()
    first = build_vae(16, VAE).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    second = build_vae(16, VAE).state_dict()
    other = build_vae(16, VAE.model_copy(update={"seed": 1})).state_dict()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["encoder.0.weight"], other["encoder.0.weight"])


def test_without_noise_the_decoder_is_fed_the_mean_and_noise_moves_it_by_the_deviation():
    vae, poses = build_vae(5, VAE), torch.rand(2, 10)
    reconstruction, mean, log_variance = vae(poses, torch.zeros(2, 3))
    torch.testing.assert_close(reconstruction, vae.decoder(mean))
    moved, _, _ = vae(poses, torch.ones(2, 3))
    torch.testing.assert_close(moved, vae.decoder(mean + (log_variance / 2).exp()))
    assert reconstruction.shape == (2, 10) and mean.shape == log_variance.shape == (2, 3)


def test_leaving_a_keypoint_out_asks_the_others_where_it_lies():
    vae = build_vae(3, VAE)
    poses = torch.rand(5, 6, generator=torch.Generator().manual_seed(0))
    visible = torch.ones(5, 3, dtype=torch.bool)
    visible[1, 2] = False
    found = leave_one_out_error(vae, poses, visible)
    for row in range(5):
        for keypoint in range(3):
            shown = poses[row].view(3, 2) * visible[row][:, None]
            shown[keypoint] = 0
            guess = vae.decoder(vae.encode(shown.flatten()[None])[0]).view(3, 2)[keypoint]
            distance = (guess - poses[row].view(3, 2)[keypoint]).square().sum() * visible[row, keypoint]
            assert found[row, keypoint].item() == pytest.approx(distance.item(), rel=1e-4)
