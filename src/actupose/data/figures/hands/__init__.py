"""Hands: left hands of 21 keypoints with a piece of forearm.

All are left hands, as hand corpora are mirrored to be: keypoints of a hand have no pairs for a flip to swap.
"""

from actupose.data.figures.hands.body import HAND, sample_shape
from actupose.data.figures.hands.poses import REPERTOIRE
from actupose.data.figures.hands.skin import dress
from actupose.data.figures.hands.views import sample_framing
from actupose.data.figures.subject import Subject

__all__ = ["HANDS"]

HANDS = Subject(HAND, REPERTOIRE.sample, sample_shape, sample_framing, dress)
