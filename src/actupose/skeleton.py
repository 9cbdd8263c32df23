"""Skeletons as data: keypoints by name, their groups, bones, angle triplets and mirror pairs."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

SkeletonName = Literal["body16", "hand21"]


@dataclass(frozen=True)
class Skeleton:
    """Named keypoints and the structure over them.

    Attributes:
        keypoints: names, in the order of every (..., K, 2) tensor.
        groups: report columns; ``all`` is the mean over ``scored``.
        scored: the keypoints that count for ``all``.
        chains: polylines from which bones and triplets follow, and which are drawn.
    """

    name: SkeletonName
    keypoints: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    scored: tuple[str, ...]
    chains: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.keypoints)

    def index(self, name: str) -> int:
        """Position of a keypoint."""
        return self.keypoints.index(name)

    @property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(start, end) keypoint of every bone: neighbours on a chain, each pair once."""
        pairs = [(self.index(a), self.index(b)) for chain in self.chains for a, b in pairwise(chain)]
        return tuple(dict.fromkeys(pairs))

    @property
    def triplets(self) -> tuple[tuple[int, int, int], ...]:
        """(a, b, c) of every angle at b: three neighbours on a chain, each once."""
        triples = [
            (self.index(a), self.index(b), self.index(c))
            for chain in self.chains
            for a, b, c in zip(chain, chain[1:], chain[2:], strict=False)
        ]
        return tuple(dict.fromkeys(triples))

    @property
    def group_indices(self) -> dict[str, tuple[int, ...]]:
        """Keypoint positions of every report column, ``all`` last."""
        named = {**self.groups, "all": self.scored}
        return {group: tuple(self.index(name) for name in names) for group, names in named.items()}

    @property
    def flip_pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) positions of keypoints that swap under mirroring."""
        lefts = [name for name in self.keypoints if name.startswith("left_")]
        return tuple((self.index(name), self.index(name.replace("left_", "right_"))) for name in lefts)


_LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_LIMB_GROUPS: dict[str, tuple[str, ...]] = {limb: (f"right_{limb}", f"left_{limb}") for limb in _LIMBS}

BODY16 = Skeleton(  # MPII order, shared by RegDA and UDAPE
    name="body16",
    keypoints=(
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
        "pelvis", "thorax", "neck", "head_top",
        "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    ),
    groups=_LIMB_GROUPS,
    scored=tuple(name for pair in _LIMB_GROUPS.values() for name in pair),
    chains=(
        ("right_ankle", "right_knee", "right_hip", "pelvis"),
        ("left_ankle", "left_knee", "left_hip", "pelvis"),
        ("pelvis", "thorax", "neck", "head_top"),
        ("right_wrist", "right_elbow", "right_shoulder", "neck"),
        ("left_wrist", "left_elbow", "left_shoulder", "neck"),
    ),
)  # fmt: skip

_FINGERS = ("thumb", "index", "middle", "ring", "little")
_JOINTS = ("mcp", "pip", "dip", "tip")  # from the palm outwards
_HAND = ("wrist", *(f"{finger}_{joint}" for finger in _FINGERS for joint in _JOINTS))

HAND21 = Skeleton(  # order and groups of RegDA and UDAPE, who name the thumb's joints as the other fingers'
    name="hand21",
    keypoints=_HAND,
    groups={
        group: tuple(f"{finger}_{joint}" for finger in _FINGERS)
        for group, joint in zip(("MCP", "PIP", "DIP", "fingertip"), _JOINTS, strict=True)
    },
    scored=_HAND,
    chains=tuple(("wrist", *(f"{finger}_{joint}" for joint in _JOINTS)) for finger in _FINGERS),
)

SKELETONS: dict[SkeletonName, Skeleton] = {"body16": BODY16, "hand21": HAND21}
