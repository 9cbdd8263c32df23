import pytest
import torch
from tiny_domains import random_images, tiny_params

from actupose.core.style import channel_statistics
from actupose.data.dataset import Domain
from actupose.errors import UserError
from actupose.nets.style_net import build_style_net
from actupose.skeleton import BODY16
from actupose.training.style_training import load_style, reproduction, save_style, style_terms, train_style

CPU = torch.device("cpu")


def settings(**changes):
    return tiny_params().style_net.model_copy(update=changes)


def pictures(seed, count=4):
    return random_images(count, 32, seed).float() / 255


def domains(project):
    return [Domain(project.ingested / name, BODY16).images("train") for name in ("source", "target")]


def moved(net):
    """Parts that a loss has reached."""
    parts = {"encoder": net.levels, "decoder": net.decoder}
    return {name for name, part in parts.items() if all(w.grad is not None for w in part.parameters())}


def test_the_losses_of_style_leave_the_encoder_alone_and_reproduction_moves_both():
    net = build_style_net(settings())
    sum(style_terms(net, pictures(0), pictures(1)).values()).backward()
    assert moved(net) == {"decoder"}
    net = build_style_net(settings())
    reproduction(net, pictures(0)).backward()
    assert moved(net) == {"encoder", "decoder"}


def test_after_training_a_restyled_image_has_the_other_domains_colours(project):
    source, target = domains(project)
    net, history = train_style(source, target, settings(channels=8, steps=150, lr=0.005), CPU, lambda _: None)
    assert len(history) == 3
    assert history[-1]["style"] < history[0]["style"] / 2
    assert history[-1]["reproduction"] < history[0]["reproduction"] / 2
    content, style = (images.__getitems__(range(8)).images.float() / 255 for images in (source, target))
    with torch.no_grad():
        restyled = net(content, style, 1.0)
    of_content, of_style, found = (channel_statistics(x)[0].mean(0) for x in (content, style, restyled))
    assert (found - of_style).abs().max() < (of_content - of_style).abs().min() / 2


def test_a_loss_that_is_not_finite_is_one_line(project):
    with pytest.raises(UserError, match=r"not finite at step 3; lower style_net.lr = 1e\+20"):
        train_style(*domains(project), settings(steps=4, lr=1e20), CPU, lambda _: None)


def test_training_again_gives_the_same_net(project):
    source, target = domains(project)
    nets = [train_style(source, target, settings(), CPU, lambda _: None)[0] for _ in range(2)]
    first, again = (net.state_dict() for net in nets)
    assert all(torch.equal(value, again[name]) for name, value in first.items())


def test_a_saved_net_is_read_back(tmp_path):
    net = build_style_net(settings())
    save_style(tmp_path, net, settings(), [{"style": 1.0}])
    images = pictures(0), pictures(1)
    with torch.no_grad():
        assert torch.equal(load_style(tmp_path)(*images, 0.5), net(*images, 0.5))


def test_a_damaged_net_is_one_line(tmp_path):
    save_style(tmp_path, build_style_net(settings()), settings(), [{"style": 1.0}])
    path = tmp_path / "style.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match="not a usable style net") as caught:
        load_style(tmp_path)
    assert "\n" not in str(caught.value)
