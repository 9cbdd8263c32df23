"""Pseudo-labels: views merged, keypoints gated, keypoints occluded."""

import math

import numpy as np
import pytest
import torch

from actupose.core import pseudo_label
from actupose.core.rng import generator


def test_the_mask_keeps_what_is_strictly_above_the_threshold_of_the_batch():
    confidence = torch.tensor([[0.1, 0.9, 0.5], [0.3, 0.7, 0.2]])
    # int(0.5 * 6) = 3: the third smallest is 0.3, which is not above itself.
    assert pseudo_label.confidence_mask(confidence, 0.5, "global").tolist() == [
        [False, True, True],
        [False, True, False],
    ]


def test_the_mask_ratio_is_cut_to_whole_keypoints():
    confidence = torch.arange(5.0)[None]
    # int(0.39 * 5) = 1
    assert pseudo_label.confidence_mask(confidence, 0.39, "global").tolist() == [[False] + [True] * 4]


def test_the_mask_of_a_full_udape_batch_keeps_half():
    confidence = torch.rand(32, 16, generator=generator(0, "confidence"))
    assert pseudo_label.confidence_mask(confidence, 0.5, "global").sum() == 256


def test_equal_confidences_fall_together():
    assert not pseudo_label.confidence_mask(torch.full((2, 3), 0.4), 0.2, "global").any()


@pytest.mark.parametrize("gate", ["global", "per_keypoint"])
def test_a_ratio_of_zero_keeps_all_and_of_one_nothing(gate):
    confidence = torch.rand(4, 3, generator=generator(0, "confidence"))
    assert pseudo_label.confidence_mask(confidence, 0.0, gate).all()
    assert not pseudo_label.confidence_mask(confidence, 1.0, gate).any()


def test_the_gate_per_keypoint_keeps_the_same_share_of_each():
    confidence = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.05], [0.6, 0.3]])
    assert pseudo_label.confidence_mask(confidence, 0.5, "per_keypoint").tolist() == [
        [True, False],
        [True, True],
        [False, False],
        [False, True],
    ]


@pytest.mark.usefixtures("unchecked_types")
def test_an_unknown_gate_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'row'.*global, per_keypoint"):
        pseudo_label.confidence_mask(torch.rand(2, 2), 0.5, "row")


def test_views_are_merged_by_confidence():
    points = torch.tensor([[[[0.0, 8.0]]], [[[4.0, 0.0]]]])
    merged, confidence = pseudo_label.merge_views(points, torch.tensor([[[0.2]], [[0.6]]]))
    # A quarter of the first view, three quarters of the second.
    torch.testing.assert_close(merged, torch.tensor([[[3.0, 2.0]]]))
    torch.testing.assert_close(confidence, torch.tensor([[0.4]]))


def test_views_without_confidence_are_merged_evenly():
    points = torch.tensor([[[[0.0, 8.0]]], [[[4.0, 0.0]]]])
    merged, _ = pseudo_label.merge_views(points, torch.tensor([[[-0.2]], [[0.0]]]))
    torch.testing.assert_close(merged, torch.tensor([[[2.0, 4.0]]]))


def test_one_view_is_its_own_merger():
    points, confidence = torch.rand(1, 2, 3, 2), torch.rand(1, 2, 3)
    merged, merged_confidence = pseudo_label.merge_views(points, confidence)
    torch.testing.assert_close(merged, points[0])
    torch.testing.assert_close(merged_confidence, confidence[0])


@pytest.mark.parametrize("shape", [(), (2,), (4, 5)])
def test_flipped_samples_exchange_left_and_right_and_others_do_not(shape):
    values = torch.rand(2, 3, *shape)
    permutation = torch.tensor([1, 0, 2])
    swapped = pseudo_label.swap_flipped(values, torch.tensor([True, False]), permutation)
    assert torch.equal(swapped[0], values[0, [1, 0, 2]])
    assert torch.equal(swapped[1], values[1])


def test_swapping_twice_changes_nothing():
    values, flipped, permutation = (
        torch.rand(3, 4, 2),
        torch.tensor([True, True, False]),
        torch.tensor([3, 2, 1, 0]),
    )
    once = pseudo_label.swap_flipped(values, flipped, permutation)
    assert torch.equal(pseudo_label.swap_flipped(once, flipped, permutation), values)


def draws_of(confidence, step=0):
    random = generator(0, "occlusion", step)
    return pseudo_label.draw_occlusion(*confidence.shape, 64, random, confidence.device)


def test_a_keypoint_is_occluded_only_from_the_threshold_on():
    confidence = torch.tensor([[0.9, 0.89, 0.2], [0.5, 0.5, 0.5]])
    chosen = pseudo_label.choose_occluded(confidence, 0.9, 1.0, draws_of(confidence))
    assert chosen.tolist() == [[True, False, False], [False, False, False]]


def test_a_rate_of_zero_occludes_nothing():
    assert not pseudo_label.choose_occluded(torch.ones(50, 4), 0.5, 0.0, draws_of(torch.ones(50, 4))).any()


def test_the_rate_is_the_share_of_samples_and_qualifying_keypoints_are_equally_likely():
    confidence = torch.tensor([0.95, 0.1, 0.9, 1.0]).repeat(6000, 1)
    chosen = pseudo_label.choose_occluded(confidence, 0.9, 0.5, draws_of(confidence))
    assert chosen.sum(1).max() == 1
    counts = chosen.sum(0)
    assert counts[1] == 0
    # 6000 * 0.5 / 3 = 1000 each, five standard deviations are 144
    assert (counts[[0, 2, 3]] - 1000).abs().max() < 144


def test_equal_generators_occlude_the_same():
    confidence = torch.rand(40, 5, generator=generator(0, "confidence"))
    first = pseudo_label.choose_occluded(confidence, 0.3, 0.5, draws_of(confidence, 3))
    again = pseudo_label.choose_occluded(confidence, 0.3, 0.5, draws_of(confidence, 3))
    assert torch.equal(first, again)


def paste_by_hand(image, center, half, source):
    """The same with loops: every pixel of the box takes the one at the rounded shift, held to the image."""
    out, (height, width) = image.copy(), image.shape[1:]
    shift = [round(s - c) for s, c in zip(source, center, strict=True)]
    for y in range(height):
        for x in range(width):
            if -half <= x - center[0] < half and -half <= y - center[1] < half:
                sx, sy = min(max(x + shift[0], 0), width - 1), min(max(y + shift[1], 0), height - 1)
                out[:, y, x] = image[:, sy, sx]
    return out


@pytest.mark.parametrize(
    ("center", "source"),
    [((8, 8), (3, 4)), ((0, 1), (9, 9)), ((11.3, 8.7), (5.1, 5.0)), ((6, 6), (15, 0)), ((8, 8), (9, 8))],
)
@pytest.mark.parametrize("half", [2, 3])
def test_a_patch_overwrites_its_box_with_the_box_at_the_source(center, source, half):
    images = torch.rand(2, 3, 12, 16)
    centers, sources = (torch.tensor([place, place], dtype=torch.float32) for place in (center, source))
    pasted = pseudo_label.paste_patches(images, centers, torch.tensor([True, True]), half, sources)
    for before, after in zip(images.numpy(), pasted.numpy(), strict=True):
        np.testing.assert_array_equal(after, paste_by_hand(before, center, half, source))


def test_a_patch_of_half_size_ten_has_the_twenty_by_twenty_pixels_of_udape():
    images = torch.zeros(1, 1, 64, 64)
    images[:, :, :, 40:] = 1
    pasted = pseudo_label.paste_patches(
        images, torch.tensor([[15.0, 30.0]]), torch.tensor([True]), 10, torch.tensor([[52.0, 30.0]])
    )
    assert pasted[0, 0, :, :40].sum() == 400
    assert pasted[0, 0, 20:40, 5:25].eq(1).all()


def test_inactive_images_stay_even_if_their_centre_is_missing():
    images = torch.rand(2, 1, 8, 8)
    centers = torch.tensor([[math.nan, math.nan], [4.0, 4.0]])
    pasted = pseudo_label.paste_patches(images, centers, torch.tensor([False, False]), 2, torch.zeros(2, 2))
    assert torch.equal(pasted, images)


def test_images_of_a_batch_are_patched_each_by_its_own_box():
    images = torch.arange(2 * 36.0).reshape(2, 1, 6, 6)
    centers, sources = torch.tensor([[1.0, 1.0], [4.0, 4.0]]), torch.tensor([[4.0, 4.0], [1.0, 1.0]])
    pasted = pseudo_label.paste_patches(images, centers, torch.tensor([True, True]), 1, sources)
    assert torch.equal(pasted[0, 0, :2, :2], images[0, 0, 3:5, 3:5])
    assert torch.equal(pasted[1, 0, 3:5, 3:5], images[1, 0, :2, :2])
    assert (pasted != images).flatten(1).sum(1).tolist() == [4, 4]


def test_views_that_agree_have_no_spread_and_leave_confidence():
    points = torch.tensor([[[[0.0, 0.0], [3.0, 0.0]]], [[[0.0, 0.0], [3.0, 8.0]]]])  # 2 views of 2 keypoints
    spread = pseudo_label.spread_of_views(points, points.mean(0))
    assert spread.tolist() == [[0, 4]]
    assert pseudo_label.agreement(spread, 4.0).tolist() == [[1, pytest.approx(math.exp(-0.5))]]


def test_the_negative_of_an_error_as_confidence_drops_the_largest_share_of_each_keypoint():
    values = torch.tensor([[1.0, 9.0], [2.0, 8.0], [3.0, 7.0], [4.0, 6.0]])
    found = pseudo_label.confidence_mask(-values, 0.5, "per_keypoint")
    assert found.tolist() == [[True, False], [True, False], [False, True], [False, True]]
    assert pseudo_label.confidence_mask(-values, 0.2, "per_keypoint").all()


def test_a_soft_gate_keeps_all():
    assert pseudo_label.confidence_mask(torch.rand(3, 2), 0.5, "soft").all()
