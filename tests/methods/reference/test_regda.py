"""``fidelity: reference``: what RegDA's public code does otherwise."""

import torch
from tiny_domains import SIDE
from tiny_methods import UNMIRRORED, build, tiny_run

from actupose.nets.pose_resnet import PoseOutput

FIRST_STEP = 3  # of adaptation: one epoch of three steps goes before


def parts(method):
    """Flat weights of the student's features and of its head."""
    student = method.student.network
    owned = {
        "features": [*student.backbone.parameters(), *student.upsampling.parameters()],
        "head": student.head.parameters(),
    }
    return {name: torch.cat([w.detach().flatten() for w in weights]) for name, weights in owned.items()}


def regda_with(**changes):
    return build(tiny_run("regda", **changes))


def output_of(raw):
    return PoseOutput(raw, torch.zeros(len(raw), 1), raw)


def reference(**changes):
    return regda_with(every__fidelity="reference", **UNMIRRORED, **changes)


def test_the_public_code_begins_both_heads_afresh():
    for method, is_new in ((regda_with(), False), (reference(), True)):
        before = parts(method)
        method.prepare(FIRST_STEP - 1)
        assert torch.equal(before["head"], parts(method)["head"])
        method.prepare(FIRST_STEP)
        after = parts(method)
        assert torch.equal(before["head"], after["head"]) is not is_new
        assert torch.equal(before["features"], after["features"])


def test_the_public_code_counts_the_targets_statistics_twice():
    once, twice = regda_with(), reference()
    image = torch.rand(4, 3, SIDE, SIDE)
    variances = {}
    for name, method in (("once", once), ("twice", twice)):
        layer = method.student.network.upsampling[1]
        method.target_output(image)
        if name == "once":
            method.target_output(image)
        assert layer.momentum == 0.1
        variances[name] = layer.running_var.clone()
    torch.testing.assert_close(variances["once"], variances["twice"])


def test_in_the_public_code_a_negative_map_points_to_the_corner():
    raw, logits = torch.full((1, 16, 16, 16), -1.0), torch.zeros(1, 16, 16, 16)
    logits[..., 0, 0] = 9
    raw[..., 8, 8] = -0.5
    visible = torch.ones(1, 16, dtype=torch.bool)
    public, ours = (m.disparity(output_of(raw), logits, visible, "min") for m in (reference(), regda_with()))
    assert public < ours
