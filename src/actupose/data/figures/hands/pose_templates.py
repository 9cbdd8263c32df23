"""Poses as data: the templates from which angles are drawn. Degrees; zero is a flat hand, fingers together.

``flex`` and ``pip`` bend into the palm, ``dip`` adds to what the middle joint does to the last one;
``abduct`` spreads; ``thumb_oppose`` lifts the thumb out of the palm's plane, towards the fingers;
``wrist_flex`` brings palm and forearm together, ``wrist_deviate`` the little finger and the forearm. An entry
without a finger means index to little.
"""

from collections.abc import Mapping

from actupose.data.figures.poses import EVERYDAY, MODERATE, RARE, Template

LIMITS: Mapping[str, tuple[float, float]] = {
    "root_yaw": (-360.0, 360.0),
    "root_pitch": (-360.0, 360.0),
    "root_roll": (-360.0, 360.0),
    "wrist_flex": (-65.0, 70.0),
    "wrist_deviate": (-20.0, 35.0),
    "flex": (-30.0, 92.0),
    "abduct": (-22.0, 25.0),
    "pip": (0.0, 105.0),
    "dip": (-20.0, 25.0),
    "thumb_abduct": (-50.0, 35.0),
    "thumb_oppose": (-25.0, 45.0),
    "thumb_pip": (-10.0, 60.0),
    "thumb_dip": (-25.0, 80.0),
}
"""Range of motion in degrees; index to little share a range."""

BASE_SPREAD = (4.0, 6.0, 9.0)
"""Standard deviation in degrees, by category, of an angle whose template names none."""


def _curled(*fingers: str) -> dict[str, float]:
    """Fingers closed to a fist."""
    angles = {"flex": 78.0, "pip": 98.0, "dip": 5.0, "abduct": 0.0}
    return {f"{finger}_{joint}": angle for finger in fingers for joint, angle in angles.items()}


_STEADY = {"root_yaw": 4.0, "root_pitch": 4.0, "root_roll": 4.0, "abduct": 2.5}
_FAN = {"index_abduct": 5.0, "middle_abduct": 0.0, "ring_abduct": 4.0, "little_abduct": 9.0}
_SPREAD = {"index_abduct": 13.0, "middle_abduct": 2.0, "ring_abduct": 10.0, "little_abduct": 20.0}
_THUMB_OUT = {"thumb_abduct": 10.0, "thumb_oppose": -10.0, "thumb_dip": -5.0}
_THUMB_ACROSS = {"thumb_abduct": -28.0, "thumb_oppose": 22.0, "thumb_pip": 30.0, "thumb_dip": 40.0}
_PINCH = {"thumb_abduct": -12.0, "thumb_oppose": 24.0, "thumb_pip": 18.0, "thumb_dip": 22.0,
          "index_flex": 48.0, "index_pip": 52.0, "index_abduct": -2.0}  # fmt: skip

TEMPLATES: Mapping[str, Template] = {
    "relaxed": Template(
        EVERYDAY,
        {**_FAN, "flex": 16.0, "pip": 26.0, "little_flex": 24.0, "little_pip": 32.0, "index_flex": 10.0,
         "thumb_pip": 12.0, "thumb_dip": 12.0, "thumb_abduct": -8.0},
        {**_STEADY, "flex": 8.0, "pip": 10.0},
        weight=2.0,
    ),
    "open": Template(EVERYDAY, {**_FAN, **_THUMB_OUT, "pip": 5.0}, {**_STEADY, "abduct": 4.0}, weight=2.0),
    "fist": Template(EVERYDAY, {**_curled("index", "middle", "ring", "little"), **_THUMB_ACROSS}, _STEADY),
    "point": Template(
        EVERYDAY,
        {**_curled("middle", "ring", "little"), **_THUMB_ACROSS, "index_flex": 4.0, "index_pip": 6.0},
        _STEADY,
    ),
    "grip": Template(
        EVERYDAY,
        {"flex": 46.0, "pip": 52.0, "thumb_oppose": 20.0, "thumb_abduct": -6.0, "thumb_pip": 18.0,
         "thumb_dip": 25.0},
        {**_STEADY, "flex": 9.0, "pip": 11.0},
        weight=1.5,
    ),
    "pinch": Template(
        MODERATE,
        {**_PINCH, "middle_flex": 30.0, "middle_pip": 40.0, "ring_flex": 22.0, "ring_pip": 32.0,
         "little_flex": 18.0, "little_pip": 25.0, "little_abduct": 8.0},
        {"flex": 7.0, "pip": 8.0},
    ),
    "victory": Template(
        MODERATE,
        {**_curled("ring", "little"), **_THUMB_ACROSS, "index_abduct": 12.0, "middle_abduct": -10.0,
         "index_pip": 5.0, "middle_pip": 5.0},
    ),
    "thumb_up": Template(
        MODERATE,
        {**_curled("index", "middle", "ring", "little"), "thumb_abduct": -6.0, "thumb_oppose": -22.0,
         "thumb_dip": -15.0},
    ),
    "three": Template(
        MODERATE, {**_curled("ring", "little"), **_THUMB_OUT, "index_abduct": 12.0, "thumb_abduct": 22.0}
    ),
    "telephone": Template(
        MODERATE,
        {**_curled("index", "middle", "ring"), **_THUMB_OUT, "thumb_abduct": 25.0, "little_abduct": 18.0,
         "little_pip": 6.0},
    ),
    "hook": Template(MODERATE, {"flex": 6.0, "pip": 85.0, "dip": 8.0, **_THUMB_OUT}, {"pip": 12.0}),
    "duckbill": Template(
        MODERATE, {"flex": 66.0, "pip": 8.0, "thumb_oppose": 28.0, "thumb_abduct": -15.0}, {"flex": 12.0}
    ),
    "drumming": Template(
        MODERATE,
        {**_FAN, "flex": 32.0, "pip": 34.0, "thumb_pip": 15.0},
        swing={"index_flex": (28.0, 0.0), "middle_flex": (28.0, 80.0), "ring_flex": (28.0, 160.0),
               "little_flex": (28.0, 240.0)},
    ),
    "waving": Template(
        MODERATE, {**_SPREAD, **_THUMB_OUT}, {"wrist_flex": 32.0, "wrist_deviate": 14.0, "flex": 8.0}
    ),
    "crossed": Template(
        RARE,
        {**_curled("ring", "little"), **_THUMB_ACROSS, "index_abduct": -15.0, "middle_abduct": 13.0,
         "middle_flex": 30.0, "middle_pip": 20.0, "index_flex": 6.0, "index_pip": 10.0},
        {"abduct": 4.0},
        weight=1.3,
    ),
    "splayed": Template(
        RARE,
        {"index_abduct": 22.0, "middle_abduct": 3.0, "ring_abduct": 16.0, "little_abduct": 25.0,
         "flex": -18.0, "thumb_abduct": 32.0, "thumb_oppose": -20.0, "thumb_dip": -20.0},
        {"flex": 10.0, "wrist_flex": 25.0},
    ),
    "horns": Template(
        RARE,
        {**_curled("middle", "ring"), **_THUMB_ACROSS, "index_abduct": 14.0, "little_abduct": 20.0},
        {"index_flex": 14.0, "little_flex": 14.0},
    ),
    "ring_finger_up": Template(
        RARE,
        {**_curled("index", "middle", "little"), **_THUMB_ACROSS, "ring_flex": 10.0, "ring_pip": 14.0},
        {"index_flex": 18.0, "middle_flex": 14.0},
    ),
    "mixed": Template(
        RARE,
        {**_FAN, "flex": 34.0, "pip": 46.0},
        {"flex": 36.0, "pip": 38.0, "abduct": 10.0, "thumb_abduct": 18.0, "thumb_oppose": 18.0,
         "thumb_pip": 20.0, "thumb_dip": 28.0, "wrist_flex": 25.0},
        weight=2.5,
    ),
    "claw": Template(
        RARE,
        {**_SPREAD, **_THUMB_OUT, "flex": -22.0, "pip": 82.0, "dip": 15.0, "thumb_dip": 55.0},
        {"pip": 15.0},
    ),
    "bent_wrist": Template(
        RARE,
        {**_FAN, "wrist_flex": 62.0, "flex": 30.0, "pip": 30.0},
        {"flex": 24.0, "pip": 24.0, "wrist_deviate": 16.0},
    ),
    "end_on_open": Template(  # seen from the finger tips or, from the other side, along the forearm
        RARE,
        {**_SPREAD, "root_pitch": 72.0, "flex": 18.0, "pip": 22.0},
        {"root_pitch": 14.0, "root_yaw": 18.0, "flex": 18.0, "pip": 18.0},
        weight=1.5,
    ),
    "end_on_fist": Template(
        RARE,
        {**_curled("index", "middle", "ring", "little"), **_THUMB_ACROSS, "root_pitch": 65.0},
        {"root_pitch": 18.0, "root_yaw": 18.0, "index_pip": 30.0, "index_flex": 25.0},
    ),
}  # fmt: skip
