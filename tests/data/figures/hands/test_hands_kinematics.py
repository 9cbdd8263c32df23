import math

import pytest
import torch

from actupose.data.figures.hands import HANDS
from actupose.data.figures.hands.body import HAND, sample_shape
from actupose.data.figures.hands.pose_templates import LIMITS, TEMPLATES
from actupose.data.figures.hands.poses import joint_family
from actupose.data.figures.hands.segments import DIP_WITH_PIP, FINGERS
from actupose.skeleton import HAND21

EVEN_MIX = (1 / 3, 1 / 3, 1 / 3)
ALL_FINGERS = ("thumb", *FINGERS)


def at(points, name):
    return points[:, HAND21.index(name)]


def keypoints(angles, shape):
    return HAND.keypoints(HAND.frames(angles, shape))


def keypoints_of(**degrees):
    angles = torch.zeros(1, len(HAND.dofs))
    for i, dof in enumerate(HAND.dofs):
        angles[0, i] = math.radians(degrees.get(dof, degrees.get(joint_family(dof), 0.0)))
    return keypoints(angles, HAND.average_shape(1))


def sampled(count=1000, seed=3, mix=EVEN_MIX):
    rng = torch.Generator().manual_seed(seed)
    poses = HANDS.sample_poses(rng, count, mix)
    return poses, keypoints(poses.angles, sample_shape(rng, count))


def bend_degrees(points, a, b, c):
    """Deviation from a straight line a-b-c."""
    before, after = at(points, b) - at(points, a), at(points, c) - at(points, b)
    cosine = torch.nn.functional.cosine_similarity(before, after, dim=-1)
    return torch.rad2deg(cosine.clamp(-1, 1).acos())


def signed_volume(points):
    """Of wrist, index and little knuckle and the thumb's root; its sign is the handedness."""
    edges = [at(points, name) - at(points, "wrist") for name in ("index_mcp", "little_mcp", "thumb_mcp")]
    return torch.linalg.det(torch.stack(edges, 1))


def test_every_sampled_angle_respects_its_limit():
    poses, _ = sampled(3000)
    for i, dof in enumerate(HAND.dofs):
        low, high = LIMITS[joint_family(dof)]
        degrees = torch.rad2deg(poses.angles[:, i])
        assert low - 0.01 <= degrees.min() and degrees.max() <= high + 0.01, dof


@pytest.mark.parametrize("finger", FINGERS)
def test_bends_of_the_fingers_stay_within_their_limits_in_space(finger):
    _, points = sampled()
    middle = bend_degrees(points, f"{finger}_mcp", f"{finger}_pip", f"{finger}_dip")
    last = bend_degrees(points, f"{finger}_pip", f"{finger}_dip", f"{finger}_tip")
    assert middle.max() <= LIMITS["pip"][1] + 0.1
    assert last.max() <= DIP_WITH_PIP * LIMITS["pip"][1] + LIMITS["dip"][1] + 0.1
    assert middle.std() > 15  # the limit is not met by keeping fingers straight


def test_every_hand_is_a_left_hand():
    _, points = sampled()
    assert (signed_volume(points) < 0).all()
    assert (signed_volume(points * torch.tensor([-1.0, 1.0, 1.0])) > 0).all()


def test_a_left_palm_seen_with_fingers_up_has_the_thumb_on_the_left():
    points = keypoints_of()  # the camera looks at z, x is to the right
    across = torch.stack([at(points, f"{finger}_mcp")[0, 0] for finger in ALL_FINGERS[1:]])
    assert (across.diff() > 0).all()
    assert at(points, "thumb_tip")[0, 0] < across[0]
    assert at(points, "middle_tip")[0, 1] > at(points, "middle_mcp")[0, 1] > at(points, "wrist")[0, 1]


def test_signs_of_the_angles():
    flat = keypoints_of()
    for finger in FINGERS:
        tip = f"{finger}_tip"
        assert at(keypoints_of(flex=60), tip)[0, 2] > at(flat, tip)[0, 2] + 0.04  # into the palm
        assert at(keypoints_of(pip=60), tip)[0, 2] > at(flat, tip)[0, 2] + 0.02
    spread = keypoints_of(abduct=15)
    assert at(spread, "index_tip")[0, 0] < at(flat, "index_tip")[0, 0]
    assert at(spread, "little_tip")[0, 0] > at(flat, "little_tip")[0, 0]
    assert at(keypoints_of(thumb_oppose=30), "thumb_tip")[0, 2] > at(flat, "thumb_tip")[0, 2] + 0.02
    assert at(keypoints_of(thumb_pip=40, thumb_dip=40), "thumb_tip")[0, 0] > at(flat, "thumb_tip")[0, 0]


def test_bone_lengths_follow_from_the_shape_and_not_from_the_pose():
    rng = torch.Generator().manual_seed(0)
    shape = sample_shape(rng, 100)
    starts, ends = zip(*HAND21.bones, strict=True)
    lengths = []
    for _ in range(2):
        points = keypoints(HANDS.sample_poses(rng, 100, EVEN_MIX).angles, shape)
        lengths.append((points[:, starts] - points[:, ends]).norm(dim=-1))
    torch.testing.assert_close(lengths[0], lengths[1], atol=1e-5, rtol=0)
    assert (lengths[0].std(dim=0) / lengths[0].mean(dim=0)).min() > 0.02  # hands differ


def test_a_pinch_brings_thumb_and_index_together():
    pinch = TEMPLATES["pinch"].mean
    gap = at(keypoints_of(**pinch), "thumb_tip") - at(keypoints_of(**pinch), "index_tip")
    assert gap.norm() < 0.025


def test_a_fist_is_shorter_than_an_open_hand():
    fist, flat = keypoints_of(**TEMPLATES["fist"].mean), keypoints_of()
    for finger in FINGERS:
        reach = [(at(points, f"{finger}_tip") - at(points, "wrist")).norm() for points in (fist, flat)]
        assert reach[0] < 0.6 * reach[1]


def test_every_template_is_drawn_in_its_own_category():
    poses, _ = sampled(4000)
    assert len(poses.template.unique()) == len(TEMPLATES)
    for category in range(3):
        only, _ = sampled(100, mix=tuple(float(category == c) for c in range(3)))
        assert (only.category == category).all()


def test_fingers_spread_wider_from_everyday_to_rare():
    everyday, rare = (sampled(1000, mix=mix)[0].angles for mix in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    abduct = [i for i, dof in enumerate(HAND.dofs) if joint_family(dof) == "abduct"]
    assert rare[:, abduct].std(0).mean() > 1.5 * everyday[:, abduct].std(0).mean()


def test_template_entries_name_degrees_of_freedom():
    known = {*LIMITS, *HAND.dofs}
    for name, template in TEMPLATES.items():
        assert known >= {*template.mean, *template.spread, *template.swing}, name
    assert {joint_family(dof) for dof in HAND.dofs} == set(LIMITS)
