import tomllib
from pathlib import Path

import pytest
import yaml

from actupose.errors import UserError
from actupose.params import check_params, load_params
from actupose.params.origins import changed_keys
from actupose.params.overlay import (
    BASE,
    apply_setting,
    base_tree,
    lay_over,
    lay_preset,
    merges,
    preset_path,
    starting_tree,
)

ROOT = Path(__file__).parents[2]
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))


@pytest.fixture(autouse=True)
def _project(monkeypatch):
    monkeypatch.chdir(ROOT)


def laid(tree, overlay):
    lay_over(tree, overlay)
    return tree


def test_the_committed_settings_are_the_base():
    assert (ROOT / "params.yaml").read_bytes() == BASE.read_bytes()


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_is_valid_and_holds_nothing_that_is_the_bases(path):
    tree, _ = starting_tree(path.stem)
    check_params(tree, path.name)
    held = set(changed_keys({}, yaml.safe_load(path.read_text()) or {}))
    assert held == set(changed_keys(base_tree(), tree))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_begins_with_what_it_is_for_and_its_command(path):
    header = [line for line in path.read_text().split("\n\n")[0].splitlines() if line.startswith("#")]
    assert any(f"--preset {path.stem}" in line for line in header)


@pytest.mark.parametrize(
    ("below", "above", "merged"),
    [
        ({"a": 1, "b": 2}, {"b": 3, "c": 4}, {"a": 1, "b": 3, "c": 4}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 3}}}, {"a": {"b": {"c": 3, "d": 2}}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1}}, {"a": None}, {"a": None}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": {"b": 1}}, {"a": {}}, {"a": {"b": 1}}),
        ({"a": 1}, {}, {"a": 1}),
    ],
)
def test_mappings_merge_and_anything_else_replaces(below, above, merged):
    assert laid(below, above) == merged


def test_another_corpus_replaces_the_one_below_as_a_whole():
    lsp = {"corpus": "lsp", "root": "data/lsp", "split": "all"}
    tree = laid(base_tree(), {"data": {"target": lsp}})
    assert tree["data"]["target"] == lsp
    assert tree["data"]["source"] == base_tree()["data"]["source"]


def test_the_same_corpus_merges_whether_it_is_named_or_not():
    for name in ({}, {"corpus": "figures"}):
        target = laid(base_tree(), {"data": {"target": name | {"seed": 7}}})["data"]["target"]
        assert target == base_tree()["data"]["target"] | {"seed": 7}


def test_a_word_for_a_kind_that_has_the_keys_of_every_other_replaces_nothing():
    udape = laid(base_tree(), {"methods": {"udape": {"style": {"kind": "fourier"}}}})["methods"]["udape"]
    assert udape["style"] == base_tree()["methods"]["udape"]["style"] | {"kind": "fourier"}


def test_another_kind_of_method_or_curriculum_replaces_what_was_there():
    plain = {"kind": "supervised", "curriculum": {"name": "uniform"}}
    other = {"name": "progressive", "num_bins": 25}
    methods = {"udape": plain, "actupose": {"curriculum": other}}
    laid_methods = laid(base_tree(), {"methods": methods})["methods"]
    assert laid_methods["udape"] == plain
    below = base_tree()["methods"]["actupose"]
    assert laid_methods["actupose"] == below | {"curriculum": other}


@pytest.mark.parametrize("name", ["imagenet", None, ["lsp"], {"figures": 1}, 3])
def test_what_is_no_name_of_a_corpus_is_another_one(name):
    assert not merges({"corpus": "figures"}, {"corpus": name})


def test_aliases_are_resolved(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "augment: {student: &view {rotation: 60}, teacher: {<<: *view, color: 0.1}}\n"
        "data:\n  source: &lsp {corpus: lsp, root: a, split: all}\n  target: *lsp\n"
    )
    tree = base_tree()
    lay_preset(tree, path)
    assert (tree["augment"]["teacher"]["rotation"], tree["augment"]["teacher"]["color"]) == (60, 0.1)
    apply_setting(tree, "data.source.root=b")
    assert (tree["data"]["source"]["root"], tree["data"]["target"]["root"]) == ("b", "a")


@pytest.mark.parametrize("name", ["mine.yaml", "mine.yml", "./mine", "deep/mine"])
def test_a_preset_may_lie_anywhere(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("schedule: {epochs: 33}\n")
    for given in (name, str(path)):
        assert check_params(starting_tree(given)[0], "mine").schedule.epochs == 33


def test_a_complete_file_is_an_overlay_too(tmp_path):
    path = tmp_path / "complete.yaml"
    path.write_text(yaml.safe_dump(starting_tree("surreal2lsp")[0]))
    assert starting_tree(str(path))[0] == starting_tree("surreal2lsp")[0]


def test_without_a_preset_the_settings_are_those_of_params_yaml(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(BASE.read_text().replace("epochs: 20", "epochs: 21"))
    tree, path = starting_tree(None)
    assert check_params(tree, "here") == load_params(path)
    assert tree["schedule"]["epochs"] == 21


def test_the_names_of_presets_are_told(tmp_path, monkeypatch):
    with pytest.raises(
        UserError, match=r"^--preset no-such: no such preset; there are coco2folder, figures, "
    ):
        preset_path("no-such")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^--preset figures: no such preset; there are none here; "):
        preset_path("figures")


@pytest.mark.parametrize("preset", ["", "no/such", "no-such.yaml", "presets/", "../params"])
def test_a_preset_that_is_not_there_is_one_line(preset):
    with pytest.raises(UserError, match=f"^--preset {preset}: no such preset; "):
        preset_path(preset)


def test_a_setting_replaces_a_mapping_as_a_whole():
    tree = base_tree()
    apply_setting(tree, "methods.udape.weights={udape: 2}")
    assert tree["methods"]["udape"]["weights"] == {"udape": 2}


def test_a_number_with_an_exponent_is_a_number():
    tree = base_tree()
    apply_setting(tree, "optim.lr=1e-4")
    assert tree["optim"]["lr"] == 1e-4


def test_the_package_ships_its_base():
    package_data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert BASE.name in package_data["actupose.params"]
