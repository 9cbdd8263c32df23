import pytest
import torch
from safetensors.torch import load_file
from transformers import ResNetConfig, ResNetForImageClassification

from actupose.errors import UserError
from actupose.nets.pose_model import ModelInfo, load_model, save_model
from actupose.nets.pose_resnet import build_network, heatmap_side
from actupose.nets.weights import IMAGE_MEAN
from actupose.params import HeatmapParams, NetworkParams


def settings(**changes) -> NetworkParams:
    tiny = {
        "backbone": "resnet",
        "depth": 18,
        "width": 0.125,
        "stages": 3,
        "deconv_channels": 8,
        "head_layers": 1,
        "pretrained": None,
        "frozen_stages": 0,
    }
    return NetworkParams.model_validate(tiny | changes)


@pytest.fixture
def pretrained(tmp_path):
    """An image classifier of depth 18 and width 1/8, with all four stages, as transformers saves it."""
    torch.manual_seed(3)
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 32, 64], depths=[2, 2, 2, 2], layer_type="basic"
    )
    ResNetForImageClassification(config).save_pretrained(tmp_path / "classifier")
    return tmp_path / "classifier"


@pytest.mark.parametrize(("stages", "side"), [(3, 32), (4, 16)])
def test_heat_maps_are_half_the_image_with_three_stages_and_a_quarter_with_four(stages, side):
    network = build_network(16, settings(stages=stages), 0).eval()
    with torch.no_grad():
        output = network(torch.rand(1, 3, 64, 64))
    assert output.heatmaps.shape == (1, 16, side, side)
    assert heatmap_side(64, settings(stages=stages)) == side


@pytest.mark.parametrize(("depth", "features"), [(18, 64), (34, 64), (50, 256), (101, 256)])
def test_every_depth_builds_and_predicts(depth, features):
    # The last stage of the full network is 512 wide, 2048 with bottlenecks: an eighth of it here.
    network = build_network(21, settings(depth=depth, stages=4), 0).eval()
    with torch.no_grad():
        output = network(torch.rand(2, 3, 32, 32))
    assert output.heatmaps.shape == (2, 21, 8, 8)
    assert output.features.shape == (2, features)


def test_an_unused_stage_is_not_built():
    names = build_network(16, settings(stages=3), 0).state_dict()
    assert any("stages.2." in name for name in names)
    assert not any("stages.3." in name for name in names)


def test_one_seed_gives_one_network_and_the_global_state_is_left_alone():
    torch.manual_seed(11)
    state = torch.get_rng_state()
    first = build_network(16, settings(), 0).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(12)
    second, other = (build_network(16, settings(), seed).state_dict() for seed in (0, 1))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not torch.equal(first["head.0.weight"], other["head.0.weight"])


def test_an_image_of_the_mean_colour_is_nothing_to_the_first_layer():
    network = build_network(16, settings(), 0).eval()
    seen = []
    network.backbone.net.embedder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1).expand(1, 3, 32, 32))
    network(torch.ones(1, 3, 32, 32))
    assert seen[0].abs().max() < 1e-6
    assert seen[1][0, 0, 0, 0] == pytest.approx((1 - 0.485) / 0.229)


def test_features_are_the_mean_over_the_last_stage():
    network = build_network(16, settings(), 0).eval()
    images = torch.rand(2, 3, 64, 64)
    maps = network.backbone(images)
    torch.testing.assert_close(network(images).features, maps.flatten(2).mean(2))


def test_heat_maps_keep_float32_under_bfloat16_autocast():
    network = build_network(16, settings(), 0)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(torch.rand(2, 3, 32, 32))
    assert output.heatmaps.dtype == output.features.dtype == torch.float32
    assert not torch.equal(output.heatmaps, output.heatmaps.bfloat16().float())


@pytest.mark.parametrize("stages", [3, 4])
def test_pretrained_weights_are_those_of_the_folder(pretrained, stages):
    backbone = build_network(16, settings(pretrained=str(pretrained), stages=stages), 0).backbone
    saved = load_file(pretrained / "model.safetensors")
    mine = backbone.net.state_dict()
    assert len(mine) > 80
    assert all(torch.equal(value, saved[f"resnet.{name}"]) for name, value in mine.items())


def test_a_model_with_a_pretrained_backbone_is_loaded_without_the_folder(pretrained, tmp_path):
    network = build_network(16, settings(pretrained=str(pretrained)), 0)
    heatmap = HeatmapParams(sigma=1.5, loss="kl", decode="dark")
    used = settings(pretrained=str(pretrained))
    save_model(tmp_path, network, ModelInfo(skeleton="body16", image_size=32, network=used, heatmap=heatmap))
    for path in pretrained.iterdir():
        path.unlink()
    loaded = load_model(tmp_path).network.state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("changes", [{"depth": 34}, {"depth": 50}, {"width": 0.25}])
def test_a_pretrained_backbone_of_another_shape_is_a_users_mistake(pretrained, changes):
    with pytest.raises(
        UserError, match=r"network\.pretrained = .* not that of network\.depth and network\.width"
    ):
        build_network(16, settings(pretrained=str(pretrained), **changes), 0)


def test_a_pretrained_path_that_is_none_is_a_users_mistake_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"network\.pretrained = .*no-such") as caught:
        build_network(16, settings(pretrained=str(tmp_path / "no-such")), 0)
    assert "\n" not in str(caught.value)


def test_truncated_pretrained_weights_are_a_users_mistake(pretrained):
    weights = pretrained / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(UserError, match="weights cannot be loaded"):
        build_network(16, settings(pretrained=str(pretrained)), 0)
