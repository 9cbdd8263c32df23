"""Weak-perspective cameras: where a figure is seen from and how it is placed in the image.

View frame: x right and y down in pixels, z away from the camera in the same unit; rays run along z.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from actupose.data.figures.anatomy import Anatomy, Solids
from actupose.data.figures.kinematics import axis_rotation


@dataclass(frozen=True)
class View:
    """view = scale * view_from_world @ world + shift: rotation (B, 3, 3), scale (B,), shift (B, 3)."""

    rotation: Tensor
    scale: Tensor
    shift: Tensor


@dataclass(frozen=True)
class Framing:
    """Angles (B,) in radians; ``fill`` (B,) and ``offset`` (B, 2) as fractions of the image side.

    ``yaw`` 0 sees the front, 90 degrees the side of positive x; positive ``pitch`` looks down.
    """

    yaw: Tensor
    pitch: Tensor
    roll: Tensor
    fill: Tensor
    offset: Tensor


def _view_rotation(framing: Framing) -> Tensor:
    """view_from_world (B, 3, 3); the world looks at the camera with y up, the view has y down and z away."""
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    turn = axis_rotation("x", framing.pitch) @ axis_rotation("y", -framing.yaw)
    return axis_rotation("z", framing.roll) @ flip @ turn


def transform_solids(solids: Solids, rotation: Tensor, scale: Tensor, shift: Tensor) -> Solids:
    """Similarity transform of every figure: rotation (B, 3, 3), scale (B,), shift (B, 3)."""

    def move(points: Tensor) -> Tensor:
        return scale[:, None, None] * (points @ rotation.mT) + shift[:, None]

    return Solids(
        start=move(solids.start),
        end=move(solids.end),
        radii=scale[:, None, None] * solids.radii,
        centre=move(solids.centre),
        axes=scale[:, None, None, None] * (rotation[:, None] @ solids.axes),
    )


def bounds(solids: Solids) -> tuple[Tensor, Tensor]:
    """Lowest and highest (x, y), each (B, P, 2), of every primitive."""
    reach = solids.radii[..., None]
    ends = torch.stack([solids.start, solids.end], 2)[..., :2]
    half = solids.axes[..., :2, :].square().sum(-1).sqrt()
    low = torch.cat([(ends - reach).amin(2), solids.centre[..., :2] - half], 1)
    high = torch.cat([(ends + reach).amax(2), solids.centre[..., :2] + half], 1)
    return low, high


def fit_view(anatomy: Anatomy, world: Solids, framing: Framing, side: int) -> View:
    """Scale and shift so that the longer side of the figure's box is ``fill * side`` pixels, near the centre.

    A figure seen end-on is smaller than that: its box counts as at least ``anatomy.shortest`` metres.
    """
    rotation = _view_rotation(framing)
    count = len(rotation)
    low, high = bounds(transform_solids(world, rotation, torch.ones(count), torch.zeros(count, 3)))
    low, high = low[:, anatomy.framed].amin(1), high[:, anatomy.framed].amax(1)
    scale = framing.fill * side / (high - low).amax(1).clamp(min=anatomy.shortest)
    middle = (side - 1) / 2 + framing.offset * side - scale[:, None] * (low + high) / 2
    return View(rotation, scale, torch.cat([middle, torch.zeros(count, 1)], 1))


def view_points(view: View, points: Tensor) -> Tensor:
    """World points (B, M, 3) in the view frame."""
    return view.scale[:, None, None] * (points @ view.rotation.mT) + view.shift[:, None]


def view_solids(view: View, solids: Solids) -> Solids:
    """World primitives in the view frame."""
    return transform_solids(solids, view.rotation, view.scale, view.shift)


def supersampled(view: View, factor: int) -> View:
    """Camera of the same place for an image of ``factor`` times the side; pixel centres stay at integers."""
    to_corner = torch.tensor([(factor - 1) / 2, (factor - 1) / 2, 0.0])
    return View(view.rotation, factor * view.scale, factor * view.shift + to_corner)
