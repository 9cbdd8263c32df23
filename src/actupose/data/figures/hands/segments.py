"""How a hand moves: palm, forearm and fingers, and the turns between them.

It is a left hand. Frame of every segment in the neutral pose (fingers straight and together): x to the side
of the little finger, y to the finger tips, z out of the palm; metres of a hand of about 0.19 m. The thumb's
frames are turned with it: their z is out of its pad.
"""

from actupose.data.figures.kinematics import Point, Segment, Turn

FINGERS = ("index", "middle", "ring", "little")
BONES = ("proximal", "middle", "distal")
KNUCKLES: dict[str, Point] = {
    "thumb": (-0.024, 0.018, 0.007),
    "index": (-0.027, 0.088, 0.001),
    "middle": (-0.005, 0.092, -0.002),
    "ring": (0.015, 0.087, 0.0),
    "little": (0.033, 0.077, 0.004),
}
"""First joint of every finger in the palm's frame; the thumb's is at the wrist."""

LENGTHS: dict[str, tuple[float, float, float]] = {
    "thumb": (0.044, 0.033, 0.027),
    "index": (0.044, 0.027, 0.023),
    "middle": (0.049, 0.031, 0.024),
    "ring": (0.045, 0.029, 0.024),
    "little": (0.036, 0.021, 0.021),
}
"""Of a finger's three bones, from the palm outwards; the thumb's begin with its metacarpal."""

DIP_WITH_PIP = 0.55
"""One tendon bends both outer joints of a finger: so much of the middle joint's angle shows at the last."""


def _finger(finger: str) -> tuple[Segment, ...]:
    """Three bones; index and middle finger abduct to the thumb, the others to the other side."""
    outward = 1.0 if finger in ("index", "middle") else -1.0
    proximal, middle, distal = (f"{finger}_{bone}" for bone in BONES)
    spread, flex = Turn(f"{finger}_abduct", "z", outward), Turn(f"{finger}_flex", "x", 1.0)
    bend, tendon = Turn(f"{finger}_pip", "x", 1.0), Turn(f"{finger}_pip", "x", DIP_WITH_PIP)
    return (
        Segment(proximal, "palm", KNUCKLES[finger], (spread, flex)),
        Segment(middle, proximal, (0.0, LENGTHS[finger][0], 0.0), (bend,)),
        Segment(distal, middle, (0.0, LENGTHS[finger][1], 0.0), (tendon, Turn(f"{finger}_dip", "x", 1.0))),
    )


def _thumb() -> tuple[Segment, ...]:
    """Metacarpal on a saddle joint, which turns the pad to the fingers as it lifts from the palm."""
    saddle = (
        Turn("thumb_abduct", "z", 1.0, rest=36.0),
        Turn("thumb_oppose", "x", 1.0, rest=20.0),
        Turn("thumb_oppose", "y", 0.6, rest=50.0),
    )
    first, second, _ = LENGTHS["thumb"]
    return (
        Segment("thumb_proximal", "palm", KNUCKLES["thumb"], saddle),
        Segment("thumb_middle", "thumb_proximal", (0.0, first, 0.0), (Turn("thumb_pip", "x", 1.0),)),
        Segment("thumb_distal", "thumb_middle", (0.0, second, 0.0), (Turn("thumb_dip", "x", 1.0),)),
    )


SEGMENTS: tuple[Segment, ...] = (
    Segment(
        "palm",
        None,
        (0.0, 0.0, 0.0),
        (Turn("root_yaw", "y", 1.0), Turn("root_pitch", "x", 1.0), Turn("root_roll", "z", 1.0)),
    ),
    Segment(
        "forearm",
        "palm",
        (0.0, 0.0, 0.0),
        (Turn("wrist_deviate", "z", 1.0), Turn("wrist_flex", "x", -1.0)),
    ),
    *_thumb(),
    *(segment for finger in FINGERS for segment in _finger(finger)),
)
