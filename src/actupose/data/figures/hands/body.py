"""The hand as tapered capsules and ellipsoids on segments, with the keypoints they carry; hand shapes."""

from itertools import pairwise

import torch

from actupose.data.figures.anatomy import Anatomy, Capsule, Ellipsoid, Shape
from actupose.data.figures.hands.segments import BONES, FINGERS, KNUCKLES, LENGTHS, SEGMENTS
from actupose.skeleton import HAND21

_RADII: dict[str, tuple[float, float, float, float]] = {
    "thumb": (0.0115, 0.0105, 0.0095, 0.0078),
    "index": (0.0100, 0.0088, 0.0080, 0.0066),
    "middle": (0.0102, 0.0090, 0.0082, 0.0068),
    "ring": (0.0098, 0.0085, 0.0077, 0.0064),
    "little": (0.0088, 0.0075, 0.0067, 0.0056),
}
"""Thickness at the three joints and at the tip."""

_JOINTS = ("mcp", "pip", "dip", "tip")
_TIP_FLESH = 0.004
"""Metres from a tip's keypoint back to the middle of the capsule's end: so the keypoint lies inside."""


def _finger(finger: str) -> tuple[Capsule, ...]:
    """Three bones, each carrying the keypoints at its ends."""
    first, second, third = LENGTHS[finger]
    reach = (first, second, third - _TIP_FLESH)
    joints = [f"{finger}_{joint}" for joint in _JOINTS]
    names = [f"{finger}_{bone}" for bone in BONES]
    return tuple(
        Capsule(name, name, (0.0, 0.0, 0.0), (0.0, length, 0.0), radii, ends)
        for name, length, radii, ends in zip(
            names, reach, pairwise(_RADII[finger]), pairwise(joints), strict=True
        )
    )


def _metacarpal(finger: str) -> Capsule:
    """The outer half of the bone, which shows through the palm's flesh."""
    x, y, z = KNUCKLES[finger]
    name = f"{finger}_metacarpal"
    return Capsule(name, "palm", (0.75 * x, 0.5 * y, z), (x, y, z), (0.0118, 0.0108), (f"{finger}_mcp",))


_CAPSULES: tuple[Capsule, ...] = (
    *(bone for finger in ("thumb", *FINGERS) for bone in _finger(finger)),
    *(_metacarpal(finger) for finger in FINGERS),
)
_ELLIPSOIDS: tuple[Ellipsoid, ...] = (
    Ellipsoid("arm", "forearm", (0.0, -0.16, 0.0), (0.043, 0.195, 0.031), ("wrist",)),
    Ellipsoid("palm", "palm", (0.002, 0.042, 0.002), (0.037, 0.053, 0.013), ("wrist", "thumb_mcp")),
    Ellipsoid("heel", "palm", (0.026, 0.036, 0.006), (0.014, 0.034, 0.014), ("wrist",)),
    Ellipsoid(
        "ball", "thumb_proximal", (0.004, 0.016, 0.002), (0.0145, 0.029, 0.0145), ("wrist", "thumb_mcp")
    ),
)

HAND = Anatomy(
    skeleton=HAND21,
    segments=SEGMENTS,
    capsules=_CAPSULES,
    ellipsoids=_ELLIPSOIDS,
    places={
        "wrist": ("palm", (0.0, 0.0, 0.0)),
        **{
            f"{finger}_{joint}": (f"{finger}_{bone}", (0.0, 0.0, 0.0))
            for finger in LENGTHS
            for joint, bone in zip(_JOINTS, BONES, strict=False)
        },
        **{f"{finger}_tip": (f"{finger}_distal", (0.0, LENGTHS[finger][2], 0.0)) for finger in LENGTHS},
    },
    flesh=0.006,
    shortest=0.11,
    cut_off=("arm",),
)


def sample_shape(rng: torch.Generator, count: int) -> Shape:
    """Varied width and length of the palm, length of fingers and thumb, and girth."""
    spread = torch.tensor([0.06, 0.04, 0.06, 0.06, 0.09])
    normal = torch.randn(count, len(spread), generator=rng).clamp(-2.0, 2.0)
    width, palm, finger, thumb, girth = (1.0 + spread * normal).unbind(1)
    width = width * (0.6 + 0.4 * girth)  # thick fingers need room beside each other
    by_segment = {
        "palm": (width, palm, girth),
        "forearm": (girth, palm, girth),
        **{f"thumb_{bone}": (girth, thumb, girth) for bone in BONES},
        **{f"{name}_{bone}": (girth, finger, girth) for name in FINGERS for bone in BONES},
    }
    stretch = torch.stack([torch.stack(by_segment[segment.name], -1) for segment in SEGMENTS], 1)
    return Shape(stretch, girth, HAND.average_shape(count).absent)
