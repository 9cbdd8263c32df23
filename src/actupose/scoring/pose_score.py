"""The pose VAE at work: train it on source poses, score poses (P1 2.1)."""

import json
from collections.abc import Callable
from math import isfinite
from pathlib import Path

import pyarrow as pa
import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from actupose.core.pose import whole_poses
from actupose.core.rng import generator
from actupose.errors import UserError
from actupose.files import atomic_path
from actupose.nets.pose_vae import PoseVae, build_vae, kl_divergence, show, squared_error
from actupose.nets.weight_file import write_weights
from actupose.params import VaeParams
from actupose.tables import HISTORY, history_table, list_values, write_table

SCORING_BATCH = 4096  # poses whose layers stay in the cache


def pose_tensors(normalised: pa.Table) -> tuple[Float[Tensor, "N D"], Bool[Tensor, "N K"]]:
    """Poses of a normalised table as :class:`PoseVae` takes them, and which keypoints are visible."""
    visible = torch.from_numpy(list_values(normalised, "visible"))
    poses = torch.from_numpy(list_values(normalised, "pose"))
    return show(poses, visible), visible


def train_vae(
    poses: Float[Tensor, "N D"],
    visible: Bool[Tensor, "N K"],
    settings: VaeParams,
    on_epoch: Callable[[int], None],
) -> tuple[PoseVae, list[dict[str, float]]]:
    """Train on normalised poses; returns the VAE and the mean loss terms of every epoch.

    Args:
        poses: as :func:`pose_tensors` gives them.
        visible: which keypoints count.
        settings: widths, weight of the KL term, epochs, seed.
        on_epoch: told the number of finished epochs.

    Raises:
        UserError: the loss is not finite any more.
    """
    vae = build_vae(visible.shape[1], settings)
    optimizer = torch.optim.Adam(vae.parameters(), lr=settings.lr)
    history = []
    for epoch in range(settings.epochs):
        history.append(_train_epoch(vae, optimizer, poses, visible, settings, epoch))
        if not all(map(isfinite, history[-1].values())):
            raise UserError(
                f"the pose VAE's loss is not finite after epoch {epoch}; lower vae.lr = {settings.lr}"
            )
        on_epoch(epoch + 1)
    return vae.eval(), history


def _train_epoch(
    vae: PoseVae,
    optimizer: torch.optim.Optimizer,
    poses: Float[Tensor, "N D"],
    visible: Bool[Tensor, "N K"],
    settings: VaeParams,
    epoch: int,
) -> dict[str, float]:
    random = generator(settings.seed, "vae/epoch", epoch)
    totals = torch.zeros(2)
    for rows in torch.randperm(len(poses), generator=random).split(settings.batch_size):
        noise = torch.randn(len(rows), settings.latent, generator=random)
        shown = _hide(poses[rows], visible[rows], settings.mask, random) if settings.mask else poses[rows]
        reconstruction, mean, log_variance = vae(shown, noise)
        error = squared_error(poses[rows], reconstruction, visible[rows]).mean()
        divergence = kl_divergence(mean, log_variance).mean()
        optimizer.zero_grad()
        (error + settings.kl_weight * divergence).backward()
        optimizer.step()
        totals += torch.stack([error, divergence]).detach() * len(rows) / len(poses)
    return {"reconstruction": float(totals[0]), "kl": float(totals[1])}


def _hide(
    poses: Float[Tensor, "B D"], visible: Bool[Tensor, "B K"], mask: float, random: torch.Generator
) -> Float[Tensor, "B D"]:
    """Poses of which up to the share ``mask`` of the visible keypoints is hidden, as many as a draw says."""
    share = mask * torch.rand(len(poses), 1, generator=random)
    place = torch.rand(visible.shape, generator=random).masked_fill(~visible, 2.0).argsort(1).argsort(1)
    hidden = place < (share * visible.sum(dim=1, keepdim=True)).round()
    return show(poses, ~hidden)


@torch.no_grad()
def score_poses(
    vae: PoseVae, poses: Float[Tensor, "N D"], visible: Bool[Tensor, "N K"]
) -> Float[Tensor, "N"]:
    """How little support a pose has; see :class:`~actupose.params.VaeParams`.

    It is the squared reconstruction error, with the decoder fed the mean, and the settings' share of the KL
    term.
    """
    batches = zip(poses.split(SCORING_BATCH), visible.split(SCORING_BATCH), strict=True)
    return torch.cat([_score_batch(vae, batch, shown) for batch, shown in batches])


def score_keypoints(vae: PoseVae, keypoints_px: Float[Tensor, "N K 2"]) -> Float[Tensor, "N"]:
    """Score predicted poses, in pixels and all visible; one with all keypoints in one place as a point."""
    return score_poses(vae, *whole_poses(keypoints_px))


def _score_batch(
    vae: PoseVae, poses: Float[Tensor, "N D"], visible: Bool[Tensor, "N K"]
) -> Float[Tensor, "N"]:
    mean, log_variance = vae.encode(poses)
    error = squared_error(poses, vae.decoder(mean), visible)
    return error + vae.score_kl * kl_divergence(mean, log_variance) if vae.score_kl else error


def save_vae(folder: Path, vae: PoseVae, settings: VaeParams, history: list[dict[str, float]]) -> None:
    """Write weights, config and training history."""
    write_weights(folder / "vae.safetensors", vae)
    config = {"num_keypoints": vae.num_keypoints, "settings": settings.model_dump(mode="json")}
    with atomic_path(folder / "vae.json") as path:
        path.write_text(json.dumps(config, indent=2) + "\n")
    write_table(folder / "history.parquet", history_table(history), HISTORY)


def load_vae(folder: Path) -> PoseVae:
    """Read what :func:`save_vae` wrote.

    Raises:
        UserError: a file is missing, damaged, or does not fit the other.
    """
    try:
        config = json.loads((folder / "vae.json").read_text())
        vae = PoseVae(config["num_keypoints"], VaeParams.model_validate(config["settings"]))
        vae.load_state_dict(load((folder / "vae.safetensors").read_bytes()))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; run the train_vae stage (dvc repro)") from None
    except (ValueError, KeyError, TypeError, SafetensorError, RuntimeError) as error:
        raise UserError(f"{folder}: not a usable pose VAE: {str(error).splitlines()[0]}") from None
    return vae.eval()
