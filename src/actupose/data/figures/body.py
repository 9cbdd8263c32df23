"""The body as tapered capsules and ellipsoids on segments, with the keypoints they carry; body shapes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from actupose.data.figures.kinematics import SEGMENT_INDEX, SEGMENTS, Frames, Point, world_points
from actupose.skeleton import BODY16


@dataclass(frozen=True)
class Capsule:
    """Hull of two balls, ``start`` and ``end`` in the frame of ``segment``; metres."""

    name: str
    segment: str
    start: Point
    end: Point
    radii: tuple[float, float]
    keypoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ellipsoid:
    """Ball stretched along the axes of ``segment``; metres."""

    name: str
    segment: str
    centre: Point
    radii: Point
    keypoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Solids:
    """Placed primitives of B figures in one Cartesian frame.

    Attributes:
        start, end: (B, C, 3) ends of the capsules.
        radii: (B, C, 2) at start and end.
        centre: (B, E, 3) of the ellipsoids.
        axes: (B, E, 3, 3) columns are the half axes.

    """

    start: Tensor
    end: Tensor
    radii: Tensor
    centre: Tensor
    axes: Tensor


def _limb_capsules(side: str) -> tuple[Capsule, ...]:
    """Arm, leg, foot and shoulder of one side."""
    x = 1.0 if side == "left" else -1.0
    o = (0.0, 0.0, 0.0)
    shoulder, elbow, wrist, hip, knee, ankle = (
        (f"{side}_{n}",) for n in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    )
    arm, forearm, thigh, shin, foot = (
        f"{side}_{n}" for n in ("upper_arm", "forearm", "thigh", "shin", "foot")
    )
    collar = (x * 0.05, 0.235, -0.01), (x * 0.165, 0.2, -0.005)
    sole = (0.0, -0.025, -0.035), (0.0, -0.055, 0.165)
    return (
        Capsule(f"{side}_collar", "chest", *collar, (0.055, 0.062), (*shoulder, "neck")),
        Capsule(arm, arm, o, (0.0, -0.285, 0.0), (0.056, 0.043), shoulder + elbow),
        Capsule(forearm, forearm, o, (0.0, -0.25, 0.0), (0.044, 0.030), elbow + wrist),
        Capsule(thigh, thigh, o, (0.0, -0.43, 0.0), (0.090, 0.060), hip + knee),
        Capsule(shin, shin, o, (0.0, -0.41, 0.0), (0.062, 0.041), knee + ankle),
        Capsule(foot, foot, *sole, (0.046, 0.034), ankle),
    )


def _hand(side: str) -> Ellipsoid:
    return Ellipsoid(
        f"{side}_hand", f"{side}_forearm", (0.0, -0.315, 0.005), (0.026, 0.085, 0.046), (f"{side}_wrist",)
    )


CAPSULES: tuple[Capsule, ...] = (
    *_limb_capsules("right"),
    *_limb_capsules("left"),
    Capsule("neck", "chest", (0.0, 0.24, -0.01), (0.0, 0.36, 0.015), (0.058, 0.052), ("neck", "thorax")),
)
ELLIPSOIDS: tuple[Ellipsoid, ...] = (
    Ellipsoid("hips", "pelvis", (0.0, 0.0, -0.01), (0.165, 0.125, 0.12), ("pelvis",)),
    Ellipsoid("belly", "abdomen", (0.0, 0.07, 0.0), (0.148, 0.17, 0.108), ("pelvis", "thorax")),
    Ellipsoid("ribcage", "chest", (0.0, 0.105, 0.0), (0.178, 0.185, 0.122), ("thorax", "neck")),
    Ellipsoid("head", "head", (0.0, 0.115, 0.02), (0.080, 0.125, 0.098), ("head_top",)),
    Ellipsoid("hair", "head", (0.0, 0.140, -0.008), (0.090, 0.115, 0.100), ("head_top",)),
    Ellipsoid("long_hair", "head", (0.0, 0.03, -0.055), (0.085, 0.15, 0.055), ("head_top",)),
    Ellipsoid("nose", "head", (0.0, 0.095, 0.118), (0.016, 0.026, 0.024), ("head_top",)),
    _hand("right"),
    _hand("left"),
)
PARTS: tuple[Capsule | Ellipsoid, ...] = (*CAPSULES, *ELLIPSOIDS)
PART_INDEX = {part.name: i for i, part in enumerate(PARTS)}
PART_SEGMENT = torch.tensor([SEGMENT_INDEX[part.segment] for part in PARTS])
CARRIES = torch.tensor([[name in part.keypoints for name in BODY16.keypoints] for part in PARTS])
"""(P, K): the keypoint lies inside the part, which therefore never hides it."""

_KEYPOINT_PLACES: dict[str, tuple[str, Point]] = {
    "pelvis": ("pelvis", (0.0, -0.02, 0.0)),
    "thorax": ("chest", (0.0, 0.15, 0.0)),
    "neck": ("chest", (0.0, 0.25, 0.0)),
    "head_top": ("head", (0.0, 0.245, 0.005)),
    **{f"{side}_wrist": (f"{side}_forearm", (0.0, -0.25, 0.0)) for side in ("right", "left")},
    **{
        f"{side}_{name}": (f"{side}_{segment}", (0.0, 0.0, 0.0))
        for side in ("right", "left")
        for name, segment in (
            ("shoulder", "upper_arm"),
            ("elbow", "forearm"),
            ("hip", "thigh"),
            ("knee", "shin"),
            ("ankle", "foot"),
        )
    },
}


def _segments_of(items: tuple[Capsule, ...] | tuple[Ellipsoid, ...]) -> Tensor:
    return torch.tensor([SEGMENT_INDEX[item.segment] for item in items])


_CAPSULE_SEGMENT, _ELLIPSOID_SEGMENT = _segments_of(CAPSULES), _segments_of(ELLIPSOIDS)
_START, _END = torch.tensor([c.start for c in CAPSULES]), torch.tensor([c.end for c in CAPSULES])
_CAPSULE_RADII = torch.tensor([c.radii for c in CAPSULES])
_CENTRE = torch.tensor([e.centre for e in ELLIPSOIDS])
_ELLIPSOID_RADII = torch.tensor([e.radii for e in ELLIPSOIDS])
_KEYPOINT_SEGMENT = torch.tensor([SEGMENT_INDEX[_KEYPOINT_PLACES[name][0]] for name in BODY16.keypoints])
_KEYPOINT_LOCAL = torch.tensor([_KEYPOINT_PLACES[name][1] for name in BODY16.keypoints])


@dataclass(frozen=True)
class Shape:
    """Body shape: local stretch (B, S, 3), capsule girth (B,), long hair (B,) as boolean."""

    stretch: Tensor
    girth: Tensor
    long_hair: Tensor


def average_shape(count: int) -> Shape:
    """Body shape exactly as in the tables."""
    return Shape(torch.ones(count, len(SEGMENTS), 3), torch.ones(count), torch.zeros(count, dtype=torch.bool))


def sample_shape(rng: torch.Generator, count: int) -> Shape:
    """Varied length of trunk, arms and legs, width, girth and head size; both sides of a figure are equal."""
    spread = torch.tensor([0.05, 0.05, 0.06, 0.07, 0.13, 0.06])
    normal = torch.randn(count, len(spread), generator=rng).clamp(-2.0, 2.0)
    trunk, arm, leg, width, girth, head = (1.0 + spread * normal).unbind(1)
    width = width * (0.75 + 0.25 * girth)  # stout people are also wider
    by_segment = {
        **dict.fromkeys(("pelvis", "abdomen", "chest"), (width, trunk, 0.4 + 0.6 * girth)),
        "head": (head, head, head),
        **{
            f"{side}_{n}": (girth, arm, girth) for side in ("right", "left") for n in ("upper_arm", "forearm")
        },
        **{f"{side}_{n}": (girth, leg, girth) for side in ("right", "left") for n in ("thigh", "shin")},
        **{f"{side}_foot": (leg, leg, leg) for side in ("right", "left")},
    }
    stretch = torch.stack([torch.stack(by_segment[segment.name], -1) for segment in SEGMENTS], 1)
    return Shape(stretch, girth, torch.rand(count, generator=rng) < 0.4)


def body_keypoints(frames: Frames) -> Tensor:
    """BODY16 keypoints (B, 16, 3), metres in the world."""
    return world_points(frames, _KEYPOINT_SEGMENT, _KEYPOINT_LOCAL)


def body_solids(frames: Frames, shape: Shape) -> Solids:
    """Primitives in the world, metres."""
    radii = frames.stretch[:, _ELLIPSOID_SEGMENT] * _ELLIPSOID_RADII
    short = ~shape.long_hair
    # a short-haired figure keeps the primitive, so that batches are regular, but as a speck inside the head
    radii[short, PART_INDEX["long_hair"] - len(CAPSULES)] = 1e-3
    return Solids(
        start=world_points(frames, _CAPSULE_SEGMENT, _START),
        end=world_points(frames, _CAPSULE_SEGMENT, _END),
        radii=_CAPSULE_RADII * shape.girth[:, None, None],
        centre=world_points(frames, _ELLIPSOID_SEGMENT, _CENTRE),
        axes=frames.rotation[:, _ELLIPSOID_SEGMENT] * radii[:, :, None, :],
    )
