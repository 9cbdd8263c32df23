"""How a person moves: segments of the body and the turns between them.

Body frame of every segment in the neutral pose (standing, arms down): x to the person's left, y up, z to the
front; metres of a figure of about 1.75 m.
"""

from typing import Literal

from actupose.data.figures.kinematics import Axis, Segment, Turn


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
