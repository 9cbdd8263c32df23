import pytest

from actupose.skeleton import BODY16, HAND21, SKELETONS


def named(rows, skeleton=BODY16):
    return {tuple(skeleton.keypoints[i] for i in row) for row in rows}


def test_the_body_has_the_sixteen_keypoints_of_mpii_in_its_order():
    # facts/udape.md 6.1: 0 right ankle .. 5 left ankle, 6 pelvis .. 9 head, 10 right wrist .. 15 left wrist
    assert BODY16.keypoints == (
        "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax",
        "neck", "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow",
        "left_wrist",
    )  # fmt: skip
    assert len(BODY16) == 16
    assert [BODY16.index(name) for name in BODY16.keypoints] == list(range(16))


def test_bones_join_all_keypoints_to_one_tree():
    bones = named(BODY16.bones)
    assert len(bones) == 15
    assert {("right_knee", "right_hip"), ("left_elbow", "left_shoulder"), ("neck", "head_top")} <= bones
    reached = {"pelvis"}
    for _ in range(16):
        reached |= {name for bone in bones for name in bone if reached & set(bone)}
    assert reached == set(BODY16.keypoints)


def test_triplets_are_two_bones_that_meet_in_the_middle():
    bones = {frozenset(bone) for bone in BODY16.bones}
    triplets = named(BODY16.triplets)
    assert len(triplets) == 10
    assert ("right_ankle", "right_knee", "right_hip") in triplets
    assert ("left_elbow", "left_shoulder", "neck") in triplets
    assert all(frozenset((a, b)) in bones and frozenset((b, c)) in bones for a, b, c in BODY16.triplets)


def test_mirror_pairs_are_left_and_right_of_the_same_name_each_once():
    pairs = named(BODY16.flip_pairs)
    assert len(pairs) == 6
    assert all(left.replace("left_", "right_") == right != left for left, right in pairs)


def test_all_counts_the_twelve_limb_keypoints_and_no_other():
    groups = BODY16.group_indices
    assert list(groups) == ["shoulder", "elbow", "wrist", "hip", "knee", "ankle", "all"]
    assert sorted(groups["all"]) == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]
    assert set(groups["wrist"]) == {10, 15}
    assert sorted(i for name, group in groups.items() if name != "all" for i in group) == sorted(
        groups["all"]
    )


def test_the_hand_has_a_wrist_and_five_fingers_from_the_palm_outwards():
    # facts/regda_data_metrics.md 2.0: 0 wrist; thumb 1-4, index 5-8, middle 9-12, ring 13-16, little 17-20
    assert len(HAND21) == 21
    assert HAND21.keypoints[:6] == ("wrist", "thumb_mcp", "thumb_pip", "thumb_dip", "thumb_tip", "index_mcp")
    tips = {name: HAND21.index(f"{name}_tip") for name in ("thumb", "index", "middle", "ring", "little")}
    assert tips == {"thumb": 4, "index": 8, "middle": 12, "ring": 16, "little": 20}


def test_the_groups_of_the_hand_are_its_joints_and_all_counts_the_wrist_too():
    assert HAND21.group_indices == {
        "MCP": (1, 5, 9, 13, 17),
        "PIP": (2, 6, 10, 14, 18),
        "DIP": (3, 7, 11, 15, 19),
        "fingertip": (4, 8, 12, 16, 20),
        "all": tuple(range(21)),
    }


def test_every_finger_is_four_bones_and_three_angles_from_the_wrist():
    assert len(HAND21.bones) == 20
    assert HAND21.bones[4:8] == ((0, 5), (5, 6), (6, 7), (7, 8))
    assert len(HAND21.triplets) == 15
    assert ("wrist", "little_mcp", "little_pip") in named(HAND21.triplets, HAND21)


def test_a_hand_has_no_mirror_pairs():
    assert HAND21.flip_pairs == ()


def test_a_skeleton_is_known_by_its_name():
    assert SKELETONS["body16"] is BODY16
    assert SKELETONS["hand21"] is HAND21
    with pytest.raises(ValueError):
        BODY16.index("nose")
