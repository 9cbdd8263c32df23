import math

import numpy as np
import pytest
import torch

from actupose.data.figures import render_figures
from actupose.data.figures.batch import place_figures
from actupose.data.figures.camera import Framing, view_solids
from actupose.data.figures.hands.body import HAND
from actupose.data.figures.hands.pose_templates import TEMPLATES
from actupose.data.figures.hands.poses import joint_family
from actupose.data.figures.hands.segments import FINGERS
from actupose.data.figures.hands.skin import CREASE, NAIL, PALM, sample_skin, surface_albedo
from actupose.data.figures.render import cast_rays
from actupose.skeleton import HAND21

MIX = (0.4, 0.3, 0.3)
PALM_VIEW, THUMB_VIEW, BACK_VIEW = 0, -90, 180  # yaw in degrees
FIST = TEMPLATES["fist"].mean
OPEN = TEMPLATES["open"].mean


def render(indices, look="photo", side=64):
    return render_figures(0, "test", indices, look, MIX, side, "hand21")


def scene(yaw_degrees, pitch_degrees=0.0, side=64, **degrees):
    angles = torch.zeros(1, len(HAND.dofs))
    for i, dof in enumerate(HAND.dofs):
        angles[0, i] = math.radians(degrees.get(dof, degrees.get(joint_family(dof), 0.0)))
    yaw, pitch = (torch.tensor([math.radians(angle)]) for angle in (yaw_degrees, pitch_degrees))
    framing = Framing(yaw, pitch, torch.zeros(1), torch.tensor([0.8]), torch.zeros(1, 2))
    return place_figures(HAND, angles, HAND.average_shape(1), framing, side)


def seen(placed, *names):
    return [bool(placed.unoccluded[0, HAND21.index(name)]) for name in names]


def of_fingers(joint):
    return [f"{finger}_{joint}" for finger in FINGERS]


@pytest.mark.parametrize("look", ["synthetic", "photo"])
def test_a_hand_is_the_same_bytes_in_any_range(look):
    wide, narrow = render(range(0, 70), look), render(range(66, 68), look)
    for field in ("images", "keypoints", "visible", "category"):
        np.testing.assert_array_equal(getattr(wide, field)[66:68], getattr(narrow, field))
    assert wide.keypoints.shape == (70, 21, 2) and wide.visible.shape == (70, 21)


def test_both_looks_show_the_same_hands_and_photo_hides_more():
    clean, photo = (render(range(128), look) for look in ("synthetic", "photo"))
    np.testing.assert_array_equal(clean.keypoints, photo.keypoints)
    assert not (photo.visible & ~clean.visible).any()
    assert 0.6 < photo.visible.mean() < clean.visible.mean() < 0.95
    assert photo.visible.sum(1).min() >= 2


def test_a_hand_fills_the_frame_as_in_hand_corpora():
    # these cut a square of 1.5 times the keypoints' box: two thirds of the side
    batch = render(range(256), look="synthetic")
    extent = np.ptp(batch.keypoints, axis=1).max(axis=1) / 64
    assert 0.6 < np.median(extent) < 0.73
    assert ((batch.keypoints > -0.5) & (batch.keypoints < 63.5)).mean() > 0.99


@pytest.mark.parametrize("yaw", [PALM_VIEW, BACK_VIEW])
def test_an_open_hand_shows_every_keypoint_from_palm_and_back(yaw):
    assert scene(yaw, **OPEN).unoccluded.all()


def test_a_fist_shows_its_finger_tips_to_the_palm_only():
    thumb_aside = {**FIST, "thumb_abduct": 25.0, "thumb_oppose": -20.0}
    assert all(seen(scene(PALM_VIEW, **thumb_aside), *of_fingers("tip")))
    assert not any(seen(scene(BACK_VIEW, **FIST), *of_fingers("tip")))
    assert all(seen(scene(BACK_VIEW, **FIST), *of_fingers("mcp")))


def test_the_index_finger_hides_the_others_from_the_thumbs_side():
    placed = scene(THUMB_VIEW, thumb_oppose=-25, thumb_abduct=35)
    for joint in ("mcp", "pip", "dip"):
        assert seen(placed, f"index_{joint}") == [True]
        assert not any(seen(placed, f"ring_{joint}", f"little_{joint}"))


def test_straight_fingers_seen_from_their_tips_hide_their_other_joints():
    placed = scene(PALM_VIEW, root_pitch=90)
    assert all(seen(placed, *of_fingers("tip")))
    assert not any(seen(placed, *of_fingers("mcp"), *of_fingers("pip")))


def test_every_keypoint_lies_inside_a_part_that_carries_it():
    placed = scene(PALM_VIEW)
    points = HAND.keypoints(placed.frames)[0]
    solids = placed.solids
    for k, name in enumerate(HAND21.keypoints):
        inside = []
        for part in HAND.carries[:, k].nonzero()[:, 0].tolist():
            if part < len(HAND.capsules):
                start, axis = solids.start[0, part], solids.end[0, part] - solids.start[0, part]
                share = ((points[k] - start) @ axis / (axis @ axis)).clamp(0, 1)
                inside.append((points[k] - start - share * axis).norm() < solids.radii[0, part].min())
            else:
                e = part - len(HAND.capsules)
                local = torch.linalg.solve(solids.axes[0, e], points[k] - solids.centre[0, e])
                inside.append(local.norm() < 1)
        assert any(inside), name


def test_the_forearm_may_leave_the_image_and_does_not_make_the_hand_smaller():
    placed = scene(PALM_VIEW)
    extent = np.ptp(placed.keypoints[0, :, 1].numpy())
    assert extent > 0.7 * 64


def slots_seen(placed, side):
    """Palette slots of the covered pixels, by painting each slot with its own number."""
    hits = cast_rays(view_solids(placed.view, placed.solids), side)
    skin = sample_skin(torch.Generator().manual_seed(0), 1, "synthetic")
    skin.palette[:] = torch.arange(7.0)[None, :, None]
    frames, view = placed.frames, placed.view
    world = ((hits.point - view.shift[0]) / view.scale[0]) @ view.rotation[0]
    segment = HAND.part_segment[hits.part]
    from_origin = (world - frames.origin[0, segment])[:, :, None]
    local = (frames.rotation[0, segment].mT @ from_origin)[..., 0]
    return surface_albedo(hits.figure, hits.part, local, skin)[:, 0]


def test_nails_are_on_the_back_and_creases_in_the_palm():
    palm, back = (slots_seen(scene(yaw, side=128, **OPEN), 128) for yaw in (PALM_VIEW, BACK_VIEW))
    assert (back == NAIL).sum() > 100 > 20 > (palm == NAIL).sum()
    assert (palm == CREASE).sum() > 100 > 20 > (back == CREASE).sum()
    assert (palm == PALM).float().mean() > 0.5 > 0.2 > (back == PALM).float().mean()
