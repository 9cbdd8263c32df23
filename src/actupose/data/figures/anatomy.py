"""What a figure is made of: tapered capsules and ellipsoids on segments, with the keypoints they carry."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from actupose.data.figures.kinematics import Frames, Point, Segment, forward_kinematics, world_points
from actupose.skeleton import Skeleton


@dataclass(frozen=True)
class Capsule:
    """Hull of two balls, ``start`` and ``end`` in the frame of ``segment``; metres."""

    name: str
    segment: str
    start: Point
    end: Point
    radii: tuple[float, float]
    keypoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ellipsoid:
    """Ball stretched along the axes of ``segment``; metres."""

    name: str
    segment: str
    centre: Point
    radii: Point
    keypoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Solids:
    """Placed primitives of B figures in one Cartesian frame.

    Attributes:
        start, end: (B, C, 3) ends of the capsules.
        radii: (B, C, 2) at start and end.
        centre: (B, E, 3) of the ellipsoids.
        axes: (B, E, 3, 3) columns are the half axes.

    """

    start: Tensor
    end: Tensor
    radii: Tensor
    centre: Tensor
    axes: Tensor


@dataclass(frozen=True)
class Shape:
    """How figures differ in build.

    Attributes:
        stretch: (B, S, 3) by which local coordinates of the segments are multiplied.
        girth: (B,) by which the capsules' radii are multiplied.
        absent: (B, E) ellipsoids that a figure lacks.

    """

    stretch: Tensor
    girth: Tensor
    absent: Tensor


@dataclass(frozen=True, eq=False)
class Anatomy:
    """Segments, the primitives on them and the keypoints of a skeleton.

    Attributes:
        places: segment and point in its frame, in metres, of every keypoint.
        flesh: metres in front of a keypoint's own surface from which another part hides it: more than
            neighbouring parts overlap.
        shortest: metres that a figure seen end-on counts as at least when it is fitted to the image.
        cut_off: parts that may run out of the image.

    """

    skeleton: Skeleton
    segments: tuple[Segment, ...]
    capsules: tuple[Capsule, ...]
    ellipsoids: tuple[Ellipsoid, ...]
    places: Mapping[str, tuple[str, Point]]
    flesh: float
    shortest: float
    cut_off: tuple[str, ...] = ()

    @cached_property
    def segment_index(self) -> dict[str, int]:
        """Position of every segment."""
        return {segment.name: i for i, segment in enumerate(self.segments)}

    @cached_property
    def dofs(self) -> tuple[str, ...]:
        """Degrees of freedom, in the order of every (..., D) tensor of angles."""
        return tuple(dict.fromkeys(turn.dof for segment in self.segments for turn in segment.turns))

    @cached_property
    def parts(self) -> tuple[Capsule | Ellipsoid, ...]:
        """Every primitive, the capsules first."""
        return (*self.capsules, *self.ellipsoids)

    @cached_property
    def part_index(self) -> dict[str, int]:
        """Position of every primitive."""
        return {part.name: i for i, part in enumerate(self.parts)}

    @cached_property
    def part_segment(self) -> Tensor:
        """Segment (P,) of every primitive."""
        return torch.tensor([self.segment_index[part.segment] for part in self.parts])

    @cached_property
    def carries(self) -> Tensor:
        """(P, K): the keypoint lies inside the part, which therefore never hides it."""
        return torch.tensor([[n in part.keypoints for n in self.skeleton.keypoints] for part in self.parts])

    @cached_property
    def framed(self) -> Tensor:
        """(P,) parts that the image is to hold."""
        return torch.tensor([part.name not in self.cut_off for part in self.parts])

    @cached_property
    def _keypoint_places(self) -> tuple[Tensor, Tensor]:
        """Segment (K,) and local point (K, 3) of every keypoint."""
        segments, points = zip(*(self.places[name] for name in self.skeleton.keypoints), strict=True)
        return torch.tensor([self.segment_index[name] for name in segments]), torch.tensor(points)

    @cached_property
    def _rest(self) -> Solids:
        """Primitives (without batch) in the frames of their segments; ``axes`` (E, 3) are the radii."""
        return Solids(
            start=torch.tensor([c.start for c in self.capsules]),
            end=torch.tensor([c.end for c in self.capsules]),
            radii=torch.tensor([c.radii for c in self.capsules]),
            centre=torch.tensor([e.centre for e in self.ellipsoids]),
            axes=torch.tensor([e.radii for e in self.ellipsoids]),
        )

    def average_shape(self, count: int) -> Shape:
        """Build exactly as in the tables."""
        absent = torch.zeros(count, len(self.ellipsoids), dtype=torch.bool)
        return Shape(torch.ones(count, len(self.segments), 3), torch.ones(count), absent)

    def frames(self, angles: Tensor, shape: Shape) -> Frames:
        """Segment frames of angles (B, D) in radians."""
        named = dict(zip(self.dofs, angles.unbind(1), strict=True))
        return forward_kinematics(self.segments, named, shape.stretch)

    def keypoints(self, frames: Frames) -> Tensor:
        """Keypoints (B, K, 3), metres in the world."""
        return world_points(frames, *self._keypoint_places)

    def solids(self, frames: Frames, shape: Shape) -> Solids:
        """Primitives in the world, metres."""
        of_capsule, of_ellipsoid = self.part_segment.split([len(self.capsules), len(self.ellipsoids)])
        radii = frames.stretch[:, of_ellipsoid] * self._rest.axes
        radii[shape.absent] = 1e-3  # a speck inside another part keeps batches regular
        return Solids(
            start=world_points(frames, of_capsule, self._rest.start),
            end=world_points(frames, of_capsule, self._rest.end),
            radii=self._rest.radii * shape.girth[:, None, None],
            centre=world_points(frames, of_ellipsoid, self._rest.centre),
            axes=frames.rotation[:, of_ellipsoid] * radii[:, :, None, :],
        )
