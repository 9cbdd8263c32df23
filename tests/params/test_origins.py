import pytest
import yaml

from actupose.params.origins import annotated_lines, changed_keys
from actupose.params.overlay import base_tree


@pytest.mark.parametrize(
    ("before", "after", "keys"),
    [
        ({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 2}}, []),
        ({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}, [("b", "c")]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [("a",)]),
        ({}, {"a": None}, [("a",)]),
        ({"a": {"b": 1}}, {"a": {}}, [("a",)]),
        ({"a": 1}, {"a": {"b": {"c": 1}}}, [("a", "b", "c")]),
        ({"a": 1, "gone": 2}, {"a": 1}, []),
    ],
)
def test_changed_keys_are_those_of_values(before, after, keys):
    assert list(changed_keys(before, after)) == keys


def test_every_value_of_another_corpus_is_new_even_one_that_is_the_same():
    before = {"corpus": "figures", "root": "a", "seed": 1}
    assert list(changed_keys(before, before | {"corpus": "human36m"})) == [("corpus",), ("root",), ("seed",)]


def test_the_origin_is_behind_its_value():
    tree = {"a": {"b": [1, "x y"], "c": None}, "d": {}}
    lines = list(annotated_lines(tree, {("a", "b"): "from mine.yaml", ("d",): "--set"}))
    assert lines == ["a:", "  b: [1, x y]  # from mine.yaml", "  c: null", "d: {}  # --set"]


@pytest.mark.parametrize(
    "value", ["# no comment", "a: b", "null", "1", "", "a\nb", "é", [["x", {"y": 1}]], "x" * 999]
)
def test_what_is_printed_is_the_tree(value):
    tree = base_tree() | {"more": {"key: of words": value}}
    lines = list(annotated_lines(tree, {("more", "key: of words"): "from mine.yaml"}))
    assert yaml.safe_load("\n".join(lines)) == tree
