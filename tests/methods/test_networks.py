import pytest
import torch
from tiny_domains import tiny_params

from actupose.methods.networks import Networks
from actupose.methods.settings import TrainingSettings


def build(**changes) -> Networks:
    params = tiny_params(**changes)
    return Networks(TrainingSettings.of(params, "udape", 0), params.compute)


def copies(network):
    parameters = {name: value.detach().clone() for name, value in network.named_parameters()}
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    return parameters, buffers


def same(one, other):
    return [name for name in one if torch.equal(one[name], other[name])]


def push(networks: Networks) -> None:
    """One optimiser step on a loss of the student alone, and a forward of the teacher."""
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    networks.optimise(networks.student(images).heatmaps.square().mean())
    with torch.no_grad():
        networks.teacher(images + 1)


def test_the_teacher_asks_for_no_gradient():
    networks = build()
    assert not any(weight.requires_grad for weight in networks.bare_teacher.parameters())
    assert all(weight.requires_grad for weight in networks.bare_student.parameters())


def test_a_step_changes_the_student_and_leaves_the_teachers_weights():
    networks = build()
    student, teacher = copies(networks.bare_student)[0], copies(networks.bare_teacher)[0]
    push(networks)
    assert same(student, copies(networks.bare_student)[0]) == []
    assert same(teacher, copies(networks.bare_teacher)[0]) == list(teacher)


def test_the_moving_average_moves_weights_by_hand_computed_amounts():
    networks = build(adaptation__ema_decay=0.9)
    push(networks)
    before, _ = copies(networks.bare_teacher)
    networks.update_teacher()
    student, _ = copies(networks.bare_student)
    after, _ = copies(networks.bare_teacher)
    for name, value in after.items():
        torch.testing.assert_close(value, 0.9 * before[name] + 0.1 * student[name])


def test_own_statistics_are_the_teachers_own():
    networks = build(adaptation__teacher_norm="own")
    assert networks.teacher.training
    start = copies(networks.bare_teacher)[1]
    push(networks)
    seen = copies(networks.bare_teacher)[1]
    assert not torch.equal(seen["upsampling.1.running_var"], start["upsampling.1.running_var"])
    networks.update_teacher()
    after = copies(networks.bare_teacher)[1]
    assert same(seen, after) == list(seen)


def test_the_students_statistics_are_copied_and_the_teacher_keeps_none_of_its_own():
    networks = build(adaptation__teacher_norm="student")
    assert not networks.teacher.training
    start = copies(networks.bare_teacher)[1]
    push(networks)
    assert same(start, copies(networks.bare_teacher)[1]) == list(start)
    networks.update_teacher()
    student, teacher = copies(networks.bare_student)[1], copies(networks.bare_teacher)[1]
    assert same(student, teacher) == list(student)
    assert not torch.equal(teacher["upsampling.1.running_var"], start["upsampling.1.running_var"])


@pytest.mark.parametrize(("policy", "training"), [("own", True), ("student", False)])
def test_after_a_prediction_both_networks_are_set_back_to_train(policy, training):
    networks = build(adaptation__teacher_norm=policy)
    networks.predictor(adapted=True).eval()
    networks.predictor(adapted=False).eval()
    networks.train()
    assert networks.bare_student.training
    assert networks.bare_teacher.training is training


def test_a_restored_optimiser_obeys_the_next_learning_rate():
    networks = build(optim__lr=0.01, optim__milestones=[1], optim__factor=0.5)
    networks.set_epoch(0)
    push(networks)
    again = build(optim__lr=0.01, optim__milestones=[1], optim__factor=0.5)
    again.load_state_dict(networks.state_dict())
    assert again.set_epoch(1) == pytest.approx(0.005)
    assert [group["lr"] for group in again.bare_optimizer.param_groups] == pytest.approx([0.005])
    for first, second in zip(
        networks.bare_student.parameters(), again.bare_student.parameters(), strict=True
    ):
        assert torch.equal(first, second)
    assert len(again.bare_optimizer.state) == len(list(again.bare_student.parameters()))


def test_weights_that_are_not_numbers_are_noticed_in_either_network():
    for name in ("bare_student", "bare_teacher"):
        networks = build()
        assert networks.is_finite()
        with torch.no_grad():
            getattr(networks, name).head.bias[3] = torch.inf
        assert not networks.is_finite()
