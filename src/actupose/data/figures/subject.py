"""What is drawn: all in which people and hands differ."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from actupose.data.figures.anatomy import Anatomy, Shape
from actupose.data.figures.camera import Framing
from actupose.data.figures.looks import Look
from actupose.data.figures.poses import PoseMix, Poses

Paint = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Colours (N, 3), 0 to 1, of surface points: figure (N,), part (N,), point (N, 3) in its segment's frame."""


@dataclass(frozen=True)
class Subject:
    """An anatomy and the draws that make a figure of it; each takes a generator and how many figures."""

    anatomy: Anatomy
    sample_poses: Callable[[torch.Generator, int, PoseMix], Poses]
    sample_shape: Callable[[torch.Generator, int], Shape]
    sample_framing: Callable[[torch.Generator, int], Framing]
    dress: Callable[[torch.Generator, int, Look], Paint]
