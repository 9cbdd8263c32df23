from itertools import pairwise

import pytest
import torch
from safetensors.torch import save_file
from tiny_domains import tiny_params
from torch import nn

from actupose.errors import UserError
from actupose.nets.style_net import build_style_net
from actupose.nets.weights import IMAGE_MEAN, IMAGE_STD

TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 16, 19)  # convolutions of vgg19.features up to relu4_1
NORMALISED = (0, 2, 5, 9, 12, 16, 19, 22, 25, 29)  # of AdaIN's vgg_normalised, its 1x1 first
WIDTHS = (3, 64, 64, 128, 128, 256, 256, 256, 256, 512)


def settings(**changes):
    return tiny_params().style_net.model_copy(update=changes)


def vgg_weights():
    """Weight and bias of the nine convolutions."""
    torch.manual_seed(4)
    layers = [nn.Conv2d(one, other, 3) for one, other in pairwise(WIDTHS)]
    return [(layer.weight.detach(), layer.bias.detach()) for layer in layers]


def numbered(weights, numbers, prefix=""):
    state = {}
    for number, (weight, bias) in zip(numbers, weights, strict=True):
        state |= {f"{prefix}{number}.weight": weight, f"{prefix}{number}.bias": bias}
    return state


@pytest.fixture
def torchvision_file(tmp_path):
    state = numbered(vgg_weights(), TORCHVISION, "features.") | {
        "features.21.weight": torch.zeros(512, 512, 3, 3),  # beyond relu4_1
        "features.21.bias": torch.zeros(512),
        "classifier.0.weight": torch.zeros(5, 5),
    }
    save_file(state, tmp_path / "vgg19.safetensors")
    return tmp_path / "vgg19.safetensors"


def test_our_own_net_keeps_the_size_and_is_decided_by_its_seed():
    images = torch.rand(2, 3, 32, 32)
    nets = [build_style_net(settings(seed=seed)) for seed in (0, 0, 1)]
    first, again, other = (net(images, images.flip(0), 1.0) for net in nets)
    assert first.shape == images.shape
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_decoder_mirrors_the_encoder(torchvision_file):
    net = build_style_net(settings(encoder=str(torchvision_file)))
    layers = [part for part in net.decoder if not isinstance(part, nn.ReLU)]
    widths = [part.out_channels if isinstance(part, nn.Conv2d) else "up" for part in layers]
    assert widths == [256, "up", 256, 256, 256, 128, "up", 128, 64, "up", 64, 3]
    assert isinstance(net.decoder[-1], nn.Conv2d)  # linear
    assert [level.shape[1:] for level in net.encode(torch.rand(1, 3, 32, 32))] == [
        (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4),
    ]  # fmt: skip


def test_torchvisions_weights_see_normalised_colours(torchvision_file):
    net = build_style_net(settings(encoder=str(torchvision_file)))
    images = torch.rand(1, 3, 32, 32)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGE_MEAN, IMAGE_STD))
    weight, bias = vgg_weights()[0]
    padded = nn.functional.pad((images - mean) / std, (1,) * 4, mode="reflect")
    expected = nn.functional.conv2d(padded, weight, bias).relu()
    torch.testing.assert_close(net.encode(images)[0], expected, rtol=1e-4, atol=1e-5)


def test_the_normalised_vgg_brings_its_own_convolution_of_colours(tmp_path):
    colours = (torch.randn(3, 3, 1, 1), torch.randn(3))
    torch.save(numbered([colours, *vgg_weights()], NORMALISED), tmp_path / "vgg_normalised.pth")
    net = build_style_net(settings(encoder=str(tmp_path / "vgg_normalised.pth")))
    assert torch.equal(net.to_input.weight, colours[0]) and torch.equal(net.to_input.bias, colours[1])
    assert torch.equal(net.levels[3][-2].weight, vgg_weights()[-1][0])


class Mischief:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_file_that_would_run_code_is_refused_unrun(tmp_path):
    torch.save({"0.weight": Mischief(tmp_path / "ran")}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match=r"style_net.encoder = .*bad.pth'?: cannot be read"):
        build_style_net(settings(encoder=str(tmp_path / "bad.pth")))
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network_are_refused(tmp_path):
    weights = vgg_weights()
    weights[4] = (torch.zeros(9, 9, 3, 3), torch.zeros(9))
    save_file(numbered(weights, TORCHVISION, "features."), tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="not VGG-19: convolution 4 does not fit"):
        build_style_net(settings(encoder=str(tmp_path / "other.safetensors")))
    save_file({"x": torch.zeros(1)}, tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="not VGG-19: convolution 0 does not fit"):
        build_style_net(settings(encoder=str(tmp_path / "none.safetensors")))


def test_a_name_that_is_neither_file_nor_on_the_hub_is_one_line():
    with pytest.raises(UserError, match=r"style_net.encoder = 'no/such/id/at all'") as caught:
        build_style_net(settings(encoder="no/such/id/at all"))
    assert "\n" not in str(caught.value)
