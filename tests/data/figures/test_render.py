import math

import numpy as np
import pytest
import torch

from actupose.data.figures import place_keypoints, render_figures
from actupose.data.figures.anatomy import Solids
from actupose.data.figures.batch import place_figures
from actupose.data.figures.camera import Framing, supersampled, view_points, view_solids
from actupose.data.figures.montage import montage
from actupose.data.figures.people.body import BODY
from actupose.data.figures.render import capsule_depth, cast_rays, ellipsoid_depth
from actupose.data.figures.scenery import hidden_by_occluder
from actupose.errors import UserError
from actupose.skeleton import BODY16

MIX = (0.65, 0.25, 0.10)
FIELDS = ("images", "keypoints", "visible", "category")


def render(indices, seed=0, stream="test", look="photo", mix=MIX, side=64):
    return render_figures(seed, stream, indices, look, mix, side)


def scene(yaw_degrees=0.0, side=64, **degrees):
    angles = torch.zeros(1, len(BODY.dofs))
    for dof, value in degrees.items():
        angles[0, BODY.dofs.index(dof)] = math.radians(value)
    zero = torch.zeros(1)
    framing = Framing(
        torch.tensor([math.radians(yaw_degrees)]), zero, zero, torch.tensor([0.8]), torch.zeros(1, 2)
    )
    return place_figures(BODY, angles, BODY.average_shape(1), framing, side)


def seen(placed, name):
    return bool(placed.unoccluded[0, BODY16.index(name)])


def x_of(placed, name):
    return float(placed.keypoints[0, BODY16.index(name), 0])


@pytest.mark.parametrize("look", ["synthetic", "photo"])
def test_a_figure_is_the_same_bytes_in_any_range(look):
    wide, narrow, stepped = (render(r, look=look) for r in (range(0, 100), range(37, 38), range(60, 70, 3)))
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(wide, field)[37], getattr(narrow, field)[0])
        np.testing.assert_array_equal(getattr(wide, field)[60:70:3], getattr(stepped, field))


def test_keypoints_are_known_without_drawing():
    for indices in (range(0, 100), range(60, 70, 3)):
        found = place_keypoints(0, "test", indices, MIX, 64)
        np.testing.assert_array_equal(found, render(indices).keypoints)


def test_seeds_and_streams_give_other_figures():
    base, seed, stream = (render(range(8), **k) for k in ({}, {"seed": 1}, {"stream": "other"}))
    for other in (seed, stream):
        assert np.abs(base.keypoints - other.keypoints).max(axis=(1, 2)).min() > 1.0
        assert (base.images != other.images).mean() > 0.9


def test_shapes_dtypes_and_range():
    batch = render(range(5), side=48)
    assert batch.images.shape == (5, 48, 48, 3) and batch.images.dtype == np.uint8
    assert batch.keypoints.shape == (5, 16, 2) and batch.keypoints.dtype == np.float32
    assert batch.visible.shape == (5, 16) and batch.visible.dtype == np.bool_
    assert batch.category.shape == (5,) and batch.category.dtype == np.int64
    assert np.isfinite(batch.keypoints).all()


def test_both_looks_show_the_same_poses_and_photo_hides_more():
    clean, photo = (render(range(128), look=look) for look in ("synthetic", "photo"))
    np.testing.assert_array_equal(clean.keypoints, photo.keypoints)
    np.testing.assert_array_equal(clean.category, photo.category)
    assert not (photo.visible & ~clean.visible).any()
    assert photo.visible.mean() < clean.visible.mean() - 0.02


def test_keypoints_scale_with_the_side():
    small, large = (render(range(4), look="synthetic", side=side) for side in (32, 96))
    np.testing.assert_allclose((small.keypoints + 0.5) * 3, large.keypoints + 0.5, atol=1e-2)


def test_a_figure_fills_the_frame():
    batch = render(range(128), look="synthetic")
    extent = np.ptp(batch.keypoints, axis=1).max(axis=1) / 64
    assert 0.5 < np.median(extent) < 0.9
    assert ((batch.keypoints > -0.5) & (batch.keypoints < 63.5)).mean() > 0.98


@pytest.mark.parametrize(("yaw", "sign"), [(0, 1), (180, -1)])
def test_right_is_the_persons_own_right(yaw, sign):
    placed = scene(yaw)
    for left, right in BODY16.flip_pairs:
        difference = x_of(placed, BODY16.keypoints[left]) - x_of(placed, BODY16.keypoints[right])
        assert sign * difference > 1.0


def test_yaw_ninety_sees_the_left_side():
    placed = scene(90)
    assert seen(placed, "left_shoulder") and not seen(placed, "right_shoulder")
    assert seen(placed, "left_hip") and not seen(placed, "right_hip")


def test_a_wrist_behind_the_back_is_hidden_from_the_front_only():
    hand_on_back = {"right_shoulder_flex": -45, "right_elbow": 75, "right_shoulder_twist": -85}
    assert not seen(scene(0, **hand_on_back), "right_wrist")
    assert seen(scene(180, **hand_on_back), "right_wrist")


def test_a_standing_person_shows_every_keypoint_from_front_and_back():
    for yaw in (0, 180):
        assert scene(yaw, right_shoulder_abduct=15, left_shoulder_abduct=15).unoccluded.all()


def test_an_occluder_hides_the_keypoints_under_it():
    mask = torch.zeros(1, 10, 10)
    mask[0, 2:5, 6:9] = 1.0
    points = torch.tensor([[[7.0, 3.0], [3.0, 7.0], [5.6, 4.4], [5.4, 4.4], [-5.0, 30.0]]])
    assert hidden_by_occluder(mask, points).tolist() == [[True, False, True, False, False]]


def one_solid(**changes):
    base = {
        "start": torch.tensor([[[0.0, 0.0, 0.0]]]),
        "end": torch.tensor([[[10.0, 0.0, 0.0]]]),
        "radii": torch.tensor([[[2.0, 2.0]]]),
        "centre": torch.tensor([[[0.0, 0.0, 5.0]]]),
        "axes": torch.diag(torch.tensor([3.0, 2.0, 1.0]))[None, None],
    }
    return Solids(**{**base, **changes})


def test_capsule_depth_by_hand():
    x, y = torch.tensor([5.0, 5.0, 5.0, -1.0, 13.0]), torch.tensor([0.0, 1.2, 2.5, 0.0, 0.0])
    depth = capsule_depth(one_solid(), torch.zeros(5, dtype=torch.long), x, y)
    # cylinder top 2; sqrt(4 - 1.44) = 1.6; beside it; the start's ball sqrt(4 - 1); beyond the end
    torch.testing.assert_close(depth, torch.tensor([-2.0, -1.6, torch.inf, -math.sqrt(3.0), torch.inf]))


def test_capsule_seen_end_on_is_its_nearest_ball():
    solids = one_solid(end=torch.tensor([[[0.0, 0.0, 10.0]]]), radii=torch.tensor([[[1.0, 2.0]]]))
    x = torch.tensor([0.0, 2.1])
    depth = capsule_depth(solids, torch.zeros(2, dtype=torch.long), x, torch.zeros(2))
    torch.testing.assert_close(depth, torch.tensor([-1.0, torch.inf]))


def test_tapered_capsule_surface_touches_the_hull_of_its_balls():
    solids = one_solid(end=torch.tensor([[[7.0, 3.0, -4.0]]]), radii=torch.tensor([[[2.0, 1.0]]]))
    x = torch.linspace(-3, 9, 60).repeat_interleave(40)
    y = torch.linspace(-3, 5, 40).repeat(60)
    depth = capsule_depth(solids, torch.zeros(2400, dtype=torch.long), x, y)
    points = torch.stack([x, y, depth], -1)[depth.isfinite()]
    share = torch.linspace(0, 1, 2001)[:, None, None]
    ball = (points - share * solids.end[0, 0]).norm(dim=-1) - (2.0 - share[..., 0])
    torch.testing.assert_close(ball.amin(0), torch.zeros(len(points)), atol=5e-3, rtol=0)
    assert len(points) > 300


def test_ellipsoid_depth_satisfies_its_equation_under_rotation():
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))[0]
    radii = torch.tensor([3.0, 2.0, 1.0])
    solids = one_solid(axes=(rotation * radii)[None, None])
    x, y = torch.tensor([0.0, 0.5, -0.7, 9.0]), torch.tensor([0.0, 0.6, 0.2, 0.0])
    depth = ellipsoid_depth(solids, torch.zeros(4, dtype=torch.long), x, y)
    local = (torch.stack([x, y, depth - 5.0], -1)[:3] @ rotation) / radii
    torch.testing.assert_close(local.norm(dim=-1), torch.ones(3))
    assert (depth[:3] < 5.0).all() and depth[3] == torch.inf


def test_visibility_agrees_with_the_part_seen_in_the_image():
    # the nearest surface at a seen keypoint belongs to a part that carries it, or touches such a part
    placed = scene(35, side=96, right_shoulder_flex=70, right_elbow=60, left_hip_flex=30, left_knee=40)
    fine = supersampled(placed.view, 2)
    hits = cast_rays(view_solids(fine, placed.solids), 192)
    nearest = torch.full((192 * 192,), -1)
    nearest[hits.pixel] = hits.part
    keypoints = (placed.keypoints[0, :, :2] + 0.5) * 2 - 0.5
    column, row = keypoints.round().long().unbind(-1)
    part = nearest[row * 192 + column]
    assert (part >= 0).all()
    carried = BODY.carries[part, torch.arange(16)]
    assert placed.unoccluded[0][carried].all()
    assert carried.sum() >= 10


def test_normals_are_outward_units_and_face_the_camera():
    placed = scene(20, side=64, left_shoulder_abduct=60)
    hits = cast_rays(view_solids(placed.view, placed.solids), 64)
    torch.testing.assert_close(hits.normal.norm(dim=-1), torch.ones(len(hits.normal)), atol=1e-4, rtol=0)
    assert (hits.normal[:, 2] < 0.05).float().mean() > 0.99
    assert {BODY.parts[int(p)].name for p in hits.part.unique()} >= {
        "head",
        "ribcage",
        "left_foot",
        "right_hand",
    }


def test_supersampled_view_keeps_pixel_centres():
    placed = scene(0, side=32)
    point = torch.tensor([[[0.1, 0.2, 0.3]]])
    coarse, fine = view_points(placed.view, point), view_points(supersampled(placed.view, 2), point)
    torch.testing.assert_close((coarse[..., :2] + 0.5) * 2, fine[..., :2] + 0.5)


def test_front_and_back_of_the_same_figure_look_different():
    # hair covers the head seen from behind and the face is bare: another part mix at the same place
    front, back = scene(0), scene(180)
    faces = [
        (cast_rays(view_solids(s.view, s.solids), 64).part == BODY.part_index["head"]).sum()
        for s in (front, back)
    ]
    assert faces[0] > 3 * faces[1]


def test_montage_has_one_tile_per_figure():
    picture = montage(render(range(5), side=32), columns=3, zoom=2)
    assert picture.shape == (2 * 64, 3 * 64, 3) and picture.dtype == np.uint8
    assert not picture[64:, 128:].any() and picture[:64].any()


@pytest.mark.parametrize(
    "change",
    [
        {"mix": (0.5, 0.5, 0.5)},
        {"look": "oil"},
        {"side": 4},
        {"indices": range(0)},
        {"indices": range(-1, 3)},
    ],
)
def test_a_senseless_request_is_a_user_error(change):
    with pytest.raises(UserError):
        render(**{"indices": range(2), **change})
