"""Pose VAE (P1 2.1): poses the source holds few of are reconstructed badly."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from actupose.core.rng import seeded_weights
from actupose.params import VaeParams


class PoseVae(nn.Module):
    """Normalised poses through a Gaussian latent and back.

    A pose is a row of D = 2 K numbers, x and y of every keypoint in turn, zero where invisible.
    """

    def __init__(self, num_keypoints: int, settings: VaeParams) -> None:
        super().__init__()
        self.num_keypoints = num_keypoints
        self.score_kl = settings.score_kl
        width = 2 * num_keypoints
        self.encoder = _mlp((width, *settings.hidden, 2 * settings.latent))
        self.decoder = _mlp((settings.latent, *reversed(settings.hidden), width))

    def encode(
        self, poses: Float[Tensor, "B D"]
    ) -> tuple[Float[Tensor, "B latent"], Float[Tensor, "B latent"]]:
        """Mean and log variance of the posterior."""
        mean, log_variance = self.encoder(poses).chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 10)

    def forward(
        self, poses: Float[Tensor, "B D"], noise: Float[Tensor, "B latent"]
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B latent"], Float[Tensor, "B latent"]]:
        """Reconstruction of a sample (``noise`` is standard normal), mean, log variance."""
        mean, log_variance = self.encode(poses)
        return self.decoder(mean + noise * torch.exp(0.5 * log_variance)), mean, log_variance


def build_vae(num_keypoints: int, settings: VaeParams) -> PoseVae:
    """VAE whose random weights depend on ``settings.seed`` alone."""
    with seeded_weights(settings.seed, "vae"):
        return PoseVae(num_keypoints, settings)


def show(poses: Float[Tensor, "B D"], visible: Bool[Tensor, "B K"]) -> Float[Tensor, "B D"]:
    """Poses as :class:`PoseVae` takes them: zero where invisible."""
    return torch.where(visible.repeat_interleave(2, dim=1), poses, 0.0)


def squared_error(
    poses: Float[Tensor, "B D"], reconstruction: Float[Tensor, "B D"], visible: Bool[Tensor, "B K"]
) -> Float[Tensor, "B"]:
    """Sum of squared errors over visible keypoints, rescaled by K / visible (P1 eq. 1).

    Args:
        poses: normalised, in rows as :class:`PoseVae` takes them.
        reconstruction: likewise.
        visible: which keypoints count, at least one of a pose.
    """
    errors = (poses - reconstruction).square().unflatten(1, (-1, 2)).sum(dim=2)
    scores: Tensor = (errors * visible).sum(dim=1) * visible.shape[1] / visible.sum(dim=1)
    return scores


def kl_divergence(
    mean: Float[Tensor, "B latent"], log_variance: Float[Tensor, "B latent"]
) -> Float[Tensor, "B"]:
    """KL of N(mean, variance) to N(0, I)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


@torch.no_grad()
def leave_one_out_error(
    vae: PoseVae, poses: Float[Tensor, "N D"], visible: Bool[Tensor, "N K"]
) -> Float[Tensor, "N K"]:
    """Squared distance of each visible keypoint from where the VAE puts it by the others; 0 where invisible.

    A VAE that trained with hidden keypoints (``vae.mask``) bears with it.
    """
    num_poses, num_keypoints = visible.shape
    others = visible[:, None] & ~torch.eye(num_keypoints, dtype=torch.bool, device=visible.device)
    shown = show(poses.repeat_interleave(num_keypoints, dim=0), others.flatten(0, 1))
    found = vae.decoder(vae.encode(shown)[0]).view(num_poses, num_keypoints, num_keypoints, 2)
    own = found.diagonal(dim1=1, dim2=2).transpose(1, 2)
    errors: Tensor = (own - poses.unflatten(1, (-1, 2))).square().sum(dim=2)
    return errors * visible


def _mlp(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
