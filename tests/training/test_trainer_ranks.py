"""Two processes with half of each batch learn as one with all of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rank_of_tiny_runs import run_cases
from tiny_domains import Project

from actupose.training.checkpoint import load_checkpoint

AS_PUBLISHED = {"every__fidelity": "reference", "augment__student__flip": 0, "augment__teacher__flip": 0}
THREE_EPOCHS = {"epochs": 3, "pretrain_epochs": 1, "steps_per_epoch": 2, "batch_size": 4}
AN_EPOCH = {"epochs": 1, "pretrain_epochs": 0, "steps_per_epoch": 4, "batch_size": 4}
ONE_STEP = {
    "source_only": ("source_only", {}),
    "oracle": ("oracle", {}),
    "regda": ("regda", {}),
    "poseda": ("poseda", {}),
    "udape": ("udape", {}),
    "udape_vae_hm": ("udape_vae_hm", {}),
    "udape_vae_cl": ("udape_vae_cl", {}),
    "actupose": ("actupose", {}),
    "ensemble_teacher": ("ensemble_teacher", {}),
    "restyled": ("udape", {"mean_teacher__style__kind": "fourier", "mean_teacher__style__rate": 1.0}),
    "as published": ("udape", AS_PUBLISHED),
    "the student's statistics": ("actupose", {"mean_teacher__teacher_norm": "student"}),
}
WHOLE_EPOCH = {
    f"an epoch of {method}": (method, {"schedule": AN_EPOCH})
    for method, changes in ONE_STEP.values()
    if not changes
}
FULL_PASS = {"methods__actupose__curriculum__confidence": "full_pass"}
RE_RANKED = {"re-ranked": ("actupose", {"schedule": THREE_EPOCHS} | FULL_PASS)}
CASES = ONE_STEP | WHOLE_EPOCH | RE_RANKED
RANK = Path(__file__).parents[1] / "helpers" / "rank_of_tiny_runs.py"


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Checkpoints of every case, by one process and by two."""
    project = Project(tmp_path_factory.mktemp("ranks"))
    alone = run_cases(project, CASES)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = [str(RANK), str(project.root), json.dumps(CASES)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*torchrun, *script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    folders = json.loads((project.root / "folders-0.json").read_text())
    assert folders == json.loads((project.root / "folders-1.json").read_text())
    return alone, {name: load_checkpoint(Path(folder), key) for name, (key, folder) in folders.items()}


def tensors(tree, path=""):
    """Every tensor of a nested state, by its path."""
    if isinstance(tree, torch.Tensor):
        return {path: tree}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return {key: value for name, part in items for key, value in tensors(part, f"{path}/{name}").items()}


def losses(state):
    (epoch,) = state["history"]
    return {name: value for name, value in epoch.items() if not name.startswith("source_val")}


def assert_same_losses(states, of_cosines):
    """Bones that an untrained net predicts have hardly a length: their cosines amplify rounding."""
    alone, together = map(losses, states)
    assert together.keys() == alone.keys()
    for name, value in alone.items():
        is_cosine = name.startswith(("evalpose", "cross_domain"))
        assert together[name] == pytest.approx(value, rel=1e-4, abs=of_cosines if is_cosine else 1e-5), name


@pytest.mark.parametrize("case", WHOLE_EPOCH)
def test_two_ranks_have_the_losses_of_one_through_an_epoch(both, case):
    assert_same_losses([states[case] for states in both], of_cosines=0.01)


@pytest.mark.parametrize("case", ONE_STEP)
def test_two_ranks_have_the_losses_and_gradients_of_one_in_a_step(both, case):
    alone, together = (states[case] for states in both)
    assert_same_losses([alone, together], of_cosines=1e-4)
    torch.testing.assert_close(together["peaks"], alone["peaks"], equal_nan=True)
    expected, found = tensors(alone["parts"]), tensors(together["parts"])
    assert expected.keys() == found.keys()
    # After one step Adam's means and SGD's momenta are the gradients. Weights amplify rounding: Adam's first
    # step is as long for a small gradient as for a large one.
    linear = [name for name in expected if name.endswith(("exp_avg", "momentum_buffer", "_mean", "_var"))]
    assert any("exp_avg" in name or "momentum" in name for name in linear)
    for name in linear:
        scale = float(expected[name].abs().max())
        # The last bias moves all cells of a map alike, which KL does not see: its gradient is rounding alone.
        torch.testing.assert_close(
            found[name], expected[name], rtol=1e-3, atol=1e-3 * scale + 1e-7, msg=f"{case} {name}"
        )


def test_ranks_agree_on_confidences_and_bins_through_the_epochs(both):
    alone, together = (states["re-ranked"] for states in both)
    peaks = [state["parts"]["curriculum"]["peaks"] for state in (alone, together)]
    torch.testing.assert_close(*peaks, rtol=0.05, atol=0)
    drawn = [[row["drawn"] for row in state["curriculum_rows"]] for state in (alone, together)]
    assert drawn[0] == drawn[1]
