"""The body as tapered capsules and ellipsoids on segments, with the keypoints they carry; body shapes."""

import torch

from actupose.data.figures.anatomy import Anatomy, Capsule, Ellipsoid, Shape
from actupose.data.figures.kinematics import Point
from actupose.data.figures.people.segments import SEGMENTS
from actupose.skeleton import BODY16


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


_CAPSULES: tuple[Capsule, ...] = (
    *_limb_capsules("right"),
    *_limb_capsules("left"),
    Capsule("neck", "chest", (0.0, 0.24, -0.01), (0.0, 0.36, 0.015), (0.058, 0.052), ("neck", "thorax")),
)
_ELLIPSOIDS: tuple[Ellipsoid, ...] = (
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
_LONG_HAIR = [e.name for e in _ELLIPSOIDS].index("long_hair")

BODY = Anatomy(
    skeleton=BODY16,
    segments=SEGMENTS,
    capsules=_CAPSULES,
    ellipsoids=_ELLIPSOIDS,
    places=_KEYPOINT_PLACES,
    flesh=0.05,
    shortest=1.1,
)


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
    absent = torch.zeros(count, len(_ELLIPSOIDS), dtype=torch.bool)
    absent[:, _LONG_HAIR] = torch.rand(count, generator=rng) >= 0.4
    return Shape(stretch, girth, absent)
