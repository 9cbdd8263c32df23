import pytest
import torch
from tiny_methods import build, labelled_batch, tiny_run

from actupose.methods import StepResult
from actupose.training.state import RunState


def state(method="udape"):
    return RunState(build(tiny_run(method)), None, torch.full((6,), torch.nan))


def test_steps_add_up_until_the_epoch_ends():
    run, index = state(), torch.tensor([1, 4])
    for peak in (0.25, 0.5):
        losses, logged = {"source": torch.tensor(2.0)}, {"kept": torch.tensor(peak)}
        run.note(index, StepResult(losses, torch.tensor([peak, 1.0]), logged))
    assert run.step == 2
    assert {name: float(value) for name, value in run.sums.items()} == {"source": 4.0, "kept": 0.75}
    assert run.peaks[index].tolist() == [0.5, 1.0] and run.peaks.isnan().sum() == 4
    run.finish_epoch({"source": 2.0})
    assert run.history == [{"source": 2.0}] and run.sums == {} and run.peaks.isnan().all()


@pytest.mark.parametrize("method", ["source_only", "regda", "poseda", "udape"])
def test_a_restored_state_takes_the_same_steps(method, tmp_path):
    one, other = state(method), state(method)
    result = one.method.step(0, labelled_batch(), None)
    one.note(torch.arange(4), result)
    one.save(tmp_path, "key")
    other.restore(tmp_path, "key")
    assert other.step == 1 and torch.equal(other.peaks[:4], one.peaks[:4])
    for run in (one, other):
        run.method.step(1, labelled_batch(), None)
    for name, network in one.method.networks.items():
        again = other.method.networks[name].state_dict()
        assert all(torch.equal(value, again[key]) for key, value in network.state_dict().items())


def test_without_a_checkpoint_the_state_stays(tmp_path):
    run = state()
    run.restore(tmp_path, "key")
    assert run.step == 0


@pytest.mark.parametrize("name", ["student", "teacher"])
def test_weights_that_are_not_numbers_are_noticed_in_either_network(name):
    run = state()
    assert run.is_finite()
    with torch.no_grad():
        run.method.networks[name].head[-1].bias[3] = torch.inf
    assert not run.is_finite()
