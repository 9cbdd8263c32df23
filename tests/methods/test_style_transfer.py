import pytest
import torch
from tiny_domains import TINY, random_images, run_until_stopped, tiny_params
from torch._dynamo.testing import CompileCounter

from actupose.core.style import mix_amplitudes
from actupose.errors import UserError
from actupose.methods.style_transfer import StyleTransfer
from actupose.nets.style_net import build_style_net
from actupose.params import StyleParams
from actupose.training.style_training import save_style

IMAGES, LOOK = (random_images(2, 16, seed).float() / 255 for seed in (0, 1))
DIRECTIONS = ("source to target", "target to source")


def transfer(**changes):
    settings = TINY["style"] | {"kind": "fourier", "band": 0.1} | changes
    return StyleTransfer(StyleParams.model_validate(settings), seed=0, net=None)


def falls(style, direction, steps=400):
    """Which steps are restyled."""
    return [style.restyle(direction, step, IMAGES, lambda: LOOK) is not IMAGES for step in range(steps)]


def test_a_batch_that_is_not_restyled_asks_for_no_style():
    def forbidden():
        raise AssertionError("asked")

    for style in (transfer(rate=0.0), transfer(kind="none", rate=1.0)):
        assert style.restyle(DIRECTIONS[0], 3, IMAGES, forbidden) is IMAGES
        assert not style.is_on


def test_each_direction_flips_its_own_coin():
    to_target, to_source = (falls(transfer(), direction) for direction in DIRECTIONS)
    assert 160 < sum(to_target) < 240 and 160 < sum(to_source) < 240
    both = sum(a and b for a, b in zip(to_target, to_source, strict=True))
    assert 70 < both < 130
    assert falls(transfer(), DIRECTIONS[0]) == to_target


def test_a_range_of_one_weight_is_that_weight():
    found = transfer(rate=1.0, mix=[0.3, 0.3]).restyle(DIRECTIONS[0], 0, IMAGES, lambda: LOOK)
    torch.testing.assert_close(found, mix_amplitudes(IMAGES, LOOK, 0.3, 0.1))


def test_with_style_the_student_sees_the_targets_look_before_it_adapts(project):
    plain, styled = (
        project.trainer(tiny_params(style__kind=kind, style__rate=1.0), "udape", kind)
        for kind in ("none", "fourier")
    )
    for trainer in (plain, styled):
        run_until_stopped(trainer, 2)  # of three before adaptation
    weights = [trainer.method.student.bare.head[-1].weight for trainer in (plain, styled)]
    assert not torch.equal(*weights)


def test_the_teachers_pictures_are_restyled_and_the_students_target_is_not(project):
    trainer = project.trainer(tiny_params(style__kind="fourier", style__rate=1.0), "udape")
    seen = []
    restyle = trainer.method.style.restyle

    def note(direction, step, content, style):
        seen.append((step, direction))
        return restyle(direction, step, content, style)

    trainer.method.style.restyle = note
    run_until_stopped(trainer, 4)
    assert seen == [(step, DIRECTIONS[0]) for step in range(4)] + [(3, DIRECTIONS[1])]


def test_a_style_net_restyles_where_the_settings_say_adain(project):
    params = tiny_params(style__kind="adain", style__rate=1.0)
    with pytest.raises(UserError, match=r"style.json: no such file; run the train_style stage"):
        project.trainer(params, "udape")
    net = build_style_net(params.style.adain)
    save_style(project.inputs.style, net, params.style.adain, [{"style": 1.0}])
    trainer = project.trainer(params, "udape")
    images = random_images(2, 32, 0).float() / 255
    found = trainer.method.style.restyle(DIRECTIONS[0], 0, images, lambda: images.flip(0))
    unmixed, mixed = (net(images, images.flip(0), mix) for mix in (0.0, 1.0))
    assert not found.requires_grad
    assert not torch.equal(found, unmixed) and not torch.equal(found, mixed)
    run_until_stopped(trainer, 4)
    net.decoder[0].weight.data.add_(1)
    save_style(project.inputs.style, net, params.style.adain, [{"style": 1.0}])
    assert project.trainer(params, "udape").key != trainer.key
    assert project.trainer(params, "source_only").data.style_net is None


@pytest.mark.usefixtures("unchecked_types")
def test_a_compiled_net_is_compiled_once_for_all_mixes():
    settings = StyleParams.model_validate(TINY["style"] | {"kind": "adain", "rate": 1.0, "mix": [0.0, 1.0]})
    net, counter = build_style_net(settings.adain).eval().requires_grad_(False), CompileCounter()
    net.compile(backend=counter)
    style = StyleTransfer(settings, 0, net)
    restyled = [style.restyle(DIRECTIONS[0], step, IMAGES, lambda: LOOK) for step in range(4)]
    assert not torch.equal(restyled[0], restyled[1]), "every step has its own mix"
    assert counter.frame_count == 1
