"""Seeded poses of hands."""

from actupose.data.figures.hands.body import HAND
from actupose.data.figures.hands.pose_templates import BASE_SPREAD, LIMITS, TEMPLATES
from actupose.data.figures.hands.segments import FINGERS
from actupose.data.figures.poses import Repertoire


def joint_family(dof: str) -> str:
    """Degree of freedom without its finger, which index to little share; thumb and wrist have their own."""
    finger, _, joint = dof.partition("_")
    return joint if finger in FINGERS else dof


REPERTOIRE = Repertoire(HAND.dofs, joint_family, TEMPLATES, LIMITS, BASE_SPREAD)
