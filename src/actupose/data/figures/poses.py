"""Seeded poses: a long-tailed mixture of templates, drawn within the range of motion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

EVERYDAY, MODERATE, RARE = range(3)

PoseMix = tuple[float, float, float]
"""Shares of everyday, moderate and rare poses."""


@dataclass(frozen=True)
class Template:
    """Angles = mean + spread * normal + amplitude * sin(phase + lag), with one phase per figure.

    Attributes:
        mean: degrees; absent angles are 0.
        spread: standard deviation in degrees, where it differs from the repertoire's.
        swing: (amplitude, lag) in degrees of a cyclic motion.
        weight: relative frequency within the category.

    """

    category: int
    mean: Mapping[str, float] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    swing: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    weight: float = 1.0


@dataclass(frozen=True)
class Poses:
    """Angles (B, D) in radians; template and category (B,) as integers."""

    angles: Tensor
    template: Tensor
    category: Tensor


@dataclass(frozen=True, eq=False)
class Repertoire:
    """Templates of an anatomy's poses.

    Attributes:
        dofs: degrees of freedom, in the order of the angles.
        family: name that several degrees of freedom share in templates and limits, such as both knees.
        limits: range of motion in degrees.
        spread: standard deviation in degrees, by category, of an angle whose template names none.

    """

    dofs: tuple[str, ...]
    family: Callable[[str], str]
    templates: Mapping[str, Template]
    limits: Mapping[str, tuple[float, float]]
    spread: tuple[float, float, float]

    def sample(self, rng: torch.Generator, count: int, pose_mix: PoseMix) -> Poses:
        """``count`` poses whose categories follow ``pose_mix``."""
        template = self._sample_templates(rng, count, pose_mix)
        return Poses(self._sample_angles(rng, template), template, self._category[template])

    def _row(self, entries: Mapping[str, float], default: float) -> list[float]:
        """One value per degree of freedom: its own entry, else its family's, else the default."""
        return [entries.get(dof, entries.get(self.family(dof), default)) for dof in self.dofs]

    @cached_property
    def _table(self) -> dict[str, Tensor]:
        """Mean, spread, amplitude and lag (T, D) in radians of all templates."""
        templates = list(self.templates.values())
        rows = {
            "mean": [self._row(t.mean, 0.0) for t in templates],
            "spread": [self._row(t.spread, self.spread[t.category]) for t in templates],
            "amplitude": [self._row({k: v[0] for k, v in t.swing.items()}, 0.0) for t in templates],
            "lag": [self._row({k: v[1] for k, v in t.swing.items()}, 0.0) for t in templates],
        }
        return {name: torch.deg2rad(torch.tensor(values)) for name, values in rows.items()}

    @cached_property
    def _category(self) -> Tensor:
        return torch.tensor([t.category for t in self.templates.values()])

    @cached_property
    def _limits(self) -> Tensor:
        """(D, 2) in radians."""
        return torch.deg2rad(torch.tensor([self.limits[self.family(dof)] for dof in self.dofs]))

    def _sample_templates(self, rng: torch.Generator, count: int, pose_mix: PoseMix) -> Tensor:
        """Template (B,) of each figure: category by ``pose_mix``, then by weight within the category."""
        weights = torch.tensor([t.weight for t in self.templates.values()])
        per_category = torch.zeros(3).index_add(0, self._category, weights)
        probability = torch.tensor(pose_mix)[self._category] * weights / per_category[self._category]
        drawn = torch.rand(count, generator=rng)
        found = torch.searchsorted(probability.cumsum(0), drawn, right=True)
        return found.clamp(max=len(self.templates) - 1)

    def _sample_angles(self, rng: torch.Generator, template: Tensor) -> Tensor:
        """Angles (B, D) in radians of templates (B,), within the limits."""
        noise = torch.randn((len(template), len(self.dofs)), generator=rng)
        phase = 2 * torch.pi * torch.rand(len(template), 1, generator=rng)
        row = {name: values[template] for name, values in self._table.items()}
        angles = row["mean"] + row["spread"] * noise + row["amplitude"] * (phase + row["lag"]).sin()
        return angles.clamp(self._limits[:, 0], self._limits[:, 1])
