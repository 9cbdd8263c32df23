"""What decides the key of a run, and what its end leaves behind."""

from tiny_domains import run_until_stopped, tiny_params

from actupose.params import RunParams
from actupose.training.run_files import open_trainer, write_outputs


def checkpoints(project):
    return {path.parent.name.rsplit("-", 1)[0] for path in (project.root / "state").rglob("*.ckpt")}


def test_a_finished_run_leaves_no_checkpoint_of_its_method_and_seed_under_any_key(project):
    for params in (tiny_params(), tiny_params(optim__lr=0.1)):
        run_until_stopped(project.trainer(params, "udape"), 2)
    run_until_stopped(project.trainer(tiny_params(), "udape", seed=1), 2)
    run_until_stopped(project.trainer(tiny_params(), "udape_vae_hm"), 2)
    assert checkpoints(project) == {"udape-0", "udape-1", "udape_vae_hm-0"}
    project.train(tiny_params(optim__lr=0.2), "udape")
    assert checkpoints(project) == {"udape-1", "udape_vae_hm-0"}


def test_the_key_follows_the_code_that_decides_and_no_other(project, tmp_path):
    params = tiny_params()
    run = RunParams.of(params, "udape", 0)
    decisive, reader = tmp_path / "step.py", tmp_path / "reader.py"
    decisive.write_text("a")
    reader.write_text("a")

    def key():
        return open_trainer(run, params.compute, project.inputs, project.root / "state", [decisive]).key

    before = key()
    reader.write_text("a  # a comment")
    assert key() == before
    decisive.write_text("b")
    assert key() != before


def test_the_key_depends_on_content_and_order_of_the_code_and_not_on_names(project, tmp_path):
    first, second, copy = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    first.write_bytes(b"1"), second.write_bytes(b"2"), copy.write_bytes(b"1")
    params = tiny_params()
    run = RunParams.of(params, "udape", 0)

    def key(*code):
        return open_trainer(run, params.compute, project.inputs, project.root / "state", code).key

    assert key(first, second) == key(copy, second) != key(second, first)
    assert len(key(first)) == 16


def test_other_methods_settings_are_not_in_the_key(project):
    key = project.trainer(tiny_params(), "udape").key
    assert project.trainer(tiny_params(methods__actupose__gamma=0.3, regda__margin=1.0), "udape").key == key
    assert project.trainer(tiny_params(methods__udape__gamma=0.3), "udape").key != key


def test_outputs_are_written_to_the_folder_that_is_named(project, tmp_path):
    trainer = project.trainer(tiny_params(), "source_only")
    trainer.run(lambda *_: None, lambda: False, lambda _: None)
    write_outputs(trainer, tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *("model.safetensors", "model.json", "history.parquet"),
        *("curriculum.parquet", "flow.parquet", "epoch_predictions.parquet"),
    }
