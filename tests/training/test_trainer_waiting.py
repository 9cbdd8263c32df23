"""A training step never looks at a value of its device: on a GPU the host would wait for it.

Fake tensors have shapes and no values; whatever asks for one raises.
"""

import pytest
import torch
from tiny_domains import SIDE, tiny_params
from tiny_methods import UNMIRRORED, build, tiny_run
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from actupose.data.views import LabelledBatch
from actupose.methods.mean_teacher import style_transfer
from actupose.nets.style_net import build_style_net
from actupose.training.state import terms_of


def images():
    return torch.zeros(4, 3, SIDE, SIDE, dtype=torch.uint8)


def fake_step(name, **changes):
    method = build(tiny_run(name, schedule__pretrain_epochs=0, **changes))
    with FakeTensorMode(allow_non_fake_inputs=True):
        batch = LabelledBatch(images(), torch.zeros(4, 16, 2), torch.ones(4, 16, dtype=torch.bool))
        return method.step(1, batch, images() if method.wants_target(1) else None)


@pytest.mark.parametrize(
    ("name", "num_terms"), [("source_only", 1), ("regda", 4), ("poseda", 4), ("udape", 3), ("actupose", 7)]
)
def test_a_step_reads_no_value(name, num_terms):
    assert len(terms_of(fake_step(name))) == num_terms


@pytest.mark.parametrize("name", ["regda", "udape"])
def test_a_step_of_the_reference_reads_no_value(name):
    assert fake_step(name, every__fidelity="reference", **UNMIRRORED).peaks.shape == (4,)


@pytest.mark.parametrize("kind", ["fourier", "adain"])
def test_restyling_reads_no_value(kind):
    params = tiny_params()
    net = build_style_net(params.style_net) if kind == "adain" else None
    transfer = style_transfer(params.methods["udape"].style, net)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        assert transfer(images() / 255, images() / 255, 0.5).shape == (4, 3, SIDE, SIDE)


def test_a_step_that_reads_a_value_would_be_found(monkeypatch):
    monkeypatch.setattr("actupose.nets.pose_task.mean_peaks", lambda peaks: peaks * float(peaks.max()))
    with pytest.raises(DataDependentOutputException):
        fake_step("udape")
