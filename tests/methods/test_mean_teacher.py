"""The teacher: a moving average of the student, with BatchNorm statistics by policy."""

import pytest
import torch
from tiny_domains import random_images
from tiny_methods import build as build_run
from tiny_methods import labelled_batch, tiny_run

from actupose.methods import mean_teacher
from actupose.methods.mean_teacher import MeanTeacher
from actupose.nets.runtime import descend


def build(**changes) -> MeanTeacher:
    return build_run(tiny_run("udape", **changes))


def copies(network):
    parameters = {name: value.detach().clone() for name, value in network.named_parameters()}
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    return parameters, buffers


def same(one, other):
    return [name for name in one if torch.equal(one[name], other[name])]


def push(method: MeanTeacher) -> None:
    """One optimiser step on a loss of the student alone, and a forward of the teacher."""
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    descend(method.student.network(images).heatmaps.square().mean(), method.student.optimizer)
    with torch.no_grad():
        method.teacher(images + 1)


def test_the_teacher_asks_for_no_gradient():
    method = build()
    assert not any(weight.requires_grad for weight in method.teacher.parameters())
    assert all(weight.requires_grad for weight in method.student.network.parameters())


def test_a_step_changes_the_student_and_leaves_the_teachers_weights():
    method = build()
    student, teacher = copies(method.student.network)[0], copies(method.teacher)[0]
    push(method)
    assert same(student, copies(method.student.network)[0]) == []
    assert same(teacher, copies(method.teacher)[0]) == list(teacher)


def test_the_moving_average_moves_weights_by_hand_computed_amounts():
    method = build(mean_teacher__ema_decay=0.9)
    push(method)
    before, _ = copies(method.teacher)
    method.follow(0)
    student, _ = copies(method.student.network)
    after, _ = copies(method.teacher)
    for name, value in after.items():
        torch.testing.assert_close(value, 0.9 * before[name] + 0.1 * student[name])


def test_own_statistics_are_the_teachers_own():
    method = build(mean_teacher__teacher_norm="own")
    assert method.teacher.training
    start = copies(method.teacher)[1]
    push(method)
    seen = copies(method.teacher)[1]
    assert not torch.equal(seen["upsampling.1.running_var"], start["upsampling.1.running_var"])
    method.follow(0)
    after = copies(method.teacher)[1]
    assert same(seen, after) == list(seen)


def test_the_students_statistics_are_copied_and_the_teacher_keeps_none_of_its_own():
    method = build(mean_teacher__teacher_norm="student")
    assert not method.teacher.training
    start = copies(method.teacher)[1]
    push(method)
    assert same(start, copies(method.teacher)[1]) == list(start)
    method.follow(0)
    student, teacher = copies(method.student.network)[1], copies(method.teacher)[1]
    assert same(student, teacher) == list(student)
    assert not torch.equal(teacher["upsampling.1.running_var"], start["upsampling.1.running_var"])


@pytest.mark.parametrize("steps", [0, 3, 4])
def test_the_teacher_stands_for_the_run_once_adaptation_has_begun(steps):
    method = build()  # one epoch of three steps goes before
    assert method.predictor(steps) is (method.teacher if steps > 3 else method.student.network)


def test_the_rate_is_of_the_epoch_and_taken_at_every_step():
    method = build(optim__lr=0.01, optim__milestones=[1], optim__factor=0.5)
    batch, target = labelled_batch(), random_images(4, 32, seed=1)
    rates = []
    for step, images in ((3, target), (0, None), (2, None)):  # an optimiser is built with epoch 0's rate
        method.step(step, batch, images)
        rates.append(method.optimizers["student"].param_groups[0]["lr"])
        assert method.rate(step) == rates[-1]
    assert rates == pytest.approx([0.005, 0.01, 0.01])


@pytest.mark.parametrize("step", [3, 4])
def test_what_is_descended_is_the_weighted_losses_and_nothing_that_is_only_logged(step, monkeypatch):
    method, descended = build_run(tiny_run("actupose", mean_teacher__gamma=10.0)), []
    monkeypatch.setattr(mean_teacher, "descend", lambda loss, *optimizers: descended.append(loss.item()))
    result = method.step(step, labelled_batch(), random_images(4, 32, seed=1))
    assert set(result.logged) == {"kept", "pairs"}
    assert set(result.losses) == set(method.weights)
    by_hand = sum(method.weights[name] * loss.item() for name, loss in result.losses.items())
    assert descended == pytest.approx([by_hand], rel=1e-5)
    assert sum(value.item() for value in result.logged.values()) > 1e-3 * abs(by_hand), "it would show"
