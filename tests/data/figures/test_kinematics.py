import math

import pytest
import torch

from actupose.data.figures.people.body import BODY, sample_shape
from actupose.data.figures.people.pose_templates import LIMITS, TEMPLATES
from actupose.data.figures.people.poses import mirror_angles, sample_poses
from actupose.skeleton import BODY16

EVEN_MIX = (1 / 3, 1 / 3, 1 / 3)
LIMBS = [("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")]


def at(points, name):
    return points[:, BODY16.index(name)]


def keypoints(angles, shape):
    return BODY.keypoints(BODY.frames(angles, shape))


def keypoints_of(**degrees):
    angles = torch.zeros(1, len(BODY.dofs))
    for dof, value in degrees.items():
        angles[0, BODY.dofs.index(dof)] = math.radians(value)
    return keypoints(angles, BODY.average_shape(1))


def sampled(count=500, seed=3, mix=EVEN_MIX):
    rng = torch.Generator().manual_seed(seed)
    poses = sample_poses(rng, count, mix)
    frames = BODY.frames(poses.angles, sample_shape(rng, count))
    return poses, frames, BODY.keypoints(frames)


def bend_degrees(a, b, c):
    """Deviation from a straight line a-b-c."""
    cosine = torch.nn.functional.cosine_similarity(b - a, c - b, dim=-1)
    return torch.rad2deg(cosine.clamp(-1, 1).acos())


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    ("chain", "dof"), [(("shoulder", "elbow", "wrist"), "elbow"), (("hip", "knee", "ankle"), "knee")]
)
def test_elbow_and_knee_bend_stay_within_their_limits_in_space(side, chain, dof):
    _, _, points = sampled()
    bend = bend_degrees(*(at(points, f"{side}_{name}") for name in chain))
    assert bend.max() <= LIMITS[dof][1] + 0.1
    assert bend.std() > 15  # the limit is not met by keeping limbs straight


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_knee_bends_backward_and_an_elbow_forward(side):
    _, frames, points = sampled()
    thigh_front = frames.rotation[:, BODY.segment_index[f"{side}_thigh"], :, 2]
    shin = at(points, f"{side}_ankle") - at(points, f"{side}_knee")
    assert ((shin * thigh_front).sum(-1) < 1e-4).all()
    arm_front = frames.rotation[:, BODY.segment_index[f"{side}_upper_arm"], :, 2]
    forearm = at(points, f"{side}_wrist") - at(points, f"{side}_elbow")
    assert ((forearm * arm_front).sum(-1) > -1e-4).all()


def test_every_sampled_angle_respects_its_limit():
    poses, _, _ = sampled(2000)
    for i, dof in enumerate(BODY.dofs):
        low, high = LIMITS[dof.removeprefix("right_").removeprefix("left_")]
        degrees = torch.rad2deg(poses.angles[:, i])
        assert low - 0.01 <= degrees.min() and degrees.max() <= high + 0.01, dof


def test_limb_lengths_are_equal_left_and_right():
    _, _, points = sampled(200)
    for a, b in LIMBS:
        right, left = (
            (at(points, f"{s}_{a}") - at(points, f"{s}_{b}")).norm(dim=-1) for s in ("right", "left")
        )
        torch.testing.assert_close(right, left, atol=1e-4, rtol=0)


def test_limb_lengths_follow_from_the_shape_and_not_from_the_pose():
    rng = torch.Generator().manual_seed(0)
    shape = sample_shape(rng, 100)
    lengths = []
    for _ in range(2):
        angles = sample_poses(rng, 100, EVEN_MIX).angles
        points = keypoints(angles, shape)
        lengths.append(
            torch.stack([(at(points, f"left_{a}") - at(points, f"left_{b}")).norm(dim=-1) for a, b in LIMBS])
        )
    torch.testing.assert_close(lengths[0], lengths[1], atol=1e-4, rtol=0)
    assert lengths[0].std(dim=1).min() > 0.005  # people differ


def test_neutral_pose_stands_upright_with_arms_down():
    points = keypoints_of()
    order = ["head_top", "neck", "thorax", "pelvis", "left_knee", "left_ankle"]
    heights = torch.stack([at(points, name)[0, 1] for name in order])
    assert (heights.diff() < 0).all()
    assert at(points, "left_shoulder")[0, 0] > 0 > at(points, "right_shoulder")[0, 0]
    torch.testing.assert_close(at(points, "left_wrist")[0, 0], at(points, "left_shoulder")[0, 0])
    assert at(points, "left_wrist")[0, 1] < at(points, "left_elbow")[0, 1]


def test_signs_of_the_angles():
    assert at(keypoints_of(right_shoulder_flex=90), "right_wrist")[0, 2] > 0.4  # forward
    assert at(keypoints_of(right_shoulder_abduct=90), "right_wrist")[0, 0] < -0.6  # away, to the right
    assert at(keypoints_of(left_hip_abduct=45), "left_ankle")[0, 0] > 0.5
    assert at(keypoints_of(spine_flex=60), "head_top")[0, 2] > 0.3
    assert at(keypoints_of(root_pitch=90), "head_top")[0, 2] > 0.6
    assert at(keypoints_of(root_roll=180), "head_top")[0, 1] < -0.6  # handstand


def test_mirrored_angles_give_the_mirrored_body():
    poses, _, _ = sampled(50)
    shape = BODY.average_shape(50)
    points = keypoints(poses.angles, shape)
    mirrored = keypoints(mirror_angles(poses.angles), shape)
    swap = list(range(16))
    for left, right in BODY16.flip_pairs:
        swap[left], swap[right] = right, left
    torch.testing.assert_close(mirrored, points[:, swap] * torch.tensor([-1.0, 1.0, 1.0]), atol=1e-4, rtol=0)


def test_categories_follow_the_mix():
    mix = (0.65, 0.25, 0.10)
    poses, _, _ = sampled(4000, mix=mix)
    for category, share in enumerate(mix):
        count = int((poses.category == category).sum())
        assert abs(count - 4000 * share) < 4.5 * math.sqrt(4000 * share * (1 - share))


def test_every_template_is_drawn_and_no_other_category_leaks_in():
    poses, _, _ = sampled(3000)
    assert len(poses.template.unique()) == len(TEMPLATES)
    only_rare, _, _ = sampled(300, mix=(0.0, 0.0, 1.0))
    assert (only_rare.category == 2).all()


def test_poses_spread_wider_from_everyday_to_rare():
    spreads = []
    for category in range(3):
        mix = tuple(float(category == c) for c in range(3))
        _, _, points = sampled(1000, mix=mix)
        spreads.append((points - points.mean(0)).square().sum(-1).mean().sqrt())
    assert 1.2 * spreads[0] < spreads[1] < spreads[2] / 1.2


def test_template_entries_name_degrees_of_freedom():
    known = {*LIMITS, *BODY.dofs}
    for name, template in TEMPLATES.items():
        assert known >= {*template.mean, *template.spread, *template.swing}, name
    assert {dof.removeprefix("right_").removeprefix("left_") for dof in BODY.dofs} == set(LIMITS)
