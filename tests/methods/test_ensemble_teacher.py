"""A teacher of many views: each of its settings alone, and none of them is the plain mean teacher."""

import math

import pytest
import torch
from tiny_domains import MATCHED, SIDE, random_images, tiny_params, tiny_tree
from tiny_methods import labelled_batch

from actupose.core.heatmap import render_gaussians
from actupose.data.augment import View
from actupose.errors import UserError
from actupose.methods import HelperNets
from actupose.nets.pose_vae import build_vae
from actupose.nets.runtime import Runtime
from actupose.params import RunParams, ViewParams
from actupose.training.method import build_method

NEUTRAL = {
    "kind": "ensemble_teacher",
    "mirrored": False,
    "calm": 0.0,
    "spread": 0.0,
    "implausible": 0.0,
    "student_norm": "own",
    "student_flip": 0.5,  # of the tiny views
    "mask": {"share": 0.0, "patch": 0.25},
    "pseudo_loss": "heatmap",
    "rate": None,
    "last_decay": 0.99,
}
TARGET = random_images(4, SIDE, 1)


def ensemble(**changes):
    entry = tiny_tree()["methods"]["udape"] | NEUTRAL | changes
    params = tiny_params(methods__ensemble=entry)
    vae = build_vae(16, params.vae)
    return build_method(
        RunParams.of(params, "ensemble", 0), Runtime(torch.device("cpu")), HelperNets(vae=vae)
    )


def weights_after_a_step(method, step=3):
    method.prepare(3)
    method.step(step, labelled_batch(), TARGET)
    return torch.cat([weight.flatten() for weight in method.student.network.parameters()])


def test_with_nothing_set_it_is_the_mean_teacher():
    udape = build_method(RunParams.of(tiny_params(), "udape", 0), Runtime(torch.device("cpu")))
    plain = ensemble()
    for method in (udape, plain):
        method.step(0, labelled_batch(), None)
    assert torch.equal(weights_after_a_step(udape), weights_after_a_step(plain))
    teachers = [torch.cat([w.flatten() for w in m.teacher.parameters()]) for m in (udape, plain)]
    assert torch.allclose(*teachers, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "changes",
    [
        {"mirrored": True},
        {"calm": 1.0},
        {"spread": 0.01, "views": 2},
        {"gate": "soft"},
        {"implausible": 0.5},
        {"student_flip": 0.0},
        {"student_norm": "frozen"},
        {"mask": {"share": 0.5, "patch": 0.25}},
        {"pseudo_loss": "squared"},
        {"rate": {"lr": 0.001, "warmup": 0.0}},
    ],
    ids=str,
)
def test_each_setting_changes_what_is_learned(changes):
    assert not torch.equal(weights_after_a_step(ensemble(**changes)), weights_after_a_step(ensemble()))


def test_public_code_has_no_such_method():
    entry = tiny_tree()["methods"]["udape"] | NEUTRAL | {"fidelity": "reference"}
    with pytest.raises(UserError, match=r"methods.ensemble.fidelity = 'reference'"):
        tiny_params(methods__ensemble=entry)


def test_one_view_cannot_disagree():
    with pytest.raises(UserError, match=r"methods.ensemble: spread = 0.1: needs views: 2 or mirrored: true"):
        ensemble(spread=0.1)


def test_each_view_comes_in_a_mirror_too():
    views = ensemble(views=2, mirrored=True).draw_views(3, TARGET).teacher
    assert len(views) == 4
    for view, other in zip(views[:2], views[2:], strict=True):
        assert torch.equal(view.flipped, ~other.flipped)
        determinants = [torch.det(one.view_from_stored[:, :2, :2]) for one in (view, other)]
        assert torch.allclose(determinants[0], -determinants[1], rtol=1e-4)
    plain = ensemble(views=2).draw_views(3, TARGET).teacher
    assert torch.equal(plain[0].view_from_stored, views[0].view_from_stored)


def test_a_calm_teacher_sees_the_crop_as_it_is():
    method = ensemble(calm=1.0)
    view: View = method.draw_views(3, TARGET).teacher[0]
    base = method.draw_target(3, TARGET).base_from_stored
    upright = torch.where(view.flipped, -1, 1)
    assert torch.allclose(view.view_from_stored[:, 0, 0] * upright, base[:, 0, 0], atol=1e-5)
    assert torch.allclose(view.view_from_stored[:, 0, 1], torch.zeros(4), atol=1e-5)
    assert torch.equal(view.color, torch.ones(4, 3))


def test_half_calm_halves_every_range():
    ranges = ensemble(calm=0.5).teacher_ranges
    assert ranges == ViewParams(
        rotation=15, shear=7.5, translate=0.025, scale=(0.9, 1.1), flip=0.5, color=0.125, blur=0
    )


def test_confidence_falls_where_the_views_disagree():
    points = torch.zeros(2, 1, 16, 2)
    points[0, 0, 3, 0], points[1, 0, 3, 0] = 10 - 1.6, 10 + 1.6  # 1.6 px from their mean on either side
    peaks = torch.full((2, 1, 16), 0.5)
    merged, confidence = ensemble(spread=0.05, views=2).merge(points, peaks)  # 0.05 of 32 px: 1.6
    assert merged[0, 3].tolist() == pytest.approx([10, 0], abs=1e-5)
    assert float(confidence[0, 3]) == pytest.approx(0.5 * math.exp(-0.5))
    assert float(confidence[0, 0]) == 0.5


def test_a_soft_gate_weighs_losses_by_confidence():
    method = ensemble(gate="soft")
    task, keypoints = method.student.task, torch.full((1, 16, 2), 15.5)
    raw = torch.randn(1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    confidence = torch.zeros(1, 16)
    confidence[0, 2], confidence[0, 5] = 0.2, 0.6
    kept = method.gate(keypoints, confidence)
    assert kept.all()
    drawn = render_gaussians(task.cells(keypoints, 16), (16, 16), task.heatmap.sigma)
    losses = task.map_losses(raw, drawn)[0]
    expected = (0.2 * losses[2] + 0.6 * losses[5]) / 0.8
    assert float(method.consistency(raw, keypoints, kept, confidence)) == pytest.approx(float(expected))


def test_a_squared_error_is_relative_to_the_drawn_map():
    method = ensemble(pseudo_loss="squared")
    flat = torch.zeros(1, 16, 16, 16)
    keypoints, kept = torch.full((1, 16, 2), 15.5), torch.ones(1, 16, dtype=torch.bool)
    level = method.student.task.heatmaps(flat)[0, 0, 0, 0]  # a flat map spreads its mass over 256 cells
    drawn = render_gaussians(torch.full((1, 1, 2), 7.5), (16, 16), 1.5)
    expected = (level - drawn).square().sum() / drawn.square().sum()
    loss = method.consistency(flat, keypoints, kept, torch.ones(1, 16))
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_keypoints_that_the_pose_vae_finds_implausible_are_left_out():
    method = ensemble(implausible=0.25, mask_ratio=0.0)
    people = torch.rand(4, 16, 2, generator=torch.Generator().manual_seed(0))
    people[2, 7] = 40.0  # far from everything else
    kept = method.gate(people, torch.ones(4, 16))
    assert (~kept).sum(dim=0).tolist() == [1] * 16
    assert not kept[2, 7]


def test_masked_patches_turn_grey_and_the_rest_stays():
    method = ensemble(mask={"share": 0.5, "patch": 0.25})
    views = method.draw_views(3, TARGET)
    plain = ensemble().shown_target(TARGET, ensemble().draw_views(3, TARGET))
    masked = method.shown_target(TARGET, views)
    assert views.hidden.shape == (4, 4, 4)
    hidden = views.hidden.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None].expand_as(plain)
    assert torch.equal(plain[~hidden], masked[~hidden])
    grey = plain.mean(dim=(2, 3), keepdim=True).expand_as(plain)
    assert torch.equal(masked[hidden], grey[hidden])


def test_the_rate_warms_up_and_falls_to_nothing():
    method = ensemble(rate={"lr": 0.01, "warmup": 0.5})  # adaptation is steps 3 to 8
    assert [method.rate(step) for step in range(9)] == pytest.approx(
        [*[method.student.rate(step) for step in range(3)], 0, 0.01 / 3, 0.02 / 3, 0.01, 0.0075, 0.0025]
    )


def test_the_teacher_keeps_more_of_itself_as_adaptation_goes_on():
    method = ensemble(ema_decay=0.9, last_decay=0.99)
    assert method.decay(3) == pytest.approx(0.9)
    assert method.decay(6) == pytest.approx(1 - 0.1 * 10**-0.5)  # half way, geometrically


def test_frozen_statistics_stay_those_of_the_source_once_adaptation_begins():
    method = ensemble(student_norm="frozen", teacher_norm="student")
    statistics = []
    for step in range(5):
        method.prepare(step)
        method.step(step, labelled_batch(), TARGET if step >= 3 else None)
        statistics.append(method.student.network.upsampling[1].running_mean.clone())
    assert not torch.equal(statistics[1], statistics[2])
    assert torch.equal(statistics[2], statistics[4])
    assert torch.equal(method.teacher.upsampling[1].running_mean, statistics[2])


def test_it_asks_for_the_pose_vae_where_it_reads_it():
    def wants(**changes):
        entry = tiny_tree()["methods"]["udape"] | NEUTRAL | changes
        return tiny_params(methods__ensemble=entry).methods["ensemble"].needs_pose_vae

    assert [wants(), wants(implausible=0.1), wants(curriculum=MATCHED)] == [False, True, True]
