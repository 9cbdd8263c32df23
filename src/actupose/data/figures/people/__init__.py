"""People: bodies of 16 keypoints in clothes."""

from actupose.data.figures.people.body import BODY, sample_shape
from actupose.data.figures.people.clothing import dress
from actupose.data.figures.people.poses import sample_poses
from actupose.data.figures.people.views import sample_framing
from actupose.data.figures.subject import Subject

__all__ = ["PEOPLE"]

PEOPLE = Subject(BODY, sample_poses, sample_shape, sample_framing, dress)
