"""What a run reads, changes and writes."""

import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_domains import (
    MATCHED,
    SIDE,
    draw_picture,
    quiet,
    run_until_stopped,
    tiny_params,
    tiny_poses,
    write_scores,
)

from actupose.core.device import emulates_bf16
from actupose.data.image_store import write_images
from actupose.errors import UserError
from actupose.nets.pose_model import PoseModel, load_model
from actupose.scoring.pose_score import score_keypoints
from actupose.tables import CURRICULUM, epoch_predictions_schema, keypoint_values, read_table
from actupose.training.checkpoint import load_checkpoint
from actupose.training.prediction import predict_all
from actupose.training.trainer import NonFiniteLossError

SHORT = {"epochs": 2, "pretrain_epochs": 1, "steps_per_epoch": 2, "batch_size": 4}


def model_bytes(folder):
    return (folder / "model.safetensors").read_bytes()


def nonsense_labels():
    keypoints = np.random.default_rng(9).uniform(0, SIDE - 1, (30, 16, 2)).astype(np.float32)
    return keypoints, np.ones((30, 16), bool)


def no_labels():
    return np.full((30, 16, 2), np.nan, np.float32), np.zeros((30, 16), bool)


def grow(params, project, method, steps):
    trainer = project.trainer(params, method, f"grow{steps}")
    run_until_stopped(trainer, steps)
    return trainer.method


@pytest.mark.parametrize(
    "method", ["source_only", "regda", "poseda", "udape", "actupose", "ensemble_teacher"]
)
def test_target_labels_do_not_change_the_model(project, method):
    params = tiny_params(schedule=SHORT, evaluation__every_epochs=2)
    model = model_bytes(project.train(params, method, "labelled"))
    project.relabel_target(*nonsense_labels())
    assert model_bytes(project.train(params, method, "nonsense")) == model
    project.relabel_target(*no_labels())
    assert model_bytes(project.train(params, method, "none")) == model


def test_target_labels_change_the_oracle(project):
    params = tiny_params(schedule=SHORT, evaluation__every_epochs=2)
    model = model_bytes(project.train(params, "oracle", "labelled"))
    project.relabel_target(*nonsense_labels())
    assert model_bytes(project.train(params, "oracle", "nonsense")) != model


def test_an_oracle_without_labels_is_told_so(project):
    project.relabel_target(*no_labels())
    with pytest.raises(UserError, match="supervision: target needs labels"):
        project.trainer(tiny_params(), "oracle")


def test_supervised_training_does_not_see_target_images(project):
    params = tiny_params(schedule=SHORT, evaluation__every_epochs=0)
    model = model_bytes(project.train(params, "source_only", "before"))
    adapted = model_bytes(project.train(params, "udape", "before"))
    pictures = ((draw_picture(pose, 200), SIDE, SIDE) for pose in tiny_poses(30, 5))
    write_images(project.ingested / "target" / "images.arrow", pictures)
    assert model_bytes(project.train(params, "source_only", "after")) == model
    assert model_bytes(project.train(params, "udape", "after")) != adapted


def test_the_seed_decides_the_model(project):
    params = tiny_params(schedule={"epochs": 1, "pretrain_epochs": 0, "steps_per_epoch": 2, "batch_size": 4})
    models = []
    for seed, state in ((0, "a"), (0, "b"), (1, "c")):
        trainer = project.trainer(params, "actupose", state, seed)
        torch.manual_seed(len(models))
        trainer.run(*quiet())
        models.append(torch.cat([p.flatten() for p in trainer.network.parameters()]))
    assert torch.equal(models[0], models[1])
    assert not torch.equal(models[0], models[2])


def test_worker_processes_change_nothing(project):
    here = project.train(tiny_params(schedule=SHORT, evaluation__every_epochs=0), "udape", "here")
    workers = tiny_params(schedule=SHORT, evaluation__every_epochs=0, compute__workers=1)
    assert model_bytes(project.train(workers, "udape", "workers")) == model_bytes(here)


@pytest.mark.trial
@pytest.mark.parametrize("method", ["source_only", "regda", "poseda", "udape"])
@pytest.mark.usefixtures("unchecked_types")
def test_compiled_networks_learn_what_plain_ones_do(project, method):
    losses = []
    for compiled in (False, True):
        params = tiny_params(schedule=SHORT, evaluation__every_epochs=2, compute__compile=compiled)
        trainer = project.trainer(params, method, f"compiled {compiled}")
        trainer.run(*quiet())
        losses.append([epoch["source"] for epoch in trainer.state.history])
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_until_the_switch_the_teacher_rests_and_then_begins_as_the_student(project):
    params = tiny_params(mean_teacher__ema_decay=1.0)  # the teacher's weights stay where they begin
    before = grow(params, project, "udape", 3)
    after = grow(params, project, "udape", 4)
    student, teacher = before.student.network.state_dict(), after.teacher.state_dict()
    weights = [name for name, _ in before.student.network.named_parameters()]
    assert all(torch.equal(teacher[name], student[name]) for name in weights)
    initial = before.teacher.state_dict()
    assert not torch.equal(initial["head.0.weight"], student["head.0.weight"])


def test_the_teacher_begins_with_the_students_running_statistics(project):
    method = grow(tiny_params(), project, "udape", 3)
    method.prepare(3)
    student, teacher = method.student.network.state_dict(), method.teacher.state_dict()
    assert all(torch.equal(teacher[name], value) for name, value in student.items())
    assert student["upsampling.1.num_batches_tracked"] == 3


def test_the_model_of_an_adapted_run_is_the_teacher_and_of_a_supervised_one_the_student(project):
    params = tiny_params(schedule=SHORT, evaluation__every_epochs=0)
    for name, of_teacher in (("udape", True), ("source_only", False)):
        trainer = project.trainer(params, name, "model")
        trainer.run(*quiet())
        out = project.train(params, name, "out")
        method = trainer.method
        wanted = (method.teacher if of_teacher else method.student.network).state_dict()
        saved = load_file(out / "model.safetensors")
        assert all(torch.equal(saved[name], value) for name, value in wanted.items())


def test_the_last_saved_predictions_are_those_of_the_saved_model(project):
    out = project.train(tiny_params(), "actupose")
    table = read_table(out / "epoch_predictions.parquet", epoch_predictions_schema(16))
    assert table.column("epoch").to_pylist() == [0] * 12 + [1] * 12 + [2] * 12
    assert table.column("sample_id").to_pylist()[:2] == ["target-test-000", "target-test-001"]
    images = project.trainer(tiny_params()).data.target_test
    prediction = predict_all(load_model(out), images, torch.device("cpu"), 0)
    np.testing.assert_array_equal(keypoint_values(table, "keypoints_pred")[24:], prediction.keypoints.numpy())


@pytest.mark.parametrize(("every", "epochs"), [(0, []), (1, [0, 1, 2]), (2, [1, 2]), (3, [2]), (5, [2])])
def test_predictions_are_saved_every_nth_epoch_and_after_the_last(project, every, epochs):
    params = tiny_params(
        evaluation__every_epochs=every,
        schedule={"epochs": 3, "pretrain_epochs": 1, "steps_per_epoch": 1, "batch_size": 2},
    )
    table = read_table(
        project.train(params, "source_only") / "epoch_predictions.parquet", epoch_predictions_schema(16)
    )
    assert sorted(set(table.column("epoch").to_pylist())) == epochs


def test_saving_predictions_does_not_change_the_model(project):
    often = project.train(tiny_params(schedule=SHORT), "actupose", "often")
    never = project.train(tiny_params(schedule=SHORT, evaluation__every_epochs=0), "actupose", "never")
    assert model_bytes(often) == model_bytes(never)


def test_the_run_drops_its_checkpoints_when_its_outputs_are_written(project):
    project.train(tiny_params(), "udape")
    assert not list((project.root / "state").rglob("*.ckpt"))


def test_a_label_that_is_not_a_number_counts_as_invisible(project):
    def weights_after(change):
        trainer = project.trainer(tiny_params(schedule=SHORT), "actupose", change.__name__)
        change(trainer.labels)
        trainer.run(*quiet())
        return trainer.network.state_dict()

    def without(labels):
        labels.visible[::2, 3] = False

    def planted(labels):
        labels.keypoints[::2, 3, 0] = torch.nan

    def untouched(labels):
        pass

    nan, hidden, full = (weights_after(change) for change in (planted, without, untouched))
    assert all(torch.equal(value, hidden[name]) for name, value in nan.items())
    assert not torch.equal(nan["head.0.weight"], full["head.0.weight"])


@pytest.mark.parametrize("network", ["student", "teacher"])
def test_a_weight_that_is_not_a_number_stops_the_run_and_the_last_checkpoint_stays(project, network):
    params = tiny_params(compute__checkpoint_minutes=1e-9)
    trainer = project.trainer(params)

    def plant(step):
        if step == 4:  # teacher and student are at work
            with torch.no_grad():
                trainer.method.networks[network].head[-1].weight[0] = torch.nan

    with pytest.raises(NonFiniteLossError) as caught:
        trainer.run(lambda *_: None, lambda: False, plant)
    assert str(caught.value) == "step 3: it left weights that are not finite"
    saved = load_checkpoint(trainer.folder, trainer.key)
    assert saved["step"] == 3
    assert all(value.isfinite().all() for value in saved["parts"]["network student"].values())


def test_a_weight_that_is_not_a_number_is_found_at_the_next_step(project):
    trainer = project.trainer(tiny_params())

    def plant(step):
        if step == 1:
            with torch.no_grad():
                trainer.method.student.network.head[-1].weight[0] = torch.nan

    with pytest.raises(
        NonFiniteLossError, match=r"^step 1: term 'source' is nan; samples (source-train-\d+,? ?){4}$"
    ):
        trainer.run(lambda *_: None, lambda: False, plant)
    assert load_checkpoint(trainer.folder, trainer.key) is None


def test_a_bad_term_while_adapting_names_the_target_samples_too(project):
    trainer = project.trainer(tiny_params())

    def plant(step):
        if step == 4:
            with torch.no_grad():
                trainer.method.student.network.head[-1].weight[0] = torch.nan

    samples = r"samples (source-train-\d+,? ?){4}; target samples (target-train-\d+,? ?){4}"
    with pytest.raises(NonFiniteLossError, match=rf"^step 4: term 'source' is nan; {samples}$"):
        trainer.run(lambda *_: None, lambda: False, plant)
    assert load_checkpoint(trainer.folder, trainer.key)["step"] == 3


def drawn_bins(project, params, method):
    rows = read_table(project.train(params, method) / "curriculum.parquet", CURRICULUM).to_pylist()
    drawn = {}
    for row in rows:
        drawn.setdefault(row["epoch"], []).append(row["drawn"])
    return [drawn[epoch] for epoch in sorted(drawn)]


def test_hard_mining_draws_from_the_last_bins_alone(project):
    params = tiny_params(
        methods__udape_vae_hm__curriculum__hard_fraction=0.33, evaluation__every_epochs=0
    )  # 2 of 6 bins, 4 samples each
    assert drawn_bins(project, params, "udape_vae_hm") == [[0, 0, 0, 0, 4, 4]] * 3


def test_progressive_adds_a_third_of_the_bins_each_third_of_the_epochs(project):
    bins = drawn_bins(project, tiny_params(evaluation__every_epochs=0), "udape_vae_cl")
    assert bins == [[4, 4, 0, 0, 0, 0], [4, 4, 4, 4, 0, 0], [4, 4, 4, 4, 4, 4]]


def test_only_drawn_samples_are_trained_on(project):
    trainer = project.trainer(tiny_params(), "udape_vae_hm")
    seen = set()
    step = trainer._step

    def watch(labelled, target):
        seen.update(labelled.index.tolist())
        step(labelled, target)

    trainer._step = watch
    trainer.run(*quiet())
    hardest = set(trainer.data.vae_scores.argsort()[-8:].tolist())
    assert seen == hardest  # 36 draws of 8 samples see them all


def test_the_matched_curriculum_counts_the_surer_half_of_the_poses_found_on_the_target(project):
    scores = np.linspace(17, 21, 24)  # about what the VAE gives to this network's poses
    write_scores(project.bins / "source", [f"source-train-{i:03d}" for i in range(24)], scores, "train")
    params = tiny_params(methods__actupose__curriculum=MATCHED)
    trainer = project.trainer(params)
    run_until_stopped(trainer, 3)  # adaptation begins
    model = PoseModel(trainer.network, trainer.info)
    found = predict_all(model, trainer.data.target, torch.device("cpu"), workers=0)
    surer = found.confidence.mean(dim=1).argsort()[-10:]  # of 18, down to the lower median
    found_scores = score_keypoints(trainer.data.nets.vae, found.keypoints[surer]).numpy()
    bins = np.searchsorted(scores[[3, 7, 11, 15, 19]], found_scores)  # the hardest of each bin but the last
    assert len(set(bins)) > 2
    trainer = project.trainer(params)
    run_until_stopped(trainer, 1)
    assert trainer.state.curriculum.matching.tolist() == pytest.approx(
        [6 / 10 * (bins == number).sum() for number in range(6)]
    )


def test_active_keeps_the_peaks_of_samples_it_did_not_see_again(project):
    trainer = project.trainer(tiny_params())
    known = []

    def note(_epoch, _metrics):
        known.append(trainer.state.curriculum.peaks.clone())

    trainer.run(note, lambda: False, lambda step: None)
    seen_first = ~known[0].isnan()
    assert 0 < seen_first.sum() <= 12  # three steps of four
    assert not known[2][seen_first].isnan().any()
    mean_peak = torch.nan_to_num(known[2], nan=float(known[2].nanmean()))
    torch.testing.assert_close(trainer.state.curriculum.scores, trainer.data.vae_scores / mean_peak)


def test_source_samples_without_a_score_take_no_part(project):
    ids = [f"source-train-{i:03d}" for i in range(3, 24)]
    write_scores(project.bins / "source", ids, range(21), "train")
    data = project.trainer(tiny_params()).data
    assert data.labelled.sample_ids == ids
    assert data.vae_scores.tolist() == list(range(21))
    assert len(data.labels.keypoints) == 21


def test_bfloat16_trains_and_decodes_in_float32(project):
    params = tiny_params(compute__precision="bf16-mixed", schedule=SHORT, evaluation__every_epochs=2)
    with warnings.catch_warnings(record=True) as warned:
        trainer = project.trainer(params)
    device = trainer.runtime.device.type
    assert any(f"{device} emulates it" in str(one.message) for one in warned) == emulates_bf16(device)
    trainer.run(*quiet())
    images = torch.rand(2, 3, SIDE, SIDE)
    output = trainer.method.student.predict(images)
    assert output.heatmaps.dtype == torch.float32
    assert not torch.equal(output.heatmaps, output.heatmaps.bfloat16().float())
    prediction = PoseModel(trainer.network, trainer.info, bf16=True)(images)
    assert prediction.keypoints.dtype == prediction.confidence.dtype == torch.float32
