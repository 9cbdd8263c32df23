"""Articulated figures: rigid segments, the degrees of freedom between them, and forward kinematics.

The first segment is the root; the world frame is that of an unrotated root. A figure whose z looks at the
camera and whose y is up is seen from the front.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
from torch import Tensor

Axis = Literal["x", "y", "z"]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Turn:
    """One elementary rotation about ``axis``: ``rest`` degrees and ``factor`` times the angle ``dof``."""

    dof: str
    axis: Axis
    factor: float
    rest: float = 0.0


@dataclass(frozen=True)
class Segment:
    """A rigid piece: its ``pivot`` in the frame of its ``parent`` and the turns about it, outermost first."""

    name: str
    parent: str | None
    pivot: Point
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class Frames:
    """Where the segments are.

    Attributes:
        rotation: (B, S, 3, 3) world_from_segment.
        origin: (B, S, 3) in the world, metres.
        stretch: (B, S, 3) by which body shape multiplies local coordinates.

    """

    rotation: Tensor
    origin: Tensor
    stretch: Tensor


def axis_rotation(axis: Axis, angle: Tensor) -> Tensor:
    """Right-handed rotations (B, 3, 3) by ``angle`` (B,) in radians about a coordinate axis."""
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    matrix = torch.zeros(*angle.shape, 3, 3)
    matrix[..., i, i] = 1.0
    matrix[..., j, j] = matrix[..., k, k] = angle.cos()
    matrix[..., k, j] = angle.sin()
    matrix[..., j, k] = -angle.sin()
    return matrix


def forward_kinematics(segments: Sequence[Segment], angles: Mapping[str, Tensor], stretch: Tensor) -> Frames:
    """Segment frames of angles (B,) in radians by degree of freedom, and local stretch (B, S, 3)."""
    index = {segment.name: i for i, segment in enumerate(segments)}
    rotations: list[Tensor] = []
    origins: list[Tensor] = []
    for segment in segments:
        turns = [
            axis_rotation(t.axis, math.radians(t.rest) + t.factor * angles[t.dof]) for t in segment.turns
        ]
        rotation = reduce(torch.matmul, turns)
        origin = torch.zeros(len(stretch), 3)
        if segment.parent is not None:
            p = index[segment.parent]
            pivot = stretch[:, p] * torch.tensor(segment.pivot)
            origin = origins[p] + (rotations[p] @ pivot[..., None])[..., 0]
            rotation = rotations[p] @ rotation
        rotations.append(rotation)
        origins.append(origin)
    return Frames(torch.stack(rotations, 1), torch.stack(origins, 1), stretch)


def world_points(frames: Frames, segments: Tensor, local: Tensor) -> Tensor:
    """World positions (B, M, 3) of points ``local`` (M, 3), each given in the segment ``segments`` (M,)."""
    stretched = frames.stretch[:, segments] * local
    return frames.origin[:, segments] + (frames.rotation[:, segments] @ stretched[..., None])[..., 0]
