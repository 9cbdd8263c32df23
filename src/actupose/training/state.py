"""What a run carries from step to step, as a value that saves and restores itself."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from actupose.methods import Method, StepResult
from actupose.training.checkpoint import load_checkpoint, save_checkpoint
from actupose.training.curriculum_state import CurriculumState, Row


@dataclass
class RunState:
    """A method's weights, the curriculum's bins and what has been recorded so far.

    Attributes:
        peaks: (N,) mean peak of every labelled sample in the epoch, NaN for those not seen.
        sums: of every term over the epoch's steps.
        history: metrics of every finished epoch.
    """

    method: Method
    curriculum: CurriculumState | None
    peaks: Tensor
    step: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    curriculum_rows: list[Row] = field(default_factory=list)

    def note(self, index: Tensor, result: StepResult) -> None:
        """Count a step that learned from the labelled samples at ``index`` (B,)."""
        self.peaks[index] = result.peaks
        for name, value in terms_of(result).items():
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value.detach()
        self.step += 1

    def finish_epoch(self, metrics: dict[str, float]) -> None:
        """Keep an epoch's metrics; its records begin again."""
        self.history.append(metrics)
        self.sums = {}
        self.peaks = torch.full_like(self.peaks, torch.nan)

    def is_finite(self) -> bool:
        """Whether every weight is a number; waits for the device."""
        weights = [weight for network in self.method.networks.values() for weight in network.parameters()]
        return bool(torch.stack([weight.isfinite().all() for weight in weights]).all())

    def save(self, folder: Path, key: str, only: Collection[str] | None = None) -> None:
        """Write a checkpoint, of these parts alone."""
        save_checkpoint(folder, self.step, {"key": key, **self._values(only)})

    def restore(self, folder: Path, key: str, only: Collection[str] | None = None) -> None:
        """Go on from the newest usable checkpoint, if there is one; other parts stay as they are."""
        saved = load_checkpoint(folder, key)
        if saved is None:
            return
        for name, part in self._parts(only).items():
            part.load_state_dict(saved["parts"][name])
        device = self.peaks.device
        self.step, self.peaks = saved["step"], saved["peaks"].to(device)
        self.sums = {name: value.to(device) for name, value in saved["sums"].items()}
        self.history, self.curriculum_rows = saved["history"], saved["curriculum_rows"]

    def _values(self, only: Collection[str] | None) -> dict[str, Any]:
        return {
            "parts": {name: part.state_dict() for name, part in self._parts(only).items()},
            "step": self.step,
            "peaks": self.peaks,
            "sums": self.sums,
            "history": self.history,
            "curriculum_rows": self.curriculum_rows,
        }

    def _parts(self, only: Collection[str] | None) -> dict[str, Any]:
        """Whatever has a state of its own, or what is named of it."""
        networks = {f"network {name}": part for name, part in self.method.networks.items()}
        optimizers = {f"optimizer {name}": part for name, part in self.method.optimizers.items()}
        curriculum = {"curriculum": self.curriculum} if self.curriculum is not None else {}
        parts = {**networks, **optimizers, **curriculum}
        return {name: part for name, part in parts.items() if only is None or name in only}


def terms_of(result: StepResult) -> Mapping[str, Tensor]:
    """Losses and what is only logged."""
    return {**result.losses, **result.logged}
