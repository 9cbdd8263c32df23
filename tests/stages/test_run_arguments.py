import sys

import pytest
import yaml
from tiny_domains import tiny_tree

from actupose.errors import UserError
from stages._run_arguments import read_run_arguments


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Sets the words after the name of the command, in a folder with params.yaml."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tiny_tree(), sort_keys=True))
    monkeypatch.chdir(tmp_path)
    return lambda *words: monkeypatch.setattr(sys, "argv", ["stage", *words])


def test_a_run_is_a_method_and_a_seed(given):
    given("udape", "3")
    args = read_run_arguments("what it does")
    assert (args.method, args.seed, args.name) == ("udape", 3, "udape-3")
    assert args.params.schedule.epochs == 3


def test_an_unknown_method_is_told_with_those_there_are(given):
    given("udap", "0")
    with pytest.raises(UserError, match=r"^params.yaml: methods: no entry 'udap'; there are actupose, "):
        read_run_arguments(None)
