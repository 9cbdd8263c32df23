import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from actupose.params import check_params
from actupose.params.overlay import base_tree, starting_tree

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _project(monkeypatch):
    monkeypatch.chdir(ROOT)


def printed(*arguments, status=0) -> str:
    command = [sys.executable, "-m", "actupose.params", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def test_a_preset_is_printed_with_the_origin_of_what_it_changes():
    text = printed("--preset", "surreal2lsp-small", "--set", "vae.seed=3")
    expected = starting_tree("surreal2lsp-small")[0]
    expected["vae"]["seed"] = 3
    assert yaml.safe_load(text) == expected
    lines = text.splitlines()
    assert "  image_size: 96  # from presets/surreal2lsp-small.yaml" in lines
    assert "    split: official  # from presets/surreal2lsp-small.yaml" in lines
    assert "  seed: 3  # --set" in lines
    assert "  jpeg_quality: 95" in lines


def test_the_demo_is_the_base_without_an_origin():
    text = printed("--preset", "figures")
    assert yaml.safe_load(text) == base_tree()
    assert "#" not in text


def test_settings_alone_are_on_top_of_params_yaml(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("target: 25", "target: 10"))
    lines = printed("--set", "methods.actupose.curriculum.pace=1.5", "optim.lr=1e-4").splitlines()
    assert "  target: 10  # from params.yaml" in lines
    assert "      pace: 1.5  # --set" in lines
    check_params(yaml.safe_load("\n".join(lines)), "printed")


@pytest.mark.parametrize(
    ("content", "settings", "says"),
    [
        ("schedule: {epoch: 3}", [], "mine.yaml: schedule.epoch: unknown key"),
        ("schedule: {epochs: 3}", [], "mine.yaml: schedule: pretrain_epochs must be below epochs = 3"),
        ("{}", ["--set", "vae.sed=1"], "mine.yaml + vae.sed=1: vae.sed: unknown key"),
        ("{}", ["--set", "vae"], "--set vae: write key=value; stages go before --set"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, monkeypatch, content, settings, says):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(content)
    assert printed("--preset", "mine.yaml", *settings, status=2) == f"error: {says}\n"


def test_help_teaches_what_a_preset_is():
    assert "name of a file in presets/, or a path" in printed("--help")
