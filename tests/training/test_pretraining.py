"""Runs that learn the same until adaptation begins share it, and none can tell afterwards."""

import os

import pytest
from tiny_domains import quiet, run_until_stopped, tiny_params

from actupose.params import MethodParams, RunParams
from actupose.training import pretraining

SHORT = {"epochs": 4, "pretrain_epochs": 2, "steps_per_epoch": 3, "batch_size": 6}
ADAPTATION = 6  # steps


def params(**changes):
    return tiny_params(schedule=SHORT, evaluation__every_epochs=1, **changes)


@pytest.fixture
def pretrained(project):
    return project.root / "pretrained"


def outputs(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def finish_counting(project, trainer):
    """A run's outputs, and the steps that it made itself."""
    steps, step = [], trainer._step
    trainer._step = lambda *batches: (steps.append(1), step(*batches))
    return outputs(project.finish(trainer, "sharing")), len(steps)


@pytest.mark.parametrize("method", ["udape", "poseda", "udape_again", "plain_ensemble"])
def test_a_run_that_takes_over_writes_what_one_that_trained_through_writes(project, pretrained, method):
    udape = params().model_dump(mode="json")["methods"]["udape"]
    ensemble = params().model_dump(mode="json")["methods"]["ensemble_teacher"]
    ensemble["weights"] = udape["weights"]
    settings = params(methods__udape_again=udape, methods__plain_ensemble=ensemble)
    alone = outputs(project.train(settings, method, "alone"))
    project.finish(project.trainer(settings, "source_only", pretrained=pretrained))
    trainer = project.trainer(settings, method, "sharing", pretrained=pretrained)
    assert finish_counting(project, trainer) == (alone, ADAPTATION)


def test_whoever_comes_first_leaves_it(project, pretrained):
    alone = outputs(project.train(params(), "source_only", "alone"))
    project.finish(project.trainer(params(), "udape", pretrained=pretrained))
    trainer = project.trainer(params(), "source_only", "sharing", pretrained=pretrained)
    assert finish_counting(project, trainer) == (alone, ADAPTATION)


def test_epochs_that_are_taken_over_are_told_like_the_others(project, pretrained):
    project.finish(project.trainer(params(), "source_only", pretrained=pretrained))
    told, (_, should_stop, on_step) = [], quiet()
    trainer = project.trainer(params(), "udape", pretrained=pretrained)
    trainer.run(lambda epoch, metrics: told.append((epoch, "source" in metrics)), should_stop, on_step)
    assert told == [(0, True), (1, True), (2, True), (3, True)]


def pretraining_of(method="udape", seed=0, **changes):
    return RunParams.of(params(**changes), method, seed).pretraining


@pytest.mark.parametrize(
    "changes",
    [
        {"methods__udape__gamma": 0.3},
        {"methods__udape__mask_ratio": 0.1},
        {"methods__udape__weights__cross_domain": 0.5},
        {"methods__udape__views": 2},
        {"methods__udape__style": {"kind": "fourier", "rate": 0.0, "mix": [0, 1], "band": 0.1}},
    ],
    ids=str,
)
def test_what_only_adaptation_reads_is_no_other_pretraining(changes):
    assert pretraining_of(**changes) == pretraining_of() == pretraining_of("source_only")


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"optim__lr": 0.1},
        {"methods__udape__weights__udape": 0.5},
        {"methods__udape__weights__evalpose": 0.5},
        {"methods__udape__style": {"kind": "fourier", "rate": 0.5, "mix": [0, 1], "band": 0.1}},
        {"method": "udape_vae_hm"},
        {"method": "oracle"},
    ],
    ids=str,
)
def test_what_pretraining_reads_makes_it_another(changes):
    assert pretraining_of(**changes) != pretraining_of()


def test_the_public_codes_arithmetic_is_a_pretraining_of_its_own():
    plain = {"augment__student__flip": 0.0, "augment__teacher__flip": 0.0}
    assert pretraining_of(**plain, methods__udape__fidelity="reference") != pretraining_of(**plain)


def test_a_kind_that_says_nothing_shares_nothing_nor_does_a_run_that_adapts_at_once(project, pretrained):
    assert MethodParams.model_construct(kind="new").pretraining is None
    at_once = tiny_params(schedule={**SHORT, "pretrain_epochs": 0})
    project.finish(project.trainer(at_once, "udape", pretrained=pretrained))
    assert not pretrained.exists()


def test_a_run_stopped_before_adaptation_leaves_nothing(project, pretrained):
    run_until_stopped(project.trainer(params(), "udape", pretrained=pretrained), 5)
    assert not pretrained.exists()


def test_one_that_is_damaged_is_trained_again(project, pretrained):
    alone = outputs(project.train(params(), "udape", "alone"))
    project.finish(project.trainer(params(), "source_only", pretrained=pretrained))
    (checkpoint,) = pretrained.rglob("*.ckpt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    trainer = project.trainer(params(), "udape", "sharing", pretrained=pretrained)
    with pytest.warns(UserWarning, match="damaged"):
        assert finish_counting(project, trainer) == (alone, 2 * ADAPTATION)


def test_those_used_last_stay(project, pretrained, monkeypatch):
    monkeypatch.setattr(pretraining, "KEPT", 2)
    for age, name in ((3, "old"), (1, "used")):
        (pretrained / name).mkdir(parents=True)
        os.utime(pretrained / name, (10**9 - age, 10**9 - age))
    project.finish(project.trainer(params(), "udape", pretrained=pretrained))
    names = {place.name for place in pretrained.iterdir()}
    assert "used" in names and "old" not in names and len(names) == 2
