"""RegDA's three steps: what each moves, and losses by the formulas of facts/regda_training.md 1.2 and 1.4."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from tiny_domains import SIDE, random_images
from tiny_methods import build, labelled_batch, tiny_run

from actupose.methods import regda
from actupose.nets.pose_resnet import PoseOutput
from actupose.training.method import model_info

FIRST_STEP = 3  # of adaptation: one epoch of three steps goes before
TARGET = random_images(4, SIDE, seed=1)


def parts(method):
    """Flat weights of what the three optimisers own."""
    student = method.student.network
    owned = {
        "features": [*student.backbone.parameters(), *student.upsampling.parameters()],
        "head": student.head.parameters(),
        "adversary": method.adversary.parameters(),
    }
    return {name: torch.cat([w.detach().flatten() for w in weights]) for name, weights in owned.items()}


def regda_with(**changes):
    return build(tiny_run("regda", **changes))


def take_step(method, step=FIRST_STEP, target=TARGET):
    return method.step(step, labelled_batch(), target)


@pytest.fixture
def descents(monkeypatch):
    """What each descent's loss was, which parts it moved, and the parts after it."""
    notes, after, descend = [], [], regda.descend

    def watched(loss, *optimizers):
        method = notes_of.method
        before = parts(method)
        descend(loss, *optimizers)
        after.append(parts(method))
        notes.append(
            (loss.item(), {name for name in before if not torch.equal(before[name], after[-1][name])})
        )

    def notes_of(method, step=FIRST_STEP, target=TARGET):
        notes_of.method = method
        notes.clear()
        after.clear()
        result = take_step(method, step, target)
        return result, list(notes), list(after)

    monkeypatch.setattr(regda, "descend", watched)
    return notes_of


def test_each_of_the_three_steps_moves_its_own_part(descents):
    _, notes, _ = descents(regda_with())
    assert [moved for _, moved in notes] == [
        {"features", "head", "adversary"},
        {"adversary"},
        {"features"},
    ]


def test_the_first_loss_is_the_labels_and_four_times_the_adversarys_prediction(descents):
    result, notes, _ = descents(regda_with())
    terms, losses = result.losses, [loss for loss, _ in notes]
    assert losses[0] == pytest.approx((terms["source"] + 4 * terms["disparity_source"]).item(), rel=1e-5)
    assert losses[1:] == pytest.approx([terms["disparity_far"].item(), terms["disparity_near"].item()])


def test_until_adaptation_begins_the_adversary_rests(descents):
    method = regda_with()
    before = parts(method)
    _, notes, _ = descents(method, step=0, target=None)
    after = parts(method)
    assert notes == []
    assert torch.equal(before["adversary"], after["adversary"])
    assert not torch.equal(before["head"], after["head"])


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


def disparity(raw, logits, visible, mode, sigma):
    errors = []
    for sample, logit, kept in zip(raw, logits, visible, strict=True):
        own = gaussians(sample.reshape(len(sample), -1).argmax(1), *sample.shape[1:], sigma)
        for k in range(len(own)):
            target = own[k] if mode == "min" else np.clip(np.delete(own, k, 0).sum(0), 0, 1)
            share = (target + 1e-7) / (target + 1e-7).sum()
            log_share = log_softmax(logit[k].ravel().astype(np.float64))
            errors.append(kept[k] * (share.ravel() * (np.log(share.ravel()) - log_share)).sum())
    return np.mean(errors)


def output_of(raw):
    return PoseOutput(raw, torch.zeros(len(raw), 1), raw)


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_disparity_is_the_papers(mode):
    random = torch.Generator().manual_seed(5)
    raw, logits = (torch.randn(2, 16, 16, 16, generator=random) - 9 for _ in range(2))  # all negative
    visible = torch.rand(2, 16, generator=random) > 0.3
    found = regda_with().disparity(output_of(raw), logits, visible, mode)
    expected = disparity(raw.numpy(), logits.numpy(), visible.numpy(), mode, 1.5)
    assert float(found) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("step", "is_heard"), [(FIRST_STEP, False), (FIRST_STEP + 1000, True)])
def test_the_features_hear_the_adversary_damped_from_nothing(step, is_heard, descents):
    after = [descents(regda_with(regda__margin=margin), step)[2][0] for margin in (0.0, 4.0)]
    assert torch.equal(after[0]["features"], after[1]["features"]) is not is_heard
    torch.testing.assert_close(after[0]["head"], after[1]["head"])


@pytest.mark.parametrize(("step", "rates"), [(3, [0.01, 0.1, 0.1]), (5003, [0.00738, 0.0738, 0.0738])])
def test_rates_fall_with_the_steps_of_adaptation(step, rates):
    method = regda_with()
    take_step(method, step)
    found = [method.optimizers[name].param_groups[0]["lr"] for name in ("features", "head", "adversary")]
    assert found == pytest.approx(rates, rel=1e-3)
    assert method.rate(step) == pytest.approx(rates[0], rel=1e-3)


def test_both_heads_are_as_deep_as_the_settings_say():
    run = tiny_run("regda", regda__head_layers=3)
    method = build(run)
    for head in (method.student.network.head, method.adversary.head):
        assert [type(layer).__name__ for layer in head] == ["Conv2d", "BatchNorm2d", "ReLU"] * 2 + ["Conv2d"]
    assert model_info(run).network.head_layers == 3
