"""Which source samples an epoch uses, and how the model's own confidence re-ranks them (P1 3, P2 3.1.2)."""

from typing import Any

import torch
from torch import Tensor

from actupose.core.curriculum import (
    active_weights,
    assign_bins,
    bin_axis,
    broadened,
    draw_pool,
    hard_mining_weights,
    matching_weights,
    progressive_weights,
    rerank,
    sample_pool,
)
from actupose.core.rng import generator
from actupose.params import (
    ActiveCurriculum,
    ActiveSamplingCurriculum,
    Curriculum,
    HardMiningCurriculum,
    PeakCurriculum,
    ProgressiveCurriculum,
    RandomShareCurriculum,
    ScheduleParams,
    UniformCurriculum,
)

Row = dict[str, float | int]

STATE = ("scores", "bins", "peaks", "moved", "matching")  # what changes as epochs go by


class CurriculumState:
    """Bins of the source's training samples through the epochs.

    ``peaks`` is the last known confidence of every sample, NaN before it was first drawn. A sample never
    drawn counts as confident as the mean of those drawn: taking 1 for it would move it below all of them.
    ``matching`` is the weight of every VAE bin by what the target shows, 1 before anything is known of it.
    """

    def __init__(self, curriculum: Curriculum, schedule: ScheduleParams, vae_scores: Tensor) -> None:
        self.curriculum = curriculum
        self.num_bins = curriculum.num_bins
        self.confidence = curriculum.confidence if isinstance(curriculum, PeakCurriculum) else "none"
        self.schedule = schedule
        self.vae_scores = vae_scores
        self.scores = vae_scores
        self.vae_bins = assign_bins(vae_scores, self.num_bins)
        self.bins = self.vae_bins
        self.peaks = torch.full_like(vae_scores, torch.nan)
        self.moved = torch.zeros(self.num_bins, dtype=torch.int64)
        self.matching = torch.ones(self.num_bins)

    @property
    def first_epoch(self) -> int:
        """Epoch from which the curriculum counts; until then all samples are alike."""
        is_late = isinstance(self.curriculum, ActiveSamplingCurriculum) and self.curriculum.clock != "run"
        return self.schedule.pretrain_epochs if is_late else 0

    def reranks(self, epoch: int) -> bool:
        """Whether the model's confidence in this epoch changes the bins of the next."""
        return self.confidence != "none" and epoch >= self.first_epoch

    def needs_full_pass(self, epoch: int) -> bool:
        """Whether confidence is asked for of every sample, drawn or not."""
        return self.reranks(epoch) and self.confidence == "full_pass"

    def needs_target(self, epoch: int) -> bool:
        """Whether the epoch depends on what the model finds on the target."""
        return self.curriculum.needs_pose_vae and epoch >= self.schedule.pretrain_epochs

    def weights(self, epoch: int) -> Tensor:
        """(Nb,) what each bin weighs: the share of it that is drawn, or how often one of its samples is."""
        match self.curriculum:
            case _ if epoch < self.first_epoch:
                return torch.ones(self.num_bins)
            case UniformCurriculum():
                return torch.ones(self.num_bins)
            case RandomShareCurriculum(share=share):
                return torch.full((self.num_bins,), share)
            case HardMiningCurriculum(hard_fraction=fraction):
                return hard_mining_weights(self.num_bins, fraction)
            case ProgressiveCurriculum():
                return progressive_weights(self.num_bins, epoch, self.schedule.epochs)
            case ActiveCurriculum(pace=pace, sigma=sigma, score_axis=axis):
                places = bin_axis(self.mean_scores(), axis)
                return active_weights(places, epoch, self.schedule.epochs, pace, sigma)
            case ActiveSamplingCurriculum():
                return self._mean_by_bin(self._sampling_weights(self.curriculum, epoch))

    def _sampling_weights(self, curriculum: ActiveSamplingCurriculum, epoch: int) -> Tensor:
        """(N,) how often each sample is drawn, mean 1: after the peak, and after what the target shows."""
        epoch, epochs = epoch - self.first_epoch, self.schedule.epochs - self.first_epoch
        places = bin_axis(self.mean_scores(), curriculum.score_axis)
        sigma = broadened(curriculum.sigma, epoch, epochs) if curriculum.broadens else curriculum.sigma
        peak = active_weights(places, epoch, epochs, curriculum.pace, sigma)
        peak = (curriculum.floor + (1 - curriculum.floor) * peak)[self.bins]
        matching = self.matching[self.vae_bins]
        return (peak / peak.mean()).lerp(matching / matching.mean(), curriculum.target_share)

    def _mean_by_bin(self, values: Tensor) -> Tensor:
        """(Nb,) of values (N,) of the samples."""
        return torch.zeros(self.num_bins).index_add_(0, self.bins, values.float()) / self.available()

    def mean_scores(self) -> Tensor:
        """(Nb,) mean score of each bin."""
        return self._mean_by_bin(self.scores)

    def available(self) -> Tensor:
        """(Nb,) samples in each bin."""
        return torch.bincount(self.bins, minlength=self.num_bins)

    def pool(self, epoch: int, seed: int) -> Tensor:
        """Positions of the samples this epoch uses."""
        random = generator(seed, "curriculum", epoch)
        if isinstance(self.curriculum, ActiveSamplingCurriculum) and epoch >= self.first_epoch:
            return sample_pool(self._sampling_weights(self.curriculum, epoch), len(self.bins), random)
        return draw_pool(self.bins, self.weights(epoch), random)

    def match(self, target_scores: Tensor) -> None:
        """Take over how frequent poses are in the target: VAE scores (M,) of what a model finds there."""
        self.matching = matching_weights(self.vae_scores, self.vae_bins, target_scores)

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
        """The epoch's heaviest bin and the pool's size as a share of the samples."""
        weights = self.weights(epoch)
        share = (weights * self.available()).sum() / len(self.bins)
        return {"curriculum/peak_bin": float(weights.argmax()), "curriculum/share": float(share)}

    def finish_epoch(self, epoch: int, peaks: Tensor) -> None:
        """Re-rank from the VAE score by what the epoch saw: ``peaks`` (N,), NaN for samples not drawn.

        ``moved`` then counts the samples that each bin took over from another.
        """
        if not self.reranks(epoch):
            return
        self.peaks = torch.where(torch.isnan(peaks), self.peaks, peaks)
        known = torch.nan_to_num(self.peaks, nan=float(self.peaks.nanmean()))
        self.scores = rerank(self.vae_scores, known)
        before, self.bins = self.bins, assign_bins(self.scores, self.num_bins)
        arrived = self.bins[self.bins != before]
        self.moved = torch.bincount(arrived, minlength=self.num_bins)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {name: getattr(self, name) for name in STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` stood."""
        for name in STATE:
            setattr(self, name, state[name])
