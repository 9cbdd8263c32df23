"""Any setting replaced by anything: it is taken, or one line names it."""

import copy
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from actupose.errors import UserError
from actupose.params import Params, check_params

TREE = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
CORPORA = ("figures", "surreal", "surreal_raw", "lsp", "human36m", "rhd", "freihand", "h3d", "coco", "folder")


def leaves(branch, path=()):
    """Keys and positions that lead to every plain value."""
    if not isinstance(branch, dict | list):
        yield path
        return
    for key, value in branch.items() if isinstance(branch, dict) else enumerate(branch):
        yield from leaves(value, (*path, key))


LEAVES = list(leaves(TREE))
KINDS = {
    "null": st.none(),
    "yes or no": st.booleans(),
    "whole number": st.sampled_from([-(10**30), -1, 0, 1, 7, 10**30]) | st.integers(),
    "number": st.floats(),
    "text": st.text(max_size=8) | st.sampled_from(["1", "1e3", "nan", "a\nb", "\x1b[2J", "../..", "a" * 200]),
    "list": st.lists(st.none() | st.integers() | st.text(max_size=2), max_size=3),
    "section": st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
}


def with_value(path, value):
    tree = copy.deepcopy(TREE)
    spot = tree
    for key in path[:-1]:
        spot = spot[key]
    spot[path[-1]] = value
    return tree


def parts(line):
    """Keys at the beginning of a complaint; what kind of corpus it is about is no key."""
    key = line.removeprefix("params.yaml: ").split(": ")[0].split(" = ")[0]
    return tuple(part for part in key.split(".") if part not in CORPORA)


def test_every_setting_of_the_file_is_drawn_from():
    assert len(LEAVES) > 150
    assert ("optim", "lr") in LEAVES and ("train", "seeds", 0) in LEAVES


@pytest.mark.parametrize("values", KINDS.values(), ids=KINDS)
@settings(max_examples=150)
@given(data=st.data())
def test_a_setting_of_any_kind_is_taken_or_named_in_one_line(values, data):
    path, value = data.draw(st.sampled_from(LEAVES)), data.draw(values)
    try:
        params = check_params(with_value(path, value), "params.yaml")
    except UserError as error:
        line = str(error)
        assert line.isprintable() or line.splitlines() == [line]
        shorter, longer = sorted((parts(line), tuple(str(key) for key in path)), key=len)
        assert longer[: len(shorter)] == shorter, line
    else:
        assert isinstance(params, Params)
        assert check_params(with_value(path, value), "again") == params
