"""Which poses of one set another lacks: bones of all pairs compared, and a few poses that stand for the rest.

The similarity of two poses is EvalPose's bone term (P2 eq. 5): the mean cosine over the bones that both have.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from actupose.core.angles import MIN_BONE_LENGTH
from actupose.core.indexing import index_columns

SOURCE_CHUNK = 4096  # compared at once: with 5000 poses a table of 80 MB


def bone_directions(
    keypoints: Float[Tensor, "N K 2"], visible: Bool[Tensor, "N K"], bones: Sequence[Sequence[int]]
) -> Float[Tensor, "N D"]:
    """Unit vectors of all n bones of every pose, one after the other: D = 2n.

    Args:
        keypoints: in any frame; NaN is not visible.
        visible: which keypoints count.
        bones: n rows of (start, end) keypoint positions.

    Returns:
        Without unit; zero where an end of a bone is missing or the bone has no length.
    """
    starts, ends = index_columns(bones, keypoints.device)
    bone = keypoints[:, ends] - keypoints[:, starts]
    length = torch.linalg.vector_norm(bone, dim=-1)
    is_there = visible[:, starts] & visible[:, ends] & (length > MIN_BONE_LENGTH)  # NaN is not above it
    direction: Tensor = torch.where(is_there[..., None], bone / length[..., None], 0.0)
    return direction.flatten(1)


def pose_similarity(a: Float[Tensor, "M D"], b: Float[Tensor, "N D"]) -> Float[Tensor, "M N"]:
    """Mean cosine over the bones that both poses have, of every pair; NaN where they share none.

    Args:
        a: as :func:`bone_directions` gives them.
        b: the same.
    """
    shared = _has_bone(a) @ _has_bone(b).T
    return (a @ b.T) / shared  # 0 / 0 is the promised NaN


def _has_bone(directions: Float[Tensor, "N D"]) -> Float[Tensor, "N n"]:
    has: Tensor = (directions.unflatten(1, (-1, 2)) != 0).any(-1)
    return has.to(directions.dtype)


def alike_share(
    poses: Float[Tensor, "M D"], source: Float[Tensor, "N D"], alike: float
) -> Float[Tensor, "M"]:
    """Share of the source's poses whose similarity to a pose reaches ``alike``, for every pose.

    Args:
        poses: bone directions.
        source: bone directions, compared chunk by chunk; at least one.
        alike: mean cosine.
    """
    count = torch.zeros(len(poses), dtype=torch.float64)
    for _, chunk in _chunks(source):
        count += (pose_similarity(poses, chunk) >= alike).sum(1)
    return count / len(source)


def nearest_poses(
    poses: Float[Tensor, "M D"], source: Float[Tensor, "N D"], count: int
) -> Int64[Tensor, "M count"]:
    """Positions of the source poses most similar to every pose, the most similar first.

    Args:
        poses: bone directions.
        source: bone directions, compared chunk by chunk; one that shares no bone with a pose comes last.
        count: of positions for each pose, at most N; equals are in the source's order.
    """
    best = torch.empty(len(poses), 0)
    places = torch.empty(len(poses), 0, dtype=torch.int64)
    for start, chunk in _chunks(source):
        here = torch.arange(start, start + len(chunk)).expand(len(poses), -1)
        found = pose_similarity(poses, chunk).nan_to_num(nan=-torch.inf)
        best, order = torch.cat([best, found], 1).sort(dim=1, descending=True, stable=True)
        best, places = best[:, :count], torch.cat([places, here], 1).gather(1, order)[:, :count]
    return places


def _chunks(source: Float[Tensor, "N D"]) -> Iterator[tuple[int, Tensor]]:
    """Pieces of the source, each with its first position."""
    for start in range(0, len(source), SOURCE_CHUNK):
        yield start, source[start : start + SOURCE_CHUNK]


def pick_prototypes(
    alike: Bool[Tensor, "M M"], source_share: Float[Tensor, "M"], count: int
) -> tuple[Int64[Tensor, "P"], Int64[Tensor, "P"]]:
    """Poses of the target that stand for what the source lacks, the most lacking first; greedy.

    Each step takes the pose with the largest share of target poses that are alike to it and not yet covered,
    less the share of source poses alike to it, and covers those. It ends where nothing positive is left.

    Args:
        alike: which target poses are alike; every pose is alike to itself.
        source_share: of the source's poses that are alike to each, 0 to 1.
        count: poses to pick at most.

    Returns:
        Positions of the P picked poses, and how many poses each was the first to cover.
    """
    is_open = torch.ones(len(alike), dtype=torch.bool)
    gain_of = alike.sum(1)  # how many each would cover
    picked: list[int] = []
    covered: list[int] = []
    for _ in range(min(count, len(alike))):
        lacking = gain_of.double() / len(alike) - source_share
        best = int(lacking.argmax())
        if lacking[best] <= 0:
            break
        new = alike[best] & is_open
        picked.append(best)
        covered.append(int(new.sum()))
        is_open &= ~new
        gain_of = gain_of - alike[:, new].sum(1)
    return torch.tensor(picked, dtype=torch.int64), torch.tensor(covered, dtype=torch.int64)
