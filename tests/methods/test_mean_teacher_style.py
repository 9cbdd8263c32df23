"""Style transfer of the mean teacher: which batches are restyled, by how much, and with whose look."""

import pytest
import torch
from tiny_domains import SIDE, random_images, run_until_stopped, tiny_params
from tiny_methods import build, labelled_batch, tiny_run
from torch._dynamo.testing import CompileCounter

from actupose.core.style import mix_amplitudes
from actupose.data.views import teacher_images
from actupose.errors import UserError
from actupose.methods import HelperNets
from actupose.methods._teaching import StyleMix
from actupose.nets.runtime import Runtime
from actupose.nets.style_net import build_style_net
from actupose.training.method import build_method
from actupose.training.style_training import save_style

IMAGES, LOOK = (random_images(2, 16, seed).float() / 255 for seed in (0, 1))


def styled(views=1, **style):
    settings = {"kind": "fourier", "rate": 0.5, "mix": [0.0, 1.0], "band": 0.1} | style
    return build(tiny_run("udape", methods__udape__style=settings, methods__udape__views=views))


def noted(method):
    """What is restyled from now on: (content, style, weight)."""
    calls, restyle = [], method.restyle

    def note(images, style, mix):
        calls.append((images, style, mix))
        return restyle(images, style, mix)

    method.restyle = note
    return calls


@pytest.mark.parametrize("style", [{"rate": 0.0}, {"kind": "none", "rate": 1.0}])
def test_without_a_chance_no_batch_is_restyled_and_none_is_asked_for(style):
    method = styled(**style)
    assert {method.draw_style(step) for step in range(50)} == {StyleMix(None, None)}
    assert not method.wants_target(0)


def test_each_direction_flips_its_own_coin():
    method = styled()
    mixes = [method.draw_style(step) for step in range(400)]
    source, target = ([mix[side] is not None for mix in mixes] for side in (0, 1))
    assert 160 < sum(source) < 240 and 160 < sum(target) < 240
    assert 70 < sum(a and b for a, b in zip(source, target, strict=True)) < 130
    assert [method.draw_style(step) for step in range(400)] == mixes


def test_a_range_of_one_weight_is_that_weight():
    method = styled(rate=1.0, mix=[0.3, 0.3])
    mix = method.draw_style(0).source
    assert mix == pytest.approx(0.3)
    torch.testing.assert_close(method.restyle(IMAGES, LOOK, mix), mix_amplitudes(IMAGES, LOOK, 0.3, 0.1))


def test_a_weight_of_nothing_is_drawn_and_leaves_the_teachers_pictures_in_their_style():
    method = styled(rate=1.0, mix=[0.0, 0.0])
    calls = noted(method)
    method.step(3, labelled_batch(), random_images(4, SIDE, seed=1))
    assert [mix for _, _, mix in calls] == [0.0, 0.0]


def test_the_source_takes_the_look_of_the_teachers_first_view_and_the_teacher_that_of_the_plain_source():
    method = styled(views=2, rate=1.0)
    calls, batch, target = noted(method), labelled_batch(), random_images(4, SIDE, seed=1)
    labels, views = method.student.labelled_view(3, batch), method.draw_views(3, target)
    first, second = (teacher_images(method.student.run.augment, target, view) for view in views.teacher)
    assert not torch.equal(first, second)
    method.step(3, batch, target)
    (source, its_style, _), *teachers = calls
    assert torch.equal(source, labels.images) and torch.equal(its_style, first)
    for (images, their_style, _), seen in zip(teachers, (first, second), strict=True):
        assert torch.equal(images, seen) and torch.equal(their_style, labels.images)


def test_with_style_the_student_sees_the_targets_look_before_it_adapts(project):
    plain, styled = (
        project.trainer(
            tiny_params(mean_teacher__style__kind=kind, mean_teacher__style__rate=1.0), "udape", kind
        )
        for kind in ("none", "fourier")
    )
    for trainer in (plain, styled):
        run_until_stopped(trainer, 2)  # of three before adaptation
    weights = [trainer.method.student.network.head[-1].weight for trainer in (plain, styled)]
    assert not torch.equal(*weights)


def test_the_teachers_pictures_are_restyled_and_the_students_target_is_not(project):
    params = tiny_params(mean_teacher__style__kind="fourier", mean_teacher__style__rate=1.0)
    trainer = project.trainer(params, "udape")
    calls, asked = noted(trainer.method), []
    step = trainer.method.step

    def note(number, batch, target):
        before = len(calls)
        result = step(number, batch, target)
        asked.append((number, len(calls) - before))
        return result

    trainer.method.step = note
    run_until_stopped(trainer, 4)
    assert asked == [(0, 1), (1, 1), (2, 1), (3, 2)]  # the source's alone until adaptation begins


def test_a_style_net_restyles_where_the_settings_say_adain(project):
    params = tiny_params(mean_teacher__style__kind="adain", mean_teacher__style__rate=1.0)
    with pytest.raises(UserError, match=r"style.json: no such file; run the train_style stage"):
        project.trainer(params, "udape")
    net = build_style_net(params.style_net)
    save_style(project.inputs.style, net, params.style_net, [{"style": 1.0}])
    trainer = project.trainer(params, "udape")
    images = random_images(2, 32, 0).float() / 255
    found = trainer.method.restyle(images, images.flip(0), trainer.method.draw_style(0).source)
    unmixed, mixed = (net(images, images.flip(0), mix) for mix in (0.0, 1.0))
    assert not found.requires_grad
    assert not torch.equal(found, unmixed) and not torch.equal(found, mixed)
    run_until_stopped(trainer, 4)
    net.decoder[0].weight.data.add_(1)
    save_style(project.inputs.style, net, params.style_net, [{"style": 1.0}])
    assert project.trainer(params, "udape").key != trainer.key
    assert project.trainer(params, "source_only").data.nets.style is None


@pytest.mark.usefixtures("unchecked_types")
def test_a_compiled_net_is_compiled_once_for_all_mixes():
    style = {"kind": "adain", "rate": 1.0, "mix": [0.0, 1.0], "band": 0.1}
    run = tiny_run("udape", methods__udape__style=style)
    net, counter = build_style_net(tiny_params().style_net).eval().requires_grad_(False), CompileCounter()
    net.compile(backend=counter)
    method = build_method(run, Runtime(torch.device("cpu")), HelperNets(style=net))
    restyled = [method.restyle(IMAGES, LOOK, method.draw_style(step).source) for step in range(4)]
    assert not torch.equal(restyled[0], restyled[1]), "every step has its own mix"
    assert counter.frame_count == 1
