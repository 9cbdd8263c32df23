"""Curricula: bins of equal count by score, bin weights for an epoch, and the samples drawn (P1 2.2; P2 3.1).

These run once an epoch on the CPU; bins and epochs count from 0, bin 0 is the easiest. What no paper has says
so: ``broadened``, ``matching_weights``, ``sample_pool``.
"""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor

ScoreAxis = Literal["rank", "minmax", "raw"]


def assign_bins(scores: Float[Tensor, "N"], num_bins: int) -> Int64[Tensor, "N"]:
    """Sort by score and split into bins of equal count; equal scores are ordered by position.

    Args:
        scores: higher is harder.
        num_bins: 1 to N.

    Returns:
        Bin of every sample; bin sizes differ by at most one.

    Raises:
        ValueError: more bins than samples, no bin at all, or a score that is not finite.
    """
    if not 1 <= num_bins <= len(scores):
        raise ValueError(f"{num_bins} bins of {len(scores)} samples: a bin needs at least one sample")
    if not scores.isfinite().all():
        raise ValueError(f"{int((~scores.isfinite()).sum())} scores are not finite")
    order = scores.argsort(stable=True)
    bins = torch.empty_like(order)
    bins[order] = torch.arange(len(scores), device=scores.device) * num_bins // len(scores)
    return bins


def peak_bin(num_bins: int, epoch: int, epochs: int, pace: float) -> int:
    """Bin on which the epoch centres: min(floor(pace * num_bins * epoch / epochs), num_bins - 1) (P2 3.1.2).

    Raises:
        ValueError: the epoch is negative.
    """
    if epoch < 0:
        raise ValueError(f"epoch {epoch}: epochs count from 0")
    return min(math.floor(pace * num_bins * epoch / epochs), num_bins - 1)


def bin_axis(mean_scores: Float[Tensor, "Nb"], axis: ScoreAxis) -> Float[Tensor, "Nb"]:
    """Place of every bin on the axis along which sigma is measured; the paper leaves the axis open.

    Args:
        mean_scores: of the bins, in ascending order.
        axis: ``rank`` j / (Nb - 1); ``minmax`` scores scaled to 0..1; ``raw`` scores as they are.

    Returns:
        Places, of the scores' dtype; zeros where there is one bin, or one score for ``minmax``.

    Raises:
        ValueError: the axis is unknown.
    """
    match axis:
        case "rank":
            rank = torch.arange(len(mean_scores), device=mean_scores.device, dtype=mean_scores.dtype)
            return rank / max(len(mean_scores) - 1, 1)
        case "minmax":
            above = mean_scores - mean_scores.min()
            return above / above.max().clamp(min=torch.finfo(above.dtype).tiny)
        case "raw":
            return mean_scores
        case _:
            raise ValueError(f"score axis {axis!r}: one of {', '.join(get_args(ScoreAxis))}")


def active_weights(
    bin_scores: Float[Tensor, "Nb"], epoch: int, epochs: int, pace: float, sigma: float
) -> Float[Tensor, "Nb"]:
    """Gaussian around the epoch's peak bin g: exp(-(s_j - s_g)^2 / (2 sigma^2)) (P2 eq. 1).

    Args:
        bin_scores: s, as ``bin_axis`` gives them.
        epoch: 0-based.
        epochs: of the whole schedule.
        pace: sweeps of the bins in the schedule; beyond the last bin the peak stays there.
        sigma: width on the axis of ``bin_scores``.

    Returns:
        Weights, 1 at the peak.
    """
    peak = bin_scores[peak_bin(len(bin_scores), epoch, epochs, pace)]
    return torch.exp(-((bin_scores - peak) ** 2) / (2 * sigma**2))


def broadened(sigma: float, epoch: int, epochs: int) -> float:
    """Width of a peak that ends as wide as all bins: sigma / (1 - epoch / epochs) (ours)."""
    return sigma / (1 - epoch / epochs)


def matching_weights(
    source_scores: Float[Tensor, "N"], bins: Int64[Tensor, "N"], target_scores: Float[Tensor, "M"]
) -> Float[Tensor, "Nb"]:
    """Weights by which source bins are as frequent as poses like theirs are in the target (ours).

    Args:
        source_scores: of the VAE, which ``bins`` sort.
        bins: equal counts.
        target_scores: of poses predicted on target photos, by the same VAE; at least one.

    Returns:
        Mean 1. A target pose beyond the source's hardest counts for the last bin.
    """
    num_bins = int(bins.max()) + 1
    counts = bins_of_scores(target_scores, source_scores, bins).bincount(minlength=num_bins)
    return counts * num_bins / counts.sum()


def bins_of_scores(
    scores: Float[Tensor, "M"], source_scores: Float[Tensor, "N"], bins: Int64[Tensor, "N"]
) -> Int64[Tensor, "M"]:
    """Source bin in which a pose of each score would be.

    Args:
        scores: of other poses, by the VAE that scored the source's.
        source_scores: which ``bins`` sort.
        bins: all of them hold a pose.

    Returns:
        Bins; of a score beyond the source's hardest the last.
    """
    num_bins = int(bins.max()) + 1
    hardest = torch.full((num_bins,), -torch.inf).scatter_reduce(0, bins, source_scores.float(), "amax")
    return torch.bucketize(scores.float(), hardest[:-1])


def hard_mining_weights(num_bins: int, hard_fraction: float) -> Float[Tensor, "Nb"]:
    """VAE-HM (P1): 1 for the hardest round(hard_fraction * num_bins) bins, at least one."""
    hard = max(round(hard_fraction * num_bins), 1)
    return (torch.arange(num_bins) >= num_bins - hard).float()


def progressive_weights(num_bins: int, epoch: int, epochs: int) -> Float[Tensor, "Nb"]:
    """VAE-CL (P1 3): 1 for the easiest third of the bins, later two thirds, then all.

    The switches fall at one and two thirds of the epochs.
    """
    thirds = min(3 * epoch // epochs, 2) + 1
    easy = max(round(thirds * num_bins / 3), 1)
    return (torch.arange(num_bins) < easy).float()


def draw_counts(weights: Float[Tensor, "Nb"], available: Int64[Tensor, "Nb"]) -> Int64[Tensor, "Nb"]:
    """Count the samples to draw of every bin: round(weight * available), at least one of the heaviest bin.

    Args:
        weights: 0 to 1.
        available: samples in each bin.

    Returns:
        Counts, never above ``available``.
    """
    counts = (weights.double() * available).round().long()
    heaviest = torch.where(available > 0, weights, -1).argmax()
    counts[heaviest] = counts[heaviest].clamp(min=1)
    return counts.minimum(available)


def draw_pool(
    bins: Int64[Tensor, "N"], weights: Float[Tensor, "Nb"], generator: torch.Generator
) -> Int64[Tensor, "M"]:
    """Draw an epoch's samples: from every bin its ``draw_counts``, without replacement, in random order.

    Args:
        bins: of every sample, on the CPU.
        weights: of the bins, 0 to 1.
        generator: CPU generator; equal generators give equal pools.

    Returns:
        Positions of samples, M >= 1.

    Raises:
        ValueError: there is no sample.
    """
    if len(bins) == 0:
        raise ValueError("no samples to draw from")
    available = bins.bincount(minlength=len(weights))
    counts = draw_counts(weights, available)
    shuffled = torch.randperm(len(bins), generator=generator)
    by_bin = shuffled[bins[shuffled].argsort(stable=True)]
    place_in_bin = torch.arange(len(bins)) - (available.cumsum(0) - available)[bins[by_bin]]
    drawn = by_bin[place_in_bin < counts[bins[by_bin]]]
    return drawn[torch.randperm(len(drawn), generator=generator)]


def sample_pool(
    weights: Float[Tensor, "N"], count: int, generator: torch.Generator
) -> Int64[Tensor, "count"]:
    """Draw samples in proportion to their weights, as evenly as whole numbers allow (systematic sampling).

    A sample of weight w is drawn floor or ceil(count * w / sum) times: a narrow peak repeats what it holds
    and leaves the pool's size as it is.

    Args:
        weights: not negative, not all 0, on the CPU.
        count: samples to draw.
        generator: CPU generator; equal generators give equal pools.

    Returns:
        Positions of samples, in random order.
    """
    shuffled = torch.randperm(len(weights), generator=generator)
    edges = weights[shuffled].double().cumsum(0)
    places = (torch.arange(count) + torch.rand(1, generator=generator).double()) * (edges[-1] / count)
    drawn = shuffled[torch.searchsorted(edges, places, right=True).clamp(max=len(weights) - 1)]
    return drawn[torch.randperm(count, generator=generator)]


def rerank(vae_scores: Float[Tensor, "N"], mean_peaks: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
    """Score corrected by the student's confidence: vae_score * K / sum_k peak_k (P2 3.1.2).

    Args:
        vae_scores: always the VAE's own, so that corrections do not compound.
        mean_peaks: mean over keypoints of the heat-map peaks, each clamped to [0.05, 1].

    Returns:
        Scores: an unsure student makes a sample harder.
    """
    return vae_scores / mean_peaks
