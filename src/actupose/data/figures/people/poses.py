"""Seeded poses of people; half of them are mirrored, so that no side is special."""

from dataclasses import replace

import torch
from torch import Tensor

from actupose.data.figures.people.body import BODY
from actupose.data.figures.people.pose_templates import BASE_SPREAD, LIMITS, TEMPLATES
from actupose.data.figures.poses import PoseMix, Poses, Repertoire

_REVERSED_BY_MIRROR = ("root_yaw", "root_roll", "spine_twist", "spine_side", "neck_twist", "neck_side")


def _other_side(dof: str) -> str:
    """Name the degree of freedom that takes this one's place in a mirror."""
    if dof.startswith("right_"):
        return dof.replace("right_", "left_")
    return dof.replace("left_", "right_")


def _without_side(dof: str) -> str:
    return dof.removeprefix("right_").removeprefix("left_")


_REPERTOIRE = Repertoire(BODY.dofs, _without_side, TEMPLATES, LIMITS, BASE_SPREAD)
_MIRROR_FROM = torch.tensor([BODY.dofs.index(_other_side(dof)) for dof in BODY.dofs])
_MIRROR_SIGN = torch.tensor([-1.0 if dof in _REVERSED_BY_MIRROR else 1.0 for dof in BODY.dofs])


def mirror_angles(angles: Tensor) -> Tensor:
    """Angles (B, D) of the mirrored pose: sides swapped, turns to a side reversed."""
    return angles[:, _MIRROR_FROM] * _MIRROR_SIGN


def sample_poses(rng: torch.Generator, count: int, pose_mix: PoseMix) -> Poses:
    """``count`` poses whose categories follow ``pose_mix``."""
    poses = _REPERTOIRE.sample(rng, count, pose_mix)
    mirrored = torch.rand(count, 1, generator=rng) < 0.5
    return replace(poses, angles=torch.where(mirrored, mirror_angles(poses.angles), poses.angles))
