"""Which source samples an epoch uses, and how the model's own confidence re-ranks them (P1 3, P2 3.1.2)."""

from typing import Any

import torch
from torch import Tensor

from actupose.core.curriculum import (
    active_weights,
    assign_bins,
    bin_axis,
    draw_pool,
    hard_mining_weights,
    progressive_weights,
    rerank,
)
from actupose.core.rng import generator
from actupose.params import (
    ActiveCurriculum,
    Curriculum,
    HardMiningCurriculum,
    ProgressiveCurriculum,
    UniformCurriculum,
)

Row = dict[str, float | int]


class CurriculumState:
    """Bins of the source's training samples through the epochs.

    ``peaks`` is the last known confidence of every sample, NaN before it was first drawn. A sample never
    drawn counts as confident as the mean of those drawn: taking 1 for it would move it below all of them.
    """

    def __init__(self, curriculum: Curriculum, epochs: int, vae_scores: Tensor) -> None:
        self.curriculum = curriculum
        self.num_bins = curriculum.num_bins
        self.epochs = epochs
        self.vae_scores = vae_scores
        self.scores = vae_scores
        self.vae_bins = assign_bins(vae_scores, self.num_bins)
        self.bins = self.vae_bins
        self.peaks = torch.full_like(vae_scores, torch.nan)
        self.moved = torch.zeros(self.num_bins, dtype=torch.int64)

    @property
    def reranks(self) -> bool:
        """Whether the model's confidence changes the bins."""
        return isinstance(self.curriculum, ActiveCurriculum)

    @property
    def needs_full_pass(self) -> bool:
        """Whether confidence is asked for of every sample, drawn or not."""
        return isinstance(self.curriculum, ActiveCurriculum) and self.curriculum.confidence == "full_pass"

    def weights(self, epoch: int) -> Tensor:
        """(Nb,) share of each bin that this epoch draws."""
        match self.curriculum:
            case UniformCurriculum():
                return torch.ones(self.num_bins)
            case HardMiningCurriculum(hard_fraction=fraction):
                return hard_mining_weights(self.num_bins, fraction)
            case ProgressiveCurriculum():
                return progressive_weights(self.num_bins, epoch, self.epochs)
            case ActiveCurriculum(pace=pace, sigma=sigma, score_axis=axis):
                return active_weights(bin_axis(self.mean_scores(), axis), epoch, self.epochs, pace, sigma)

    def mean_scores(self) -> Tensor:
        """(Nb,) mean score of each bin."""
        sums = torch.zeros(self.num_bins).index_add_(0, self.bins, self.scores.float())
        return sums / self.available()

    def available(self) -> Tensor:
        """(Nb,) samples in each bin."""
        return torch.bincount(self.bins, minlength=self.num_bins)

    def pool(self, epoch: int, seed: int) -> Tensor:
        """Positions of the samples this epoch uses."""
        return draw_pool(self.bins, self.weights(epoch), generator(seed, "curriculum", epoch))

    def rows(self, epoch: int, pool: Tensor) -> list[Row]:
        """One row a bin of ``curriculum.parquet``."""
        columns = {
            "mean_score": self.mean_scores(),
            "weight": self.weights(epoch),
            "available": self.available(),
            "drawn": torch.bincount(self.bins[pool], minlength=self.num_bins),
            "moved": self.moved,
        }
        values = {name: column.tolist() for name, column in columns.items()}
        return [
            {"epoch": epoch, "bin": index, **{name: column[index] for name, column in values.items()}}
            for index in range(self.num_bins)
        ]

    def flow(self) -> list[Row]:
        """Rows of ``flow.parquet``: samples by the bin of their VAE score and the bin they are in now."""
        num_bins = self.num_bins
        counts = torch.bincount(num_bins * self.vae_bins + self.bins, minlength=num_bins**2).tolist()
        return [
            {"vae_bin": pair // num_bins, "bin": pair % num_bins, "count": count}
            for pair, count in enumerate(counts)
            if count
        ]

    def metrics(self, epoch: int) -> dict[str, float]:
        """The epoch's heaviest bin and the share of samples it draws."""
        weights = self.weights(epoch)
        share = (weights * self.available()).sum() / len(self.bins)
        return {"curriculum/peak_bin": float(weights.argmax()), "curriculum/share": float(share)}

    def finish_epoch(self, peaks: Tensor) -> None:
        """Re-rank from the VAE score by what the epoch saw: ``peaks`` (N,), NaN for samples not drawn.

        ``moved`` then counts the samples that each bin took over from another.
        """
        if not self.reranks:
            return
        self.peaks = torch.where(torch.isnan(peaks), self.peaks, peaks)
        known = torch.nan_to_num(self.peaks, nan=float(self.peaks.nanmean()))
        self.scores = rerank(self.vae_scores, known)
        before, self.bins = self.bins, assign_bins(self.scores, self.num_bins)
        arrived = self.bins[self.bins != before]
        self.moved = torch.bincount(arrived, minlength=self.num_bins)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"scores": self.scores, "bins": self.bins, "peaks": self.peaks, "moved": self.moved}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` stood."""
        self.scores, self.bins = state["scores"], state["bins"]
        self.peaks, self.moved = state["peaks"], state["moved"]
