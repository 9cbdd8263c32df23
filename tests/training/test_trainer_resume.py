"""A run stopped after any step and started again equals an unbroken one, byte for byte."""

import pytest
import torch
from file_opens import counted_opens
from tiny_domains import Project, quiet, run_until_stopped, tiny_params, write_samples, write_scores

from actupose.tables import CURRICULUM, HISTORY, read_table
from actupose.training.checkpoint import load_checkpoint
from actupose.training.run_files import write_outputs
from actupose.training.trainer import Stopped

OUTPUTS = (
    "model.safetensors",
    "model.json",
    "history.parquet",
    "curriculum.parquet",
    "epoch_predictions.parquet",
)

NEVER_MIRRORED = {"augment__student__flip": 0, "augment__teacher__flip": 0}
TWO_STEPS = {"epochs": 2, "pretrain_epochs": 1, "steps_per_epoch": 2, "batch_size": 4}


def outputs(folder):
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def finish(project: Project, params, method, state):
    trainer = project.trainer(params, method, state)
    trainer.run(*quiet())
    out = project.root / "runs" / f"{state}-{method}"
    write_outputs(trainer, out)
    return out


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("actupose", {}),
        (
            "actupose",
            {
                "methods__actupose__curriculum__confidence": "full_pass",
                "mean_teacher__teacher_norm": "student",
                "schedule": TWO_STEPS,
            },
        ),
        ("ensemble_teacher", {}),
        ("udape", {"heatmap__loss": "mse", "mean_teacher__views": 2, "schedule": TWO_STEPS}),
        ("oracle", {"schedule": TWO_STEPS}),
        ("udape", {"mean_teacher__style__kind": "fourier", "schedule": TWO_STEPS}),
        ("actupose", NEVER_MIRRORED | {"every__fidelity": "reference", "schedule": TWO_STEPS}),
        ("regda", NEVER_MIRRORED | {"every__fidelity": "reference"}),
        ("regda", {}),
        ("poseda", {}),
    ],
)
def test_a_run_stopped_after_every_step_equals_an_unbroken_one(project, method, changes):
    params = tiny_params(**changes)
    unbroken = project.train(params, method, "unbroken")
    starts, steps = 0, params.schedule.epochs * params.schedule.steps_per_epoch
    while True:
        trainer = project.trainer(params, method, "broken")
        try:
            trainer.run(*quiet(lambda: True))
            break
        except Stopped:
            starts += 1
            assert starts <= steps, "a start without a step"
    assert starts == steps
    write_outputs(trainer, project.root / "runs" / "broken")
    assert outputs(project.root / "runs" / "broken") == outputs(unbroken)


@pytest.mark.parametrize("after_steps", [2, 5])  # in the middle of an epoch of pretraining, of adaptation
def test_a_run_stopped_once_in_mid_epoch_equals_an_unbroken_one(project, after_steps):
    params = tiny_params()
    unbroken = project.train(params, "actupose", "unbroken")
    run_until_stopped(project.trainer(params, "actupose", "broken"), after_steps)
    assert outputs(finish(project, params, "actupose", "broken")) == outputs(unbroken)


def test_a_resumed_run_goes_on_and_does_not_begin_again(project):
    params, steps = tiny_params(), []
    run_until_stopped(project.trainer(params), 5)
    project.trainer(params).run(lambda *_: None, lambda: False, steps.append)
    assert steps == [6, 7, 8, 9]


def test_a_finished_run_started_again_has_nothing_to_do(project):
    params, steps = tiny_params(), []
    trainer = project.trainer(params)
    trainer.run(*quiet())
    again = project.trainer(params)
    again.run(lambda *_: None, lambda: False, steps.append)
    assert steps == []
    assert again.state.history == trainer.state.history


def test_the_learning_rate_falls_at_a_milestone_after_a_resume_too(project):
    params = tiny_params(optim__milestones=[2])
    run_until_stopped(project.trainer(params), 4)
    trainer = project.trainer(params)
    trainer.run(*quiet())
    assert [epoch["learning_rate"] for epoch in trainer.state.history] == pytest.approx(
        [0.003, 0.003, 0.0003]
    )
    assert trainer.method.student.optimizer.param_groups[0]["lr"] == pytest.approx(0.0003)


def test_a_time_based_checkpoint_is_saved_in_mid_epoch_and_resumed_from(project):
    params = tiny_params(compute__checkpoint_minutes=1e-9)
    unbroken = project.train(params, "udape", "unbroken")
    trainer = project.trainer(params, "udape", "killed")

    def kill(step):
        if step == 5:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        trainer.run(lambda *_: None, lambda: False, kill)
    assert load_checkpoint(trainer.folder, trainer.key)["step"] == 4
    assert outputs(finish(project, params, "udape", "killed")) == outputs(unbroken)


def test_a_damaged_checkpoint_costs_steps_and_not_the_run(project):
    params = tiny_params()
    unbroken = project.train(params, "actupose", "unbroken")
    run_until_stopped(project.trainer(params, "actupose", "broken"), 4)
    run_until_stopped(project.trainer(params, "actupose", "broken"), 1)
    folder = project.trainer(params, "actupose", "broken").folder
    newest = max(folder.glob("*.ckpt"))
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="step-000000005.ckpt: damaged"):
        out = finish(project, params, "actupose", "broken")
    assert outputs(out) == outputs(unbroken)


def test_other_settings_inputs_or_target_splits_begin_anew(project):
    params = tiny_params()
    key = project.trainer(params).key
    assert project.trainer(params).key == key
    assert project.trainer(tiny_params(optim__lr=0.1)).key != key
    assert project.trainer(params, "udape").key != key
    assert project.trainer(params, seed=1).key != key
    assert project.trainer(tiny_params(compute__workers=1)).key == key
    write_scores(project.bins / "source", [f"source-train-{i:03d}" for i in range(24)], range(24), "train")
    assert project.trainer(params).key != key


def test_a_start_opens_every_table_once(project):
    tables = [project.bins / "source/scores.parquet", *project.ingested.glob("*/samples.parquet")]
    for method in ("udape", "oracle"):
        with counted_opens(tables) as opens:
            project.trainer(tiny_params(), method)
        read = tables if method == "udape" else tables[1:]  # the oracle knows no curriculum
        assert opens == dict.fromkeys(read, 1), method


def test_moving_target_images_between_splits_begins_anew_and_relabelling_them_does_not(project):
    params = tiny_params()
    key, oracle_key = project.trainer(params).key, project.trainer(params, "oracle").key
    nonsense, visible = torch.full((30, 16, 2), 3.0).numpy(), torch.ones(30, 16, dtype=torch.bool).numpy()
    project.relabel_target(nonsense, visible)
    assert project.trainer(params).key == key
    assert project.trainer(params, "oracle").key != oracle_key
    rows = [(f"target-x-{i:03d}", "train" if i < 17 else "test") for i in range(30)]
    write_samples(project.ingested / "target", rows, nonsense, visible)
    assert project.trainer(params).key != key


def test_history_holds_every_epoch_once(project):
    table = read_table(project.train(tiny_params(), "udape") / "history.parquet", HISTORY).to_pylist()
    assert [row["epoch"] for row in table if row["metric"] == "source"] == [0, 1, 2]
    assert [row["epoch"] for row in table if row["metric"] == "consistency"] == [1, 2]


def test_confidence_moves_samples_between_bins_in_the_runs_above(project):
    rows = read_table(project.train(tiny_params()) / "curriculum.parquet", CURRICULUM).to_pylist()
    assert [sum(row["moved"] for row in rows if row["epoch"] == epoch) > 0 for epoch in range(3)] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("method", "terms"),
    [
        ("source_only", {"source"}),
        ("udape", {"source", "consistency", "kept"}),
        ("regda", {"source", "disparity_source", "disparity_far", "disparity_near"}),
        ("poseda", {"source", "domain_image", "domain_keypoint", "domain_bone"}),
        (
            "actupose",
            {"source", "consistency", "kept", "evalpose_source", "evalpose_target", "cross_domain", "pairs"},
        ),
    ],
)
def test_a_method_computes_the_losses_that_weigh_something(project, method, terms):
    trainer = project.trainer(tiny_params(schedule=TWO_STEPS), method)
    trainer.run(*quiet())
    others = {"learning_rate", "source_val/pck_0.05", "curriculum/peak_bin", "curriculum/share"}
    assert set(trainer.state.history[-1]) - others == terms
