import pytest
import torch
from tiny_domains import tiny_params

from actupose.methods.mean_teacher import MeanTeacher
from actupose.params.run import TrainingSettings


def build(**changes) -> MeanTeacher:
    params = tiny_params(**changes)
    return MeanTeacher(TrainingSettings.of(params, "udape", 0), params.compute)


def copies(network):
    parameters = {name: value.detach().clone() for name, value in network.named_parameters()}
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    return parameters, buffers


def same(one, other):
    return [name for name in one if torch.equal(one[name], other[name])]


def push(method: MeanTeacher) -> None:
    """One optimiser step on a loss of the student alone, and a forward of the teacher."""
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    method.student.optimise(method.student.network(images).heatmaps.square().mean())
    with torch.no_grad():
        method.teacher.network(images + 1)


def test_the_teacher_asks_for_no_gradient():
    method = build()
    assert not any(weight.requires_grad for weight in method.teacher.bare.parameters())
    assert all(weight.requires_grad for weight in method.student.bare.parameters())


def test_a_step_changes_the_student_and_leaves_the_teachers_weights():
    method = build()
    student, teacher = copies(method.student.bare)[0], copies(method.teacher.bare)[0]
    push(method)
    assert same(student, copies(method.student.bare)[0]) == []
    assert same(teacher, copies(method.teacher.bare)[0]) == list(teacher)


def test_the_moving_average_moves_weights_by_hand_computed_amounts():
    method = build(adaptation__ema_decay=0.9)
    push(method)
    before, _ = copies(method.teacher.bare)
    method.teacher.follow()
    student, _ = copies(method.student.bare)
    after, _ = copies(method.teacher.bare)
    for name, value in after.items():
        torch.testing.assert_close(value, 0.9 * before[name] + 0.1 * student[name])


def test_own_statistics_are_the_teachers_own():
    method = build(adaptation__teacher_norm="own")
    assert method.teacher.network.training
    start = copies(method.teacher.bare)[1]
    push(method)
    seen = copies(method.teacher.bare)[1]
    assert not torch.equal(seen["upsampling.1.running_var"], start["upsampling.1.running_var"])
    method.teacher.follow()
    after = copies(method.teacher.bare)[1]
    assert same(seen, after) == list(seen)


def test_the_students_statistics_are_copied_and_the_teacher_keeps_none_of_its_own():
    method = build(adaptation__teacher_norm="student")
    assert not method.teacher.network.training
    start = copies(method.teacher.bare)[1]
    push(method)
    assert same(start, copies(method.teacher.bare)[1]) == list(start)
    method.teacher.follow()
    student, teacher = copies(method.student.bare)[1], copies(method.teacher.bare)[1]
    assert same(student, teacher) == list(student)
    assert not torch.equal(teacher["upsampling.1.running_var"], start["upsampling.1.running_var"])


@pytest.mark.parametrize(("policy", "training"), [("own", True), ("student", False)])
def test_after_a_prediction_both_networks_are_set_back_to_train(policy, training):
    method = build(adaptation__teacher_norm=policy)
    method.predictor(adapted=True).eval()
    method.predictor(adapted=False).eval()
    method.train()
    assert method.student.bare.training
    assert method.teacher.bare.training is training


def test_a_restored_optimiser_obeys_the_next_learning_rate():
    method = build(optim__lr=0.01, optim__milestones=[1], optim__factor=0.5)
    method.set_epoch(0)
    push(method)
    again = build(optim__lr=0.01, optim__milestones=[1], optim__factor=0.5)
    again.load_state_dict(method.state_dict())
    assert again.set_epoch(1) == pytest.approx(0.005)
    assert [group["lr"] for group in again.student.bare_optimizer.param_groups] == pytest.approx([0.005])
    for first, second in zip(method.student.bare.parameters(), again.student.bare.parameters(), strict=True):
        assert torch.equal(first, second)
    assert len(again.student.bare_optimizer.state) == len(list(again.student.bare.parameters()))


def test_weights_that_are_not_numbers_are_noticed_in_either_network():
    for name in ("student", "teacher"):
        method = build()
        assert method.is_finite()
        with torch.no_grad():
            getattr(method, name).bare.head[-1].bias[3] = torch.inf
        assert not method.is_finite()
