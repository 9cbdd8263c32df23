"""Seeded poses: a long-tailed mixture of templates, drawn within the range of motion."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from actupose.data.figures.kinematics import DOFS
from actupose.data.figures.pose_templates import BASE_SPREAD, LIMITS, TEMPLATES

PoseMix = tuple[float, float, float]

_REVERSED_BY_MIRROR = ("root_yaw", "root_roll", "spine_twist", "spine_side", "neck_twist", "neck_side")


@dataclass(frozen=True)
class Poses:
    """Angles (B, len(DOFS)) in radians; template and category (B,) as integers."""

    angles: Tensor
    template: Tensor
    category: Tensor


def _other_side(dof: str) -> str:
    """Name the degree of freedom that takes this one's place in a mirror."""
    if dof.startswith("right_"):
        return dof.replace("right_", "left_")
    return dof.replace("left_", "right_")


def _without_side(dof: str) -> str:
    return dof.removeprefix("right_").removeprefix("left_")


def _row(entries: Mapping[str, float], default: float) -> list[float]:
    """One value per degree of freedom: the entry with a side, else that for both sides, else the default."""
    return [entries.get(dof, entries.get(_without_side(dof), default)) for dof in DOFS]


def _template_table() -> dict[str, Tensor]:
    """Mean, spread, amplitude and lag (T, D) in radians of all templates."""
    templates = list(TEMPLATES.values())
    rows = {
        "mean": [_row(t.mean, 0.0) for t in templates],
        "spread": [_row(t.spread, BASE_SPREAD[t.category]) for t in templates],
        "amplitude": [_row({k: v[0] for k, v in t.swing.items()}, 0.0) for t in templates],
        "lag": [_row({k: v[1] for k, v in t.swing.items()}, 0.0) for t in templates],
    }
    return {name: torch.deg2rad(torch.tensor(values)) for name, values in rows.items()}


_TABLE = _template_table()
_WEIGHTS = torch.tensor([t.weight for t in TEMPLATES.values()])
_CATEGORY = torch.tensor([t.category for t in TEMPLATES.values()])
_LIMITS = torch.deg2rad(torch.tensor([LIMITS[_without_side(dof)] for dof in DOFS]))
_MIRROR_FROM = torch.tensor([DOFS.index(_other_side(dof)) for dof in DOFS])
_MIRROR_SIGN = torch.tensor([-1.0 if dof in _REVERSED_BY_MIRROR else 1.0 for dof in DOFS])


def mirror_angles(angles: Tensor) -> Tensor:
    """Angles (B, D) of the mirrored pose: sides swapped, turns to a side reversed."""
    return angles[:, _MIRROR_FROM] * _MIRROR_SIGN


def _sample_templates(rng: torch.Generator, count: int, pose_mix: PoseMix) -> Tensor:
    """Template (B,) of each figure: category by ``pose_mix``, then by weight within the category."""
    per_category = torch.zeros(3).index_add(0, _CATEGORY, _WEIGHTS)
    probability = torch.tensor(pose_mix)[_CATEGORY] * _WEIGHTS / per_category[_CATEGORY]
    drawn = torch.rand(count, generator=rng)
    return torch.searchsorted(probability.cumsum(0), drawn, right=True).clamp(max=len(TEMPLATES) - 1)


def sample_angles(rng: torch.Generator, template: Tensor) -> Tensor:
    """Angles (B, D) in radians of templates (B,), within the limits; half of the figures are mirrored."""
    shape = (len(template), len(DOFS))
    noise = torch.randn(shape, generator=rng)
    phase = 2 * torch.pi * torch.rand(len(template), 1, generator=rng)
    row = {name: values[template] for name, values in _TABLE.items()}
    angles = row["mean"] + row["spread"] * noise + row["amplitude"] * (phase + row["lag"]).sin()
    angles = angles.clamp(_LIMITS[:, 0], _LIMITS[:, 1])
    mirrored = torch.rand(len(template), 1, generator=rng) < 0.5
    return torch.where(mirrored, mirror_angles(angles), angles)


def sample_poses(rng: torch.Generator, count: int, pose_mix: PoseMix) -> Poses:
    """``count`` poses whose categories follow ``pose_mix``."""
    template = _sample_templates(rng, count, pose_mix)
    return Poses(sample_angles(rng, template), template, _CATEGORY[template])
