import math

import pytest
import torch

from actupose.core.affine import transform_points
from actupose.core.rng import generator
from actupose.data.augment import (
    View,
    draw_crop,
    draw_patches,
    draw_view,
    gaussian_blur,
    inside_image,
    jitter_color_,
    keypoints_in_stored,
    keypoints_in_view,
    mask_patches,
    render_view,
)
from actupose.params import ViewParams

CPU = torch.device("cpu")
SWAP = torch.tensor([1, 0, 2])  # keypoints left, right, middle
STILL = {"rotation": 0, "shear": 0, "translate": 0, "scale": (1, 1), "flip": 0, "color": 0, "blur": 0}


def jitter_color(images, factors):
    images = images.clone()
    jitter_color_(images, factors)
    return images


def ranges(**changes) -> ViewParams:
    return ViewParams.model_validate(STILL | changes)


def whole(batch: int) -> torch.Tensor:
    return torch.eye(3).expand(batch, 3, 3)


def dot(x: int, y: int, side: int = 32) -> torch.Tensor:
    image = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    image[0, :, y, x] = 255
    return image


def test_a_view_of_empty_ranges_is_the_picture_itself():
    images = torch.randint(0, 256, (3, 3, 32, 32), generator=generator(0, "x")).byte()
    view = draw_view(ranges(), whole(3), 32, generator(0, "y"))
    torch.testing.assert_close(render_view(images, view, blurred=True), images / 255, atol=2e-4, rtol=0)


def test_a_keypoint_moves_with_its_picture():
    view = draw_view(
        ranges(rotation=90, shear=20, translate=0.1, scale=(0.7, 1.3), flip=0.5),
        whole(16),
        32,
        generator(3, "z"),
    )
    keypoint = torch.tensor([[18.0, 13.0]])
    seen = render_view(dot(18, 13).expand(16, 3, 32, 32), view, blurred=False)[:, 0]
    mass = seen.sum((1, 2))
    x = (seen.sum(1) * torch.arange(32)).sum(1) / mass
    y = (seen.sum(2) * torch.arange(32)).sum(1) / mass
    placed = keypoints_in_view(keypoint.expand(16, 1, 2), view, torch.tensor([0]))[:, 0]
    torch.testing.assert_close(
        torch.stack((x, y), 1), placed, atol=0.35, rtol=0
    )  # one pixel is sampled coarsely
    assert 0 < view.flipped.sum() < 16


def test_a_mirrored_view_renames_left_and_right():
    view = draw_view(ranges(flip=1), whole(1), 32, generator(0, "x"))
    keypoints = torch.tensor([[[4.0, 10.0], [20.0, 11.0], [16.0, 5.0]]])
    # x' = 31 - x; what was left is called right
    expected = torch.tensor([[[11.0, 11.0], [27.0, 10.0], [15.0, 5.0]]])
    torch.testing.assert_close(keypoints_in_view(keypoints, view, SWAP), expected)
    torch.testing.assert_close(keypoints_in_stored(expected, view, SWAP), keypoints)


def test_there_and_back_again_is_no_move():
    view = draw_view(
        ranges(rotation=180, shear=30, translate=0.2, scale=(0.5, 2), flip=0.5),
        whole(20),
        64,
        generator(1, "x"),
    )
    keypoints = 64 * torch.rand(20, 3, 2, generator=generator(0, "k"))
    keypoints[4, 1] = torch.nan
    back = keypoints_in_stored(keypoints_in_view(keypoints, view, SWAP), view, SWAP)
    torch.testing.assert_close(back, keypoints, atol=1e-3, rtol=0, equal_nan=True)


def test_views_stay_within_their_ranges():
    limits = ranges(rotation=30, translate=0.1, scale=(0.8, 1.2), flip=0.25, color=0.2, blur=2.0)
    view = draw_view(limits, whole(4000), 64, generator(0, "x"))
    linear = view.view_from_stored[:, :2, :2]
    mirrored = torch.det(linear) < 0
    assert torch.equal(mirrored, view.flipped)
    assert 0.22 < view.flipped.float().mean() < 0.28
    scale = torch.det(linear).abs().sqrt()
    assert 0.8 <= scale.min() < 0.81 and 1.19 < scale.max() <= 1.2001
    angle = torch.atan2(linear[:, 1, 0], linear[:, 0, 0])[~view.flipped].abs() * 180 / math.pi
    assert 29 < angle.max() <= 30.001
    centre = transform_points(torch.full((4000, 1, 2), 31.5), view.view_from_stored)[:, 0] - 31.5
    assert 6 < centre.abs().max() <= 6.4001
    assert 0.8 <= view.color.min() < 0.81 and 1.19 < view.color.max() <= 1.2
    assert view.blur.min() >= 0 and 1.9 < view.blur.max() <= 2


def test_shear_leans_along_x():
    linear = draw_view(ranges(shear=20), whole(500), 64, generator(0, "x")).view_from_stored[:, :2, :2]
    assert torch.equal(linear[:, 0, 0], torch.ones(500))
    assert linear[:, 1, 0].abs().max() == 0
    assert 0.35 < linear[:, 0, 1].abs().max() <= math.tan(math.radians(20)) + 1e-6


def test_a_crop_is_a_square_within_the_picture_with_its_share_of_the_area():
    matrix = draw_crop((0.25, 0.81), 2000, 64, generator(0, "x"), CPU)
    factor = matrix[:, 0, 0]
    assert torch.equal(factor, matrix[:, 1, 1])
    shares = 1 / factor.square()
    assert shares.min() + 1e-6 >= 0.25 and shares.min() < 0.26 and 0.80 < shares.max() < 0.8101
    edges = torch.tensor([[-0.5, -0.5], [63.5, 63.5]]).expand(2000, 2, 2)
    stored = transform_points(edges, torch.linalg.inv(matrix))
    assert stored.min() >= -0.501 and stored.max() <= 63.501
    assert stored[:, 0].min() < 0.5 and stored[:, 1].max() > 62.5  # and reaches the border
    assert torch.equal(draw_crop((1.0, 1.0), 2, 64, generator(0, "x"), CPU), whole(2))


def test_draws_depend_on_their_generator_alone():
    limits = ranges(rotation=30, flip=0.5, color=0.2)
    first, again, other = (draw_view(limits, whole(4), 64, generator(0, "x", step)) for step in (0, 0, 1))
    assert torch.equal(first.view_from_stored, again.view_from_stored)
    assert torch.equal(first.color, again.color)
    assert not torch.equal(first.view_from_stored, other.view_from_stored)


def test_the_crop_comes_before_the_view():
    base = draw_crop((0.5, 0.5), 1, 64, generator(0, "x"), CPU)
    turned = draw_view(ranges(rotation=45), base, 64, generator(1, "x")).view_from_stored
    alone = draw_view(ranges(rotation=45), whole(1), 64, generator(1, "x")).view_from_stored
    torch.testing.assert_close(turned, alone @ base)


def test_inside_is_from_edge_to_edge_and_nan_is_outside():
    keypoints = torch.tensor([[[-0.5, 0.0], [-0.6, 0.0], [63.5, 63.5], [63.6, 1.0], [5.0, torch.nan]]])
    assert inside_image(keypoints, 64).tolist() == [[True, False, True, False, False]]


def test_colour_factors_by_hand():
    image = torch.tensor([0.4, 0.2, 0.1]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    same = jitter_color(image, torch.ones(1, 3))
    torch.testing.assert_close(same, image)
    brighter = jitter_color(image, torch.tensor([[1.5, 1.0, 1.0]]))
    torch.testing.assert_close(brighter[0, :, 0, 0], torch.tensor([0.6, 0.3, 0.15]))
    gray = 0.299 * 0.4 + 0.587 * 0.2 + 0.114 * 0.1
    faded = jitter_color(image, torch.tensor([[1.0, 1.0, 0.0]]))
    torch.testing.assert_close(faded[0, :, 0, 0], torch.full((3,), gray))
    flat = jitter_color(image, torch.tensor([[1.0, 0.5, 1.0]]))
    torch.testing.assert_close(flat[0, :, 0, 0], gray + 0.5 * (torch.tensor([0.4, 0.2, 0.1]) - gray))
    assert jitter_color(image, torch.tensor([[9.0, 1.0, 1.0]])).max() == 1


def test_colour_is_each_samples_own():
    images = torch.full((2, 3, 4, 4), 0.4)
    seen = jitter_color(images, torch.tensor([[1.0, 1.0, 1.0], [2.0, 1.0, 1.0]]))
    assert seen[:, 0, 0, 0].tolist() == pytest.approx([0.4, 0.8])


def test_blur_spreads_a_dot_as_a_gaussian_and_keeps_its_mass():
    blurred = gaussian_blur(dot(16, 16).float() / 255, torch.tensor([1.0]))[0, 0]
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-4)
    assert float(blurred[16, 17] / blurred[16, 16]) == pytest.approx(math.exp(-0.5), rel=1e-4)
    assert float(blurred[18, 17] / blurred[16, 16]) == pytest.approx(math.exp(-2.5), rel=1e-4)


def test_blur_is_each_samples_own_and_of_radius_nothing_none():
    images = torch.rand(2, 3, 16, 16, generator=generator(0, "x"))
    blurred = gaussian_blur(images, torch.tensor([0.0, 2.0]))
    torch.testing.assert_close(blurred[0], images[0])
    assert blurred[1].std() < 0.5 * images[1].std()
    torch.testing.assert_close(
        gaussian_blur(torch.ones(1, 3, 16, 16), torch.tensor([2.0])), torch.ones(1, 3, 16, 16)
    )


def test_outside_the_picture_a_view_is_black():
    shift = torch.eye(3)[None].clone()
    shift[0, 0, 2] = 8
    zero = torch.zeros(1)
    view = View(shift, torch.tensor([False]), torch.ones(1, 3), zero)
    seen = render_view(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8), view, blurred=False)
    assert seen[..., :8].max() < 1e-6 and seen[..., 8:].min() > 1 - 1e-4


def test_patches_are_hidden_as_often_as_the_share_says():
    hidden = draw_patches(0.3, 0.25, 500, generator(0, "patches"))
    assert hidden.shape == (500, 4, 4)
    assert float(hidden.float().mean()) == pytest.approx(0.3, abs=0.02)
    assert not draw_patches(0.0, 0.1, 2, generator(0, "patches")).any()


def test_a_hidden_patch_has_the_mean_colour_of_its_image():
    images = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    hidden = torch.zeros(2, 3, 3, dtype=torch.bool)
    hidden[1, 0, 2] = True  # rows 0 to 2, columns 6 to 8
    masked = mask_patches(images, hidden)
    assert torch.equal(masked[0], images[0])
    assert torch.equal(masked[1, :, :3, 6:], images[1].mean((1, 2))[:, None, None].expand(3, 3, 3))
    assert torch.equal(masked[1, :, 3:], images[1, :, 3:])
