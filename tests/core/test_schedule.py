"""Learning rate and teacher."""

import math

import pytest
import torch

from actupose.core import schedule


@pytest.mark.parametrize(
    ("epoch", "rate"), [(0, 1.0), (44, 1.0), (45, 0.1), (59, 0.1), (60, 0.01), (69, 0.01)]
)
def test_steps_fall_from_each_milestone_on(epoch, rate):
    found = schedule.learning_rate(1.0, epoch, 70, "step", (45, 60), 0.1)
    assert found == pytest.approx(rate)


@pytest.mark.parametrize(("epoch", "rate"), [(0, 2.0), (5, 1.0), (10, 0.0)])
def test_the_cosine_falls_to_zero(epoch, rate):
    assert schedule.learning_rate(2.0, epoch, 10, "cosine", (), 1.0) == pytest.approx(rate)


def test_the_cosine_falls_all_the_way():
    rates = [schedule.learning_rate(1.0, epoch, 7, "cosine", (), 1.0) for epoch in range(8)]
    assert rates == sorted(rates, reverse=True)
    assert rates[2] == pytest.approx((1 + math.cos(2 * math.pi / 7)) / 2)


@pytest.mark.usefixtures("unchecked_types")
def test_an_unknown_decay_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'linear'.*step, cosine"):
        schedule.learning_rate(1.0, 0, 10, "linear", (), 0.1)


def test_the_teacher_moves_a_little_towards_the_student_in_place():
    teacher, student = (
        [torch.tensor([1.0, 2.0]), torch.tensor(4.0)],
        [torch.tensor([3.0, 2.0]), torch.tensor(0.0)],
    )
    first = teacher[0]
    schedule.update_ema(teacher, student, 0.9)
    # 0.9 * 1 + 0.1 * 3; 0.9 * 4
    assert first.tolist() == pytest.approx([1.2, 2.0])
    assert teacher[1].item() == pytest.approx(3.6)
    assert student[0].tolist() == [3, 2]


@pytest.mark.parametrize(("decay", "end"), [(1.0, 5.0), (0.0, 7.0)])
def test_the_ends_of_the_decay_keep_the_teacher_or_copy_the_student(decay, end):
    teacher = [torch.tensor([5.0])]
    schedule.update_ema(teacher, [torch.tensor([7.0])], decay)
    assert teacher[0].tolist() == [end]


def test_parameters_that_learn_can_be_averaged_and_still_learn():
    teacher, student = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    schedule.update_ema(list(teacher.parameters()), list(student.parameters()), 0.0)
    assert torch.equal(teacher.weight, student.weight)
    assert teacher.weight.requires_grad
    assert teacher.weight.grad_fn is None


def test_teacher_and_student_of_different_length_are_refused():
    with pytest.raises(RuntimeError):
        schedule.update_ema([torch.zeros(1)], [torch.zeros(1), torch.zeros(1)], 0.9)


@pytest.mark.parametrize(
    ("steps", "factor"),
    [(0, 0.0), (500, 0.0245), (1000, 0.0462), (2000, 0.0762), (5000, 0.0987), (10000, 0.1)],
)
def test_the_warm_start_is_regdas_table_of_damping(steps, factor):
    # facts/regda_training.md 1.1
    assert schedule.warm_start(steps / 1000, high=0.1) == pytest.approx(factor, abs=5e-5)


def test_the_warm_start_is_ganins_ramp():
    for share in (0.0, 0.2, 0.5, 1.0):
        assert schedule.warm_start(10 * share) == pytest.approx(math.tanh(5 * share))


@pytest.mark.parametrize(("step", "factor"), [(0, 1.0), (5000, 0.738), (15000, 0.503)])
def test_the_inverse_decay_falls_as_regdas_rates_do(step, factor):
    assert schedule.inverse_decay(step, 1e-4, 0.75) == pytest.approx(factor, abs=5e-4)


def test_a_warm_cosine_rises_and_falls():
    shares = (0, 0.1, 0.2, 0.6, 1)
    assert [schedule.warm_cosine(share, 0.2) for share in shares] == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert schedule.warm_cosine(0, 0) == 1


def test_a_ramped_decay_shortens_the_teachers_step_by_the_same_factor_every_time():
    decays = [schedule.ramped_decay(0.9, 0.999, share) for share in (0, 0.5, 1)]
    assert decays == pytest.approx([0.9, 0.99, 0.999])
    assert schedule.ramped_decay(0.99, 0.99, 0.3) == pytest.approx(0.99)
