"""RegDA's three steps: what each moves, and losses by the formulas of facts/regda_training.md 1.2 and 1.4."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from tiny_domains import SIDE, random_images, tiny_params

from actupose.methods.regda import RegDA
from actupose.methods.supervised import LabelledBatch
from actupose.params.run import TrainingSettings

FIRST_STEP = 3  # of adaptation: one epoch of three steps goes before


def parts(method):
    """Flat weights of what the three optimisers own."""
    student = method.student.bare
    owned = {
        "features": [*student.backbone.parameters(), *student.upsampling.parameters()],
        "head": student.head.parameters(),
        "adversary": method.bare_adversary.parameters(),
    }
    return {name: torch.cat([w.detach().flatten() for w in weights]) for name, weights in owned.items()}


class Watched(RegDA):
    """Notes after each of the three steps its loss and which parts moved."""

    def __init__(self, *args):
        super().__init__(*args)
        self.notes, self.after = [], []

    def _optimise(self, loss, *optimizers):
        before = parts(self)
        super()._optimise(loss, *optimizers)
        after = parts(self)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        self.notes.append((loss.item(), moved))
        self.after.append(after)


def build(**changes):
    params = tiny_params(**changes)
    return Watched(TrainingSettings.of(params, "regda", 0), params.compute)


def labelled_batch():
    labels = (SIDE - 1) * torch.rand(4, 16, 2, generator=torch.Generator().manual_seed(3))
    return LabelledBatch(random_images(4, SIDE), labels, torch.ones(4, 16, dtype=torch.bool))


def take_step(method, step=FIRST_STEP):
    return method.train_step(step, labelled_batch(), random_images(4, SIDE, seed=1))


def test_each_of_the_three_steps_moves_its_own_part():
    method = build()
    take_step(method)
    assert [moved for _, moved in method.notes] == [
        {"features", "head", "adversary"},
        {"adversary"},
        {"features"},
    ]


def test_the_first_loss_is_the_labels_and_four_times_the_adversarys_word():
    method = build()
    terms = take_step(method).terms
    losses = [loss for loss, _ in method.notes]
    assert losses[0] == pytest.approx((terms["source"] + 4 * terms["disparity_source"]).item(), rel=1e-5)
    assert losses[1:] == pytest.approx([terms["disparity_far"].item(), terms["disparity_near"].item()])


def test_until_adaptation_begins_the_adversary_rests():
    method = build()
    before = parts(method)
    method.train_step(0, labelled_batch(), None)
    after = parts(method)
    assert torch.equal(before["adversary"], after["adversary"])
    assert not torch.equal(before["head"], after["head"])
    assert method.notes == []


def gaussians(cells, height, width, sigma):
    """(K, h, w) of height 1 at flat cells, cut to a square of 3 sigma: written from the facts, with loops."""
    maps = np.zeros((len(cells), height, width))
    for k, cell in enumerate(cells):
        for y in range(height):
            for x in range(width):
                dx, dy = x - cell % width, y - cell // width
                if max(abs(dx), abs(dy)) <= 3 * sigma:
                    maps[k, y, x] = np.exp(-(dx**2 + dy**2) / (2 * sigma**2))
    return maps


def disparity(raw, told, keep, mode, sigma):
    errors = []
    for sample, word, kept in zip(raw, told, keep, strict=True):
        own = gaussians(sample.reshape(len(sample), -1).argmax(1), *sample.shape[1:], sigma)
        for k in range(len(own)):
            target = own[k] if mode == "min" else np.clip(np.delete(own, k, 0).sum(0), 0, 1)
            share = (target + 1e-7) / (target + 1e-7).sum()
            log_word = log_softmax(word[k].ravel().astype(np.float64))
            errors.append(kept[k] * (share.ravel() * (np.log(share.ravel()) - log_word)).sum())
    return np.mean(errors)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_disparity_is_the_papers(mode):
    random = torch.Generator().manual_seed(5)
    raw, told = (torch.randn(2, 16, 16, 16, generator=random) - 9 for _ in range(2))  # all logits negative
    keep = torch.rand(2, 16, generator=random) > 0.3
    found = build()._disparity(raw, told, keep, mode)
    assert float(found) == pytest.approx(
        disparity(raw.numpy(), told.numpy(), keep.numpy(), mode, 1.5), rel=1e-4
    )


@pytest.mark.parametrize(("step", "is_heard"), [(FIRST_STEP, False), (FIRST_STEP + 1000, True)])
def test_the_features_hear_the_adversary_damped_from_nothing(step, is_heard):
    alone, beside = build(regda__margin=0.0), build(regda__margin=4.0)
    for method in (alone, beside):
        take_step(method, step)
    first, second = (method.after[0]["features"] for method in (alone, beside))
    assert torch.equal(first, second) is not is_heard
    torch.testing.assert_close(alone.after[0]["head"], beside.after[0]["head"])


@pytest.mark.parametrize(("step", "rates"), [(3, [0.01, 0.1, 0.1]), (5003, [0.00738, 0.0738, 0.0738])])
def test_rates_fall_with_the_steps_of_adaptation(step, rates):
    method = build()
    take_step(method, step)
    found = [optimizer.param_groups[0]["lr"] for optimizer in method.bare_optimizers]
    assert found == pytest.approx(rates, rel=1e-3)


def test_both_heads_are_as_deep_as_the_settings_say():
    method = build(regda__head_layers=3)
    for head in (method.student.bare.head, method.bare_adversary.head):
        assert [type(layer).__name__ for layer in head] == ["Conv2d", "BatchNorm2d", "ReLU"] * 2 + ["Conv2d"]
    assert method.student.info.network.head_layers == 3


def reference(**changes):
    flips = {"augment__student__flip": 0, "augment__teacher__flip": 0}
    return build(fidelity="reference", **flips, **changes)


def test_the_public_code_begins_both_heads_anew():
    for method, is_new in ((build(), False), (reference(), True)):
        before = parts(method)
        method.start_adaptation()
        after = parts(method)
        assert torch.equal(before["head"], after["head"]) is not is_new
        assert torch.equal(before["features"], after["features"])


def test_the_public_code_remembers_the_targets_statistics_twice():
    once, twice = build(), reference()
    image = torch.rand(4, 3, SIDE, SIDE)
    kept = {}
    for name, method in (("once", once), ("twice", twice)):
        layer = method.student.bare.upsampling[1]
        with method._twice_remembered():
            method.student.network(image)
            if name == "once":
                method.student.network(image)
        assert layer.momentum == 0.1
        kept[name] = layer.running_var.clone()
    torch.testing.assert_close(kept["once"], kept["twice"])


def test_in_the_public_code_a_negative_map_points_to_the_corner():
    raw, told = torch.full((1, 16, 16, 16), -1.0), torch.zeros(1, 16, 16, 16)
    told[..., 0, 0] = 9
    raw[..., 8, 8] = -0.5
    keep = torch.ones(1, 16, dtype=torch.bool)
    assert reference()._disparity(raw, told, keep, "min") < build()._disparity(raw, told, keep, "min")
