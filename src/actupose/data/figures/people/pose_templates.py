"""Poses as data: the templates from which angles are drawn. Degrees; zero is standing with arms down.

Signs: ``root_pitch``, ``*_flex`` forward; ``root_roll``, ``*_side`` to the person's right; ``abduct`` away
from the body; limb ``twist`` outward; ``ankle`` positive lifts the toes. An entry without a side means both.
"""

from collections.abc import Mapping

from actupose.data.figures.poses import EVERYDAY, MODERATE, RARE, Template

LIMITS: Mapping[str, tuple[float, float]] = {
    "root_yaw": (-360.0, 360.0),
    "root_pitch": (-360.0, 360.0),
    "root_roll": (-360.0, 360.0),
    "spine_twist": (-45.0, 45.0),
    "spine_flex": (-40.0, 80.0),
    "spine_side": (-35.0, 35.0),
    "neck_twist": (-65.0, 65.0),
    "neck_flex": (-45.0, 45.0),
    "neck_side": (-30.0, 30.0),
    "shoulder_flex": (-50.0, 180.0),
    "shoulder_abduct": (-15.0, 175.0),
    "shoulder_twist": (-85.0, 70.0),
    "elbow": (0.0, 145.0),
    "hip_flex": (-30.0, 125.0),
    "hip_abduct": (-20.0, 85.0),
    "hip_twist": (-35.0, 45.0),
    "knee": (0.0, 145.0),
    "ankle": (-50.0, 25.0),
}
"""Range of motion in degrees; sides share a range."""

BASE_SPREAD = (5.0, 8.0, 11.0)
"""Standard deviation in degrees, by category, of an angle whose template names none."""


def _gait(leg: float, knee: float, arm: float) -> dict[str, tuple[float, float]]:
    """Cyclic swing of walking or running: opposite arm and leg go together, the trailing knee bends."""
    return {
        "right_hip_flex": (leg, 0.0),
        "left_hip_flex": (leg, 180.0),
        "right_knee": (knee, 250.0),
        "left_knee": (knee, 70.0),
        "right_shoulder_flex": (arm, 180.0),
        "left_shoulder_flex": (arm, 0.0),
    }


_UPRIGHT = {"root_pitch": 2.5, "root_roll": 2.5, "spine_side": 3.5}
_ARMS_DOWN = {
    "shoulder_abduct": 9.0,
    "elbow": 12.0,
    "shoulder_twist": -8.0,
    "hip_abduct": 5.0,
    "hip_twist": 8.0,
}
_LYING = {"root_yaw": 35.0, "spine_flex": 8.0, "shoulder_flex": 35.0, "shoulder_abduct": 40.0}

TEMPLATES: Mapping[str, Template] = {
    "stand": Template(EVERYDAY, {**_ARMS_DOWN, "knee": 3.0}, {**_UPRIGHT, "knee": 3.0}, weight=2.0),
    "walk": Template(
        EVERYDAY,
        {**_ARMS_DOWN, "knee": 24.0, "hip_flex": 6.0, "elbow": 24.0, "spine_flex": 5.0},
        _UPRIGHT,
        swing=_gait(26.0, 24.0, 24.0),
        weight=2.0,
    ),
    "one_hand_up": Template(
        EVERYDAY,
        {**_ARMS_DOWN, "right_shoulder_flex": 35.0, "right_elbow": 95.0, "right_shoulder_twist": -25.0},
        {**_UPRIGHT, "right_shoulder_flex": 18.0, "right_elbow": 25.0, "right_shoulder_twist": 20.0},
    ),
    "talk": Template(
        EVERYDAY,
        {**_ARMS_DOWN, "shoulder_flex": 22.0, "elbow": 80.0, "shoulder_twist": -10.0},
        {**_UPRIGHT, "elbow": 22.0, "shoulder_flex": 14.0, "shoulder_twist": 16.0, "shoulder_abduct": 8.0},
    ),
    "hands_on_hips": Template(
        EVERYDAY,
        {**_ARMS_DOWN, "shoulder_abduct": 42.0, "elbow": 95.0, "shoulder_twist": -60.0,
         "shoulder_flex": -8.0},
        {**_UPRIGHT, "shoulder_flex": 5.0},
        weight=0.6,
    ),
    "sit": Template(
        MODERATE,
        {**_ARMS_DOWN, "hip_flex": 86.0, "knee": 86.0, "hip_abduct": 12.0, "shoulder_flex": 30.0,
         "elbow": 48.0},
        {"knee": 14.0, "elbow": 25.0, "shoulder_flex": 18.0},
        weight=1.6,
    ),
    "run": Template(
        MODERATE,
        {**_ARMS_DOWN, "knee": 55.0, "hip_flex": 22.0, "elbow": 88.0, "spine_flex": 14.0, "root_pitch": 8.0},
        swing=_gait(42.0, 45.0, 45.0),
        weight=1.6,
    ),
    "reach_up": Template(
        MODERATE,
        {**_ARMS_DOWN, "right_shoulder_flex": 155.0, "right_elbow": 15.0, "spine_side": -8.0,
         "neck_flex": -12.0},
        {"right_shoulder_flex": 18.0, "right_shoulder_abduct": 14.0, "spine_side": 10.0},
    ),
    "reach_out": Template(
        MODERATE,
        {**_ARMS_DOWN, "right_shoulder_flex": 60.0, "right_shoulder_abduct": 40.0, "spine_flex": 10.0},
        {"shoulder_flex": 24.0, "shoulder_abduct": 24.0, "elbow": 20.0, "spine_twist": 14.0},
    ),
    "bend": Template(
        MODERATE,
        {**_ARMS_DOWN, "hip_flex": 50.0, "spine_flex": 38.0, "root_pitch": 35.0, "knee": 18.0,
         "shoulder_flex": 55.0},
        {"root_pitch": 14.0, "shoulder_flex": 18.0},
    ),
    "squat": Template(
        MODERATE,
        {**_ARMS_DOWN, "hip_flex": 95.0, "knee": 108.0, "ankle": 18.0, "spine_flex": 22.0, "root_pitch": 18.0,
         "hip_abduct": 18.0, "shoulder_flex": 55.0, "elbow": 35.0},
        {"hip_flex": 14.0, "knee": 16.0, "shoulder_flex": 22.0},
    ),
    "kneel": Template(
        MODERATE,
        {**_ARMS_DOWN, "right_hip_flex": 88.0, "right_knee": 90.0, "left_hip_flex": -4.0, "left_knee": 92.0,
         "left_ankle": -35.0, "shoulder_flex": 20.0, "elbow": 45.0},
        {"elbow": 25.0},
    ),
    "arms_wide": Template(
        MODERATE,
        {**_ARMS_DOWN, "shoulder_abduct": 85.0, "elbow": 25.0},
        {"shoulder_abduct": 26.0, "elbow": 25.0, "shoulder_flex": 18.0, "shoulder_twist": 25.0},
    ),
    "kick_front": Template(
        RARE,
        {"right_hip_flex": 98.0, "right_knee": 14.0, "root_pitch": -18.0, "shoulder_abduct": 38.0,
         "elbow": 55.0,
         "left_knee": 14.0, "right_ankle": -20.0},
        {"shoulder_flex": 28.0, "right_hip_flex": 16.0},
    ),
    "kick_side": Template(
        RARE,
        {"right_hip_abduct": 76.0, "right_knee": 12.0, "root_roll": -32.0, "left_hip_abduct": 2.0,
         "shoulder_abduct": 45.0, "elbow": 60.0, "shoulder_flex": 25.0},
        {"root_roll": 12.0, "shoulder_flex": 28.0},
    ),
    "arabesque": Template(
        RARE,
        {"root_pitch": 68.0, "left_hip_flex": 66.0, "right_hip_flex": -20.0, "spine_flex": -18.0,
         "neck_flex": -28.0,
         "shoulder_abduct": 80.0, "shoulder_flex": 40.0, "right_ankle": -35.0},
        {"root_pitch": 14.0, "shoulder_abduct": 28.0},
    ),
    "lunge": Template(
        RARE,
        {"right_hip_flex": 98.0, "right_knee": 92.0, "left_hip_flex": -26.0, "left_knee": 22.0,
         "left_ankle": -15.0,
         "shoulder_abduct": 60.0, "elbow": 25.0, "spine_flex": 12.0},
        {"shoulder_abduct": 38.0, "shoulder_flex": 38.0},
    ),
    "side_lunge": Template(
        RARE,
        {"right_hip_flex": 72.0, "right_hip_abduct": 48.0, "right_knee": 105.0, "left_hip_abduct": 52.0,
         "spine_flex": 26.0, "shoulder_flex": 55.0, "root_roll": 10.0},
        {"shoulder_flex": 38.0, "shoulder_abduct": 25.0},
    ),
    "star_jump": Template(
        RARE,
        {"shoulder_abduct": 132.0, "hip_abduct": 46.0, "elbow": 14.0, "ankle": -30.0, "knee": 10.0},
        {"shoulder_abduct": 16.0, "hip_abduct": 12.0},
    ),
    "tuck_jump": Template(
        RARE,
        {"hip_flex": 92.0, "knee": 98.0, "ankle": -28.0, "shoulder_flex": 120.0, "shoulder_abduct": 35.0,
         "spine_flex": 15.0, "elbow": 22.0},
        {"shoulder_flex": 35.0, "hip_abduct": 16.0, "knee": 18.0},
    ),
    "handstand": Template(
        RARE,
        {"root_roll": 180.0, "shoulder_flex": 170.0, "elbow": 6.0, "neck_flex": -25.0, "knee": 10.0,
         "ankle": -30.0},
        {"hip_flex": 30.0, "knee": 16.0, "root_roll": 14.0, "hip_abduct": 24.0},
        weight=1.4,
    ),
    "cartwheel": Template(
        RARE,
        {"root_roll": 125.0, "shoulder_abduct": 150.0, "hip_abduct": 48.0, "elbow": 8.0, "ankle": -25.0},
        {"root_roll": 45.0, "hip_abduct": 14.0},
        weight=1.4,
    ),
    "lie_back": Template(
        RARE,
        {**_LYING, "root_pitch": -90.0, "root_yaw": 75.0, "hip_flex": 18.0, "knee": 28.0},
        {"root_yaw": 22.0, "knee": 28.0, "hip_flex": 18.0, "elbow": 30.0, "shoulder_flex": 45.0},
    ),
    "lie_front": Template(
        RARE,
        {**_LYING, "root_pitch": 90.0, "root_yaw": 75.0, "spine_flex": -22.0, "neck_flex": -28.0,
         "elbow": 60.0,
         "shoulder_flex": 90.0},
        {"root_yaw": 22.0, "knee": 24.0, "shoulder_flex": 28.0},
    ),
    "lie_side": Template(
        RARE,
        {**_LYING, "root_roll": 92.0, "root_yaw": 0.0, "right_hip_flex": 32.0, "left_hip_flex": 52.0,
         "knee": 55.0,
         "elbow": 60.0},
        {"root_yaw": 28.0, "knee": 28.0, "shoulder_flex": 28.0},
    ),
    "bridge": Template(
        RARE,
        {"root_pitch": -105.0, "root_yaw": 80.0, "spine_flex": -38.0, "hip_flex": -22.0, "knee": 82.0,
         "shoulder_flex": 172.0, "neck_flex": -32.0},
        {"root_yaw": 18.0},
        weight=0.7,
    ),
    "plank_leg_up": Template(
        RARE,
        {"root_pitch": 72.0, "root_yaw": 75.0, "shoulder_flex": 78.0, "right_hip_flex": -22.0,
         "left_hip_flex": 28.0,
         "left_knee": 30.0, "neck_flex": -18.0},
        {"root_yaw": 20.0, "left_hip_flex": 35.0, "left_knee": 30.0},
        weight=0.7,
    ),
}  # fmt: skip
