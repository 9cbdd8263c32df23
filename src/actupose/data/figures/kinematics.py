"""Articulated body: rigid segments, the degrees of freedom between them, and forward kinematics.

Body frame of every segment in the neutral pose (standing, arms down): x to the person's left, y up, z to the
front; metres of a figure of about 1.75 m. The world frame is the body frame of an unrotated pelvis.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
from torch import Tensor

Axis = Literal["x", "y", "z"]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Turn:
    """One elementary rotation of a segment: ``factor`` times the angle ``dof`` about ``axis``."""

    dof: str
    axis: Axis
    factor: float


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


def _spine(prefix: str, share: float) -> tuple[Turn, ...]:
    """Twist, bend forward, bend sideways to the person's right; ``share`` of the named angles."""
    axes: tuple[tuple[str, Axis], ...] = (("twist", "y"), ("flex", "x"), ("side", "z"))
    return tuple(Turn(f"{prefix}_{name}", axis, share) for name, axis in axes)


def _ball(prefix: str, mirror: float) -> tuple[Turn, ...]:
    """Shoulder or hip: forward, then away from the body, then about the limb (positive: outward)."""
    return (
        Turn(f"{prefix}_flex", "x", -1.0),
        Turn(f"{prefix}_abduct", "z", mirror),
        Turn(f"{prefix}_twist", "y", mirror),
    )


def _limbs(side: Literal["right", "left"]) -> tuple[Segment, ...]:
    """Arm and leg of one side; the person's left has positive x."""
    mirror = 1.0 if side == "left" else -1.0
    arm, forearm, thigh, shin, foot = (
        f"{side}_{n}" for n in ("upper_arm", "forearm", "thigh", "shin", "foot")
    )
    return (
        Segment(arm, "chest", (mirror * 0.18, 0.205, -0.005), _ball(f"{side}_shoulder", mirror)),
        Segment(forearm, arm, (0.0, -0.285, 0.0), (Turn(f"{side}_elbow", "x", -1.0),)),
        Segment(thigh, "pelvis", (mirror * 0.092, -0.02, 0.0), _ball(f"{side}_hip", mirror)),
        Segment(shin, thigh, (0.0, -0.43, 0.0), (Turn(f"{side}_knee", "x", 1.0),)),
        Segment(foot, shin, (0.0, -0.41, 0.0), (Turn(f"{side}_ankle", "x", -1.0),)),
    )


SEGMENTS: tuple[Segment, ...] = (
    Segment(
        "pelvis",
        None,
        (0.0, 0.0, 0.0),
        (Turn("root_yaw", "y", 1.0), Turn("root_pitch", "x", 1.0), Turn("root_roll", "z", 1.0)),
    ),
    Segment("abdomen", "pelvis", (0.0, 0.08, 0.0), _spine("spine", 0.5)),
    Segment("chest", "abdomen", (0.0, 0.15, 0.0), _spine("spine", 0.5)),
    Segment("head", "chest", (0.0, 0.315, 0.01), _spine("neck", 1.0)),
    *_limbs("right"),
    *_limbs("left"),
)
SEGMENT_INDEX = {segment.name: i for i, segment in enumerate(SEGMENTS)}
DOFS: tuple[str, ...] = tuple(dict.fromkeys(turn.dof for segment in SEGMENTS for turn in segment.turns))
DOF_INDEX = {dof: i for i, dof in enumerate(DOFS)}


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


def forward_kinematics(angles: Tensor, stretch: Tensor) -> Frames:
    """Segment frames of angles (B, len(DOFS)) in radians and local stretch (B, S, 3)."""
    rotations: list[Tensor] = []
    origins: list[Tensor] = []
    for segment in SEGMENTS:
        turns = [axis_rotation(t.axis, t.factor * angles[:, DOF_INDEX[t.dof]]) for t in segment.turns]
        rotation = reduce(torch.matmul, turns)
        origin = torch.zeros(len(angles), 3)
        if segment.parent is not None:
            p = SEGMENT_INDEX[segment.parent]
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
