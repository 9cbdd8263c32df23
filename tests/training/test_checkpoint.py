import hashlib
import io
import pickle
import shutil

import pytest
import torch
from full_disk import room_for
from tiny_domains import run_until_stopped, tiny_params

from actupose.training.checkpoint import (
    FORMAT,
    load_checkpoint,
    newest_step,
    remove_checkpoints,
    save_checkpoint,
)


def state(step, key="mine"):
    return {"key": key, "step": step, "values": torch.arange(5.0) * step}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def sealed(payload: bytes, version: int = FORMAT) -> bytes:
    """A checkpoint file of ``payload`` whose checksum fits."""
    content = b"actupose checkpoint, format %d\n%s" % (version, payload)
    return hashlib.sha256(content).digest() + content


def saved(content) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def test_what_is_saved_is_what_is_loaded(tmp_path):
    save_checkpoint(tmp_path / "run", 7, state(7))
    loaded = load_checkpoint(tmp_path / "run", "mine")
    assert loaded["step"] == 7
    assert torch.equal(loaded["values"], torch.arange(5.0) * 7)


def test_without_a_checkpoint_there_is_nothing_to_load(tmp_path):
    assert load_checkpoint(tmp_path / "none", "mine") is None


def test_the_newest_two_stay(tmp_path):
    for step in (1, 5, 12, 100):
        save_checkpoint(tmp_path, step, state(step))
    assert names(tmp_path) == ["step-000000012.ckpt", "step-000000100.ckpt"]


def flipped(path, place=0.5):
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1
    path.write_bytes(content)


class Payload:
    def __reduce__(self):
        return print, ("executed",)


SPOILERS = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:200]), "damaged"),
    "empty": (lambda path: path.write_bytes(b""), "damaged"),
    "flipped": (flipped, "damaged"),
    "flipped in the checksum": (lambda path: flipped(path, place=0), "damaged"),
    "foreign": (lambda path: path.write_bytes(sealed(saved(state(9, "another")))), "belongs to another run"),
    "newer": (
        lambda path: path.write_bytes(sealed(b"what only that version reads", FORMAT + 1)),
        r"written by a newer version \(format 2, this one reads 1\)",
    ),
    "older": (lambda path: path.write_bytes(sealed(saved(state(9)), 0)), "written by an older version"),
    "code": (
        lambda path: path.write_bytes(sealed(pickle.dumps(Payload(), protocol=2))),
        "not a checkpoint",
    ),
    "text": (lambda path: path.write_bytes(sealed(b"hello")), "not a checkpoint"),
    "no header": (
        lambda path: path.write_bytes(hashlib.sha256(b"hello").digest() + b"hello"),
        "not a checkpoint",
    ),
    "list": (lambda path: path.write_bytes(sealed(saved([1, 2]))), "belongs to another run"),
}


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_a_bad_checkpoint_is_refused_with_its_reason_and_the_one_before_is_used(tmp_path, spoiler, capsys):
    save_checkpoint(tmp_path, 4, state(4))
    save_checkpoint(tmp_path, 9, state(9))
    spoil, reason = SPOILERS[spoiler]
    spoil(tmp_path / "step-000000009.ckpt")
    with pytest.warns(UserWarning, match=rf"step-000000009\.ckpt: {reason}.*using the one before"):
        assert load_checkpoint(tmp_path, "mine")["step"] == 4
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "method"), [({"optim__lr": 0.1}, "actupose"), ({}, "udape")], ids=["params", "method"]
)
def test_a_checkpoint_of_other_params_or_another_method_is_refused_and_the_own_one_is_used(
    project, changes, method
):
    own, other = project.trainer(tiny_params()), project.trainer(tiny_params(**changes), method)
    run_until_stopped(own, 2)
    run_until_stopped(other, 5)
    shutil.copy2(max(other.folder.glob("*.ckpt")), own.folder)
    resumed = project.trainer(tiny_params())
    steps = []
    with pytest.warns(UserWarning, match=r"step-000000005\.ckpt: belongs to another run"):
        resumed.run(lambda *_: None, lambda: False, steps.append)
    assert steps[0] == 3


def test_a_full_disk_leaves_the_last_good_checkpoint_and_nothing_else(tmp_path):
    save_checkpoint(tmp_path, 4, state(4))
    with room_for(1000), pytest.raises(OSError, match="File too large") as caught:
        save_checkpoint(tmp_path, 9, state(9))
    assert caught.value.__notes__ == [f"{tmp_path / 'step-000000009.ckpt'} is not written"]
    assert names(tmp_path) == ["step-000000004.ckpt"]
    assert newest_step(tmp_path) == load_checkpoint(tmp_path, "mine")["step"] == 4


def test_the_newest_step_of_no_checkpoint_is_0(tmp_path):
    assert newest_step(tmp_path) == 0


def test_if_all_are_bad_the_run_begins_anew_and_its_own_checkpoints_stay(tmp_path):
    for step in (8, 9):
        save_checkpoint(tmp_path, step, state(step))
        flipped(tmp_path / f"step-{step:09d}.ckpt")
    with pytest.warns(UserWarning):
        assert load_checkpoint(tmp_path, "mine") is None
    save_checkpoint(tmp_path, 3, state(3))
    save_checkpoint(tmp_path, 5, state(5))
    assert load_checkpoint(tmp_path, "mine")["step"] == 5
    assert names(tmp_path) == ["step-000000003.ckpt", "step-000000005.ckpt"]


def test_what_a_killed_writer_left_is_no_checkpoint(tmp_path):
    (tmp_path / ".step-000000009.ckpt.77.tmp").write_bytes(b"half")
    assert load_checkpoint(tmp_path, "mine") is None
    save_checkpoint(tmp_path, 1, state(1))
    assert names(tmp_path) == ["step-000000001.ckpt"], "it takes no room"


def test_removing_leaves_other_files(tmp_path):
    save_checkpoint(tmp_path, 1, state(1))
    (tmp_path / "history.jsonl").write_text("{}")
    remove_checkpoints(tmp_path)
    assert names(tmp_path) == ["history.jsonl"]
