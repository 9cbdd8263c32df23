"""Backbones of transformers behind one interface, and weights under other names."""

import re

import pytest
import torch
from safetensors.torch import save_file
from tiny_domains import tiny_params
from torch import nn

from actupose.errors import UserError
from actupose.nets.backbones import Backbone
from actupose.nets.pose_resnet import build_network, heatmap_side


def settings(**changes):
    return tiny_params().network.model_copy(update=changes)


@pytest.mark.parametrize(
    ("kind", "depth"), [("resnet", 18), ("convnext", 18), ("dinov2", 18), ("efficientnet_lite", 0)]
)
@pytest.mark.parametrize("stages", [3, 4])
def test_every_backbone_has_the_same_map_and_learns(kind, depth, stages):
    chosen = settings(backbone=kind, depth=depth, stages=stages)
    network = build_network(16, chosen, 0)
    output = network(torch.rand(2, 3, 64, 64))
    side = heatmap_side(64, chosen)
    assert side == {3: 32, 4: 16}[stages]
    assert output.heatmaps.shape == (2, 16, side, side)
    assert output.features.shape == (2, network.backbone.channels)
    output.heatmaps.square().sum().backward()
    reached = [weight.grad is not None for name, weight in network.backbone.named_parameters()]
    assert sum(reached) > 0.9 * len(reached)  # a mask token of DINOv2 is never used


@pytest.mark.parametrize(
    ("kind", "learning"),
    [
        ("resnet", "encoder.stages.1."),
        ("convnext", "encoder.stages.1."),
        ("dinov2", "encoder.layer.3."),
        ("efficientnet_lite", "blocks.3."),
    ],
)
def test_frozen_stages_learn_nothing_and_keep_their_statistics(kind, learning):
    depth = 0 if kind == "efficientnet_lite" else 18
    backbone = Backbone(settings(backbone=kind, depth=depth, frozen_stages=1))
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.1)
    backbone.eval()
    backbone.train()
    backbone(torch.rand(2, 3, 64, 64)).square().sum().backward()
    optimizer.step()
    moved = [name for name, value in backbone.state_dict().items() if not torch.equal(value, before[name])]
    assert moved[0].startswith(f"net.{learning}")
    assert any(weight.grad is None for weight in backbone.parameters())


def test_stages_of_efficientnet_lite_end_where_its_map_halves():
    net = Backbone(settings(backbone="efficientnet_lite", depth=0, stages=4)).net
    maps, features = [], net.stem(torch.rand(1, 3, 64, 64))
    for number, block in enumerate(net.blocks, 1):
        features = block(features)
        if number in net.stage_ends:
            maps.append(features.shape[-1])
    assert maps == [16, 8, 4, 2]
    assert net.stage_ends[-1] == len(net.blocks)


def test_random_weights_are_not_frozen():
    with pytest.raises(UserError, match="frozen_stages = 1: random weights must learn"):
        tiny_params(network__frozen_stages=1)


def test_width_one_is_the_published_size():
    sizes = {"resnet": 256, "convnext": 384, "dinov2": 384}
    for kind, channels in sizes.items():
        assert Backbone(settings(backbone=kind, width=1.0)).channels == channels


def conv(inputs, outputs, size):
    return nn.Conv2d(inputs, outputs, size, bias=False)


class TorchvisionBlock(nn.Module):
    """Weights of torchvision's BasicBlock, by its names."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)
        if inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1), nn.BatchNorm2d(outputs))


class TorchvisionResNet(nn.Module):
    """Weights of torchvision's ResNet-18 an eighth as wide, by its names."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 8, 7), nn.BatchNorm2d(8)
        for stage, (inputs, outputs) in enumerate([(8, 8), (8, 16), (16, 32), (32, 64)], 1):
            blocks = [TorchvisionBlock(inputs, outputs), TorchvisionBlock(outputs, outputs)]
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(64, 10)


@pytest.fixture
def weights():
    torch.manual_seed(5)
    return {name: torch.rand_like(value.float()) for name, value in TorchvisionResNet().state_dict().items()}


def test_torchvisions_names_reach_their_places(weights, tmp_path):
    save_file(weights, tmp_path / "resnet18.safetensors")
    state = Backbone(settings(pretrained=str(tmp_path / "resnet18.safetensors"))).net.state_dict()
    stage = "encoder.stages.1.layers.0."
    pairs = {
        "conv1.weight": "embedder.embedder.convolution.weight",
        "bn1.running_var": "embedder.embedder.normalization.running_var",
        "layer2.0.conv1.weight": f"{stage}layer.0.convolution.weight",
        "layer2.0.bn2.bias": f"{stage}layer.1.normalization.bias",
        "layer2.0.downsample.0.weight": f"{stage}shortcut.convolution.weight",
        "layer2.0.downsample.1.running_mean": f"{stage}shortcut.normalization.running_mean",
        "layer3.1.conv2.weight": "encoder.stages.2.layers.1.layer.1.convolution.weight",
    }
    for name, place in pairs.items():
        assert torch.equal(state[place], weights[name]), name


def test_a_file_without_batch_counters_is_enough(weights, tmp_path):
    counted = re.compile("num_batches_tracked")
    torch.save({k: v for k, v in weights.items() if not counted.search(k)}, tmp_path / "resnet18.pth")
    backbone = Backbone(settings(pretrained=str(tmp_path / "resnet18.pth")))
    assert torch.equal(
        backbone.net.state_dict()["embedder.embedder.convolution.weight"], weights["conv1.weight"]
    )


def test_a_file_of_another_depth_is_one_line(weights, tmp_path):
    torch.save(weights, tmp_path / "resnet18.pth")
    with pytest.raises(
        UserError, match=r"not a ResNet of network.depth and network.width: \d+ of \d+"
    ) as caught:
        Backbone(settings(depth=34, pretrained=str(tmp_path / "resnet18.pth")))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"network.pretrained = .*nowhere.pth'") as caught:
        Backbone(settings(pretrained=str(tmp_path / "nowhere.pth")))
    assert "\n" not in str(caught.value)
