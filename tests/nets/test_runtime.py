import pytest
import torch
from tiny_domains import tiny_params
from torch import nn

from actupose.nets import rank_norm
from actupose.nets.pose_resnet import build_network
from actupose.nets.rank_norm import RankBatchNorm2d
from actupose.nets.runtime import Runtime, descend, set_rate

CPU = torch.device("cpu")
NETWORK = tiny_params().network


def network():
    return build_network(16, NETWORK, 0)


def images(count=2):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def norms(placed):
    return [module for module in placed.modules() if isinstance(module, nn.BatchNorm2d)]


def test_placing_gives_back_the_network_itself_as_it_was():
    built, before = network(), network().state_dict()
    placed = Runtime(CPU).place(built)
    assert placed is built
    assert all(torch.equal(value, before[name]) for name, value in placed.state_dict().items())
    assert norms(placed)
    assert {type(norm) for norm in norms(placed)} == {nn.BatchNorm2d}
    assert placed.backbone is built.backbone
    assert all(w.is_contiguous() for w in placed.parameters())


def test_a_placed_network_is_on_the_device_with_its_buffers():
    placed = Runtime(torch.device("meta")).place(network())
    assert {tensor.device.type for tensor in (*placed.parameters(), *placed.buffers())} == {"meta"}


def test_weights_lie_in_channels_last_if_asked_and_predict_the_same():
    placed = Runtime(CPU, channels_last=True).place(network().eval())
    kernels = [w for w in placed.parameters() if w.dim() == 4 and min(w.shape[1:]) > 1]
    assert kernels
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in kernels)
    assert not any(w.is_contiguous() for w in kernels)
    with torch.no_grad():
        found, expected = Runtime(CPU).predict(placed, images()), network().eval()(images())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("compiles", [False, True])
def test_a_network_is_compiled_in_place_if_asked(monkeypatch, compiles):
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda module, mode: compiled.append(module))
    placed = Runtime(CPU, compile=compiles).place(network())
    assert compiled == [placed] * compiles


def test_every_batch_norm_of_a_placed_network_spans_the_ranks(monkeypatch):
    monkeypatch.setattr(rank_norm, "world_size", lambda: 2)
    placed = Runtime(CPU).place(network())
    assert {type(norm) for norm in norms(placed)} == {RankBatchNorm2d}
    assert len(norms(placed)) == len(norms(network()))


def test_predictions_of_bf16_are_float32_yet_computed_in_bfloat16():
    placed, seen = network().eval(), []
    placed.backbone.register_forward_hook(lambda _module, _inputs, features: seen.append(features.dtype))
    with torch.no_grad():
        full, half = (Runtime(CPU, bf16=bf16).predict(placed, images()) for bf16 in (False, True))
    assert seen == [torch.float32, torch.bfloat16]
    for exact, rounded in zip(full, half, strict=True):
        assert exact.dtype == rounded.dtype == torch.float32
        assert exact.shape == rounded.shape
        assert not torch.equal(exact, rounded)
        assert (exact - rounded).norm() < 0.05 * exact.norm()


def test_what_is_predicted_in_32_bit_is_what_the_network_says():
    placed = network().eval()
    with torch.no_grad():
        found, expected = Runtime(CPU).predict(placed, images()), placed(images())
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("bf16", [False, True])
def test_gradients_reach_float32_weights_through_a_prediction(bf16):
    placed = network().train()
    Runtime(CPU, bf16=bf16).predict(placed, images(4)).heatmaps.square().mean().backward()
    gradients = [weight.grad for weight in placed.parameters()]
    assert all(gradient is not None and gradient.dtype == torch.float32 for gradient in gradients)
    assert placed.head[-1].weight.grad.abs().max() > 0


def sgd(*values, rate):
    weight = nn.Parameter(torch.tensor(values))
    return weight, torch.optim.SGD([weight], rate)


def test_descending_moves_the_weights_of_each_optimizer_down_the_gradient():
    (one, slow), (other, fast) = sgd(1.0, -2.0, rate=0.1), sgd(3.0, rate=0.5)
    descend(one.square().sum() + 2 * other.sum(), slow, fast)
    torch.testing.assert_close(one.detach(), torch.tensor([0.8, -1.6]))  # 1 - 0.1 * 2, -2 + 0.1 * 4
    torch.testing.assert_close(other.detach(), torch.tensor([2.0]))  # 3 - 0.5 * 2


def test_descending_forgets_gradients_of_earlier_losses():
    weight, optimizer = sgd(1.0, rate=0.1)
    (100 * weight.sum()).backward()
    for left in (0.8, 0.64):
        descend(weight.square().sum(), optimizer)
        assert weight.item() == pytest.approx(left)


def test_weights_of_an_optimizer_that_is_not_named_stay():
    (one, named), (other, _) = sgd(1.0, rate=0.1), sgd(1.0, rate=0.1)
    descend((one * other).sum(), named)
    assert (one.item(), other.item()) == pytest.approx((0.9, 1.0))


def test_a_rate_is_set_for_all_groups_and_is_the_one_descended_at():
    one, other = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([{"params": [one], "lr": 1.0}, {"params": [other], "lr": 2.0}])
    set_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
    descend((one + other).sum(), optimizer)
    assert (one.item(), other.item()) == (0.75, 0.75)
