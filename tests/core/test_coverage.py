"""Bones of all pairs of poses compared, and the poses that stand for what a set lacks."""

import math

import numpy as np
import pytest
import torch

from actupose.core import coverage
from actupose.core.angles import bone_cosines
from actupose.skeleton import BODY16

SEEN = torch.ones(1, 3, dtype=torch.bool)


def chains(*degrees) -> torch.Tensor:
    """Directions of two bones each, at these angles."""
    return torch.tensor(
        [[f(math.radians(d)) for d in pair for f in (math.cos, math.sin)] for pair in degrees]
    )


def random_poses(count, seed=0):
    return 60 * torch.rand(count, 16, 2, generator=torch.Generator().manual_seed(seed))


def random_directions(count, seed):
    visible = torch.rand(count, 16, generator=torch.Generator().manual_seed(seed)) < 0.8
    return coverage.bone_directions(random_poses(count, seed), visible, BODY16.bones)


def test_directions_are_unit_vectors_of_the_bones():
    pose = torch.tensor([[(1.0, 1.0), (4.0, 5.0), (4.0, 3.0)]])
    # 3, 4 of length 5, then two up
    found = coverage.bone_directions(pose, SEEN, ((0, 1), (1, 2)))
    assert found.flatten().tolist() == pytest.approx([0.6, 0.8, 0, -1])


def test_a_bone_without_an_end_or_a_length_has_no_direction():
    missing = [(math.nan, math.nan), (1.0, 0.0), (1.0, 2.0)]
    hidden = [(0.0, 0.0), (1.0, 0.0), (1.0, 2.0)]
    point = [(1.0, 0.0), (1.0, 0.0), (1.0, 2.0)]
    visible = torch.tensor([[True, True, True], [False, True, True], [True, True, True]])
    found = coverage.bone_directions(torch.tensor([missing, hidden, point]), visible, ((0, 1), (1, 2)))
    assert found.tolist() == [[0, 0, 0, 1]] * 3


def test_similarity_is_the_mean_cosine_over_shared_bones():
    a = chains((0, 0), (0, 90))
    b = chains((60, 0), (90, 180))
    # cos 60 = 0.5, cos 90 = 0, cos 180 = -1
    expected = [[(0.5 + 1) / 2, (0 - 1) / 2], [(0.5 + 0) / 2, (0 + 0) / 2]]
    torch.testing.assert_close(coverage.pose_similarity(a, b), torch.tensor(expected))


def test_a_bone_that_one_pose_lacks_takes_no_part_and_none_shared_is_unknown():
    first, second = chains((0, 0)).clone(), chains((60, 60)).clone()
    first[:, 2:] = 0
    assert coverage.pose_similarity(first, second).item() == pytest.approx(0.5)
    second[:, :2] = 0
    assert coverage.pose_similarity(first, second).isnan().all()


def test_similarity_is_evalposes_bone_term():
    a, b = random_poses(4, 1), random_poses(4, 2)
    seen = torch.ones(4, 16, dtype=torch.bool)
    directions = [coverage.bone_directions(poses, seen, BODY16.bones) for poses in (a, b)]
    cosines, _ = bone_cosines(a, b, BODY16.bones)
    torch.testing.assert_close(coverage.pose_similarity(*directions).diagonal(), cosines.mean(1))


def test_the_share_of_alike_source_poses_counts_those_that_reach_the_limit():
    source = chains((0, 0), (60, 0), (90, 90), (180, 0))
    # of two bones at 0: 1, 0.75, 0, 0
    found = coverage.alike_share(chains((0, 0)), source, 0.75 - 1e-6)
    assert found.tolist() == [0.5]


def test_chunks_of_the_source_change_nothing(monkeypatch):
    poses, source = random_directions(5, 1), random_directions(50, 2)
    share, nearest = coverage.alike_share(poses, source, 0.2), coverage.nearest_poses(poses, source, 3)
    monkeypatch.setattr(coverage, "SOURCE_CHUNK", 7)
    assert torch.equal(coverage.alike_share(poses, source, 0.2), share)
    assert torch.equal(coverage.nearest_poses(poses, source, 3), nearest)
    similarity = coverage.pose_similarity(poses, source).numpy()
    assert np.array_equal(nearest, np.argsort(-similarity, axis=1, kind="stable")[:, :3])
    assert share.tolist() == pytest.approx((similarity >= 0.2).mean(1))


def test_the_nearest_come_first_equals_in_their_order_and_the_incomparable_last():
    source = chains((90, 90), (10, 0), (0, 0), (10, 0))
    source[0] = 0
    assert coverage.nearest_poses(chains((0, 0)), source, 4).tolist() == [[2, 1, 3, 0]]


def alike_groups(*groups, count=10) -> torch.Tensor:
    """Poses that are alike within each group, and every pose to itself."""
    alike = torch.eye(count, dtype=torch.bool)
    for group in groups:
        alike[np.ix_(group, group)] = True
    return alike


def test_the_most_lacking_pose_is_picked_first_and_covers_those_alike_to_it():
    alike = alike_groups([0, 1, 2, 3], [4, 5, 6], [7, 8])
    share = torch.tensor([0.35] * 4 + [0.05] * 3 + [0.0] * 2 + [0.1])
    # lacking: 0.4 - 0.35, 0.3 - 0.05, 0.2 - 0, and 0.1 - 0.1, which is nothing
    picked, covered = coverage.pick_prototypes(alike, share, 10)
    assert picked.tolist() == [4, 7, 0]
    assert covered.tolist() == [3, 2, 4]


def test_a_pose_already_covered_counts_for_no_other():
    alike = alike_groups([0, 1, 2, 3])
    alike[4, 3:7] = alike[3:7, 4] = True  # 4 is alike to 3, 4, 5, 6; 0 has 0, 1, 2, 3
    share = torch.zeros(10)
    picked, covered = coverage.pick_prototypes(alike, share, 2)
    # 3 is alike to 0, 1, 2, 3 and 4 and comes first; then 4 has 5 and 6 left, the others at most one
    assert picked.tolist() == [3, 4] and covered.tolist() == [5, 2]


def test_no_more_are_picked_than_asked_for_and_none_where_nothing_lacks():
    alike = torch.eye(4, dtype=torch.bool)
    assert coverage.pick_prototypes(alike, torch.zeros(4), 3)[0].tolist() == [0, 1, 2]
    picked, covered = coverage.pick_prototypes(alike, torch.full((4,), 0.25), 3)
    assert picked.tolist() == covered.tolist() == []
