"""A training step never looks at a value of its device: on a GPU the host would wait for it.

Fake tensors have shapes and no values; whatever asks for one raises.
"""

import pytest
import torch
from tiny_domains import SIDE, tiny_params
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from actupose.methods.style_transfer import StyleTransfer
from actupose.methods.supervised import LabelledBatch
from actupose.nets.style_net import build_style_net
from actupose.params.run import TrainingSettings
from actupose.training.trainer import METHODS

UNMIRRORED = {"augment__student__flip": 0.0, "augment__teacher__flip": 0.0}


def images():
    return torch.zeros(4, 3, SIDE, SIDE, dtype=torch.uint8)


def fake_step(params, name):
    settings = TrainingSettings.of(params, name, seed=0)
    method = METHODS[settings.method.adaptation](settings, params.compute)
    method.train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        batch = LabelledBatch(images(), torch.zeros(4, 16, 2), torch.ones(4, 16, dtype=torch.bool))
        return method.train_step(1, batch, images() if method.wants_target(1) else None)


@pytest.mark.parametrize(
    ("name", "num_terms"), [("source_only", 1), ("regda", 4), ("poseda", 4), ("udape", 3), ("actupose", 7)]
)
def test_a_step_reads_no_value(name, num_terms):
    result = fake_step(tiny_params(schedule__pretrain_epochs=0), name)
    assert len(result.terms) == num_terms


@pytest.mark.parametrize("name", ["regda", "udape"])
def test_a_step_of_the_reference_reads_no_value(name):
    params = tiny_params(schedule__pretrain_epochs=0, fidelity="reference", **UNMIRRORED)
    assert fake_step(params, name).peaks.shape == (4,)


@pytest.mark.parametrize("kind", ["fourier", "adain"])
def test_restyling_reads_no_value(kind):
    params = tiny_params()
    net = build_style_net(params.style.adain) if kind == "adain" else None
    transfer = StyleTransfer(params.style, 0, net).transfer
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        assert transfer(images() / 255, images() / 255, 0.5).shape == (4, 3, SIDE, SIDE)


def test_a_step_that_reads_a_value_would_be_found(monkeypatch):
    monkeypatch.setattr("actupose.methods.supervised.mean_peaks", lambda peaks: peaks * float(peaks.max()))
    with pytest.raises(DataDependentOutputException):
        fake_step(tiny_params(schedule__pretrain_epochs=0), "udape")
