import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import dump_yaml

from actupose.errors import UserError
from actupose.params import Params, check_params
from actupose.params.overlay import BASE, starting_tree
from pipelines._settings import check_roots, merge_settings, write_params

ROOT = Path(__file__).parents[2]
PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "presets").symlink_to(ROOT / "presets")
    monkeypatch.chdir(tmp_path)


def keys(tree: Any, prefix: str = "") -> set[str]:
    if not isinstance(tree, dict):
        return {prefix}
    return {key for name, value in tree.items() for key in keys(value, f"{prefix}.{name}")}


@pytest.mark.parametrize("preset", PRESETS)
def test_the_written_file_names_exactly_the_keys_of_the_model(preset: str) -> None:
    text, params = merge_settings(preset, [])
    assert keys(params.model_dump(mode="json")) == keys(yaml.safe_load(text))


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_written_of_a_preset_is_the_base_with_the_preset_over_it(preset: str) -> None:
    assert yaml.safe_load(merge_settings(preset, [])[0]) == starting_tree(preset)[0]


@pytest.mark.parametrize("preset", PRESETS)
def test_comments_and_empty_lines_of_the_base_survive_a_preset(preset: str) -> None:
    base, written = (text.splitlines() for text in (BASE.read_text(), merge_settings(preset, [])[0]))
    assert written[:3] == base[:3]
    assert written.count("") == base.count("")
    comments = {line.partition("#")[2] for line in base}
    of_replaced = {
        " the code that draws them: DVC renders again when it changes",
        " everyday, moderate, rare: long-tailed",
    }
    assert comments - {line.partition("#")[2] for line in written} <= of_replaced


def test_the_demo_is_a_preset_too() -> None:
    assert merge_settings("figures", [])[0] == BASE.read_text()


def test_a_preset_forgets_what_params_yaml_had_and_settings_go_on_top() -> None:
    write_params(merge_settings(None, ["vae.seed=7"])[0])
    settings = ["data.source.root=/data/surreal", "schedule.epochs=40", "train.seeds=[0, 1]", "optim.lr=1e-4"]
    text, params = merge_settings("surreal2lsp-small", settings)
    assert (params.data.source.corpus, params.data.source.root) == ("surreal", Path("/data/surreal"))
    assert (params.schedule.epochs, params.train.seeds, params.optim.lr) == (40, (0, 1), 1e-4)
    assert params.vae.seed == yaml.safe_load(text)["vae"]["seed"] == 0


def test_a_preset_of_ones_own_may_lie_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere/mine.yaml"
    path.parent.mkdir()
    path.write_text("train: {methods: &some [udape, actupose], seeds: [0, 1]}\n")
    text, params = merge_settings(str(path), [])
    assert (params.train.methods, params.train.seeds) == (("udape", "actupose"), (0, 1))
    assert text == BASE.read_text().replace("[source_only, udape, actupose]", "[udape, actupose]").replace(
        "  seeds: [0]", "  seeds: [0, 1]"
    )


def test_dvc_still_writes_its_own_files_in_its_own_way(tmp_path: Path) -> None:
    dump_yaml(tmp_path / "dvc.lock", {"deps": [{"path": "a", "hash": None}]})
    assert (tmp_path / "dvc.lock").read_text() == "deps:\n- path: a\n  hash:\n"


def test_only_the_set_line_of_the_file_changes() -> None:
    before = (ROOT / "params.yaml").read_text().splitlines()
    after = merge_settings(None, ["schedule.epochs=30"])[0].splitlines()
    assert [new for old, new in zip(before, after, strict=True) if old != new] == ["  epochs: 30"]


def test_a_union_is_replaced_as_a_whole() -> None:
    _, params = merge_settings(
        None, ["data.target={corpus: folder, root: /photos, test_fraction: 0.2, seed: 0}"]
    )
    assert params.data.target.corpus == "folder"


@pytest.mark.parametrize(
    ("preset", "setting", "says"),
    [
        (None, "schedule.epoch=3", "schedule.epoch: unknown key"),
        (None, "shedule.epochs=3", "unknown key shedule.epochs"),
        (None, "schedule.epochs.more=3", "unknown key schedule.epochs.more"),
        (None, "schedule.epochs=many", "schedule.epochs = 'many'"),
        (None, "schedule.epochs=", "schedule.epochs = None"),
        (None, "schedule.epochs=[1", "not a YAML value"),
        (None, "train@udape-0", "write key=value"),
        ("no-such", "schedule.epochs=3", "--preset no-such: no such preset; there are coco2folder"),
        ("../params", "schedule.epochs=3", "no such preset"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(preset: str | None, setting: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        merge_settings(preset, [setting])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_params_are_not_touched_when_nothing_changes() -> None:
    path = Path("params.yaml")
    os.utime(path, (1, 1))
    write_params(merge_settings(None, [])[0])
    assert path.stat().st_mtime == 1
    write_params(merge_settings(None, ["schedule.epochs=21"])[0])
    assert "epochs: 21" in path.read_text()


def test_fields_have_no_defaults() -> None:
    with pytest.raises(UserError, match="key is missing"):
        check_params({}, "empty")
    assert all(field.is_required() for field in Params.model_fields.values())


def test_a_data_folder_that_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    _, params = merge_settings(
        None, [f"data.source.root={tmp_path}", f"data.target.root={tmp_path / 'gone'}"]
    )
    with pytest.raises(UserError, match=r"data\.target\.root = .*gone: no such folder; name it with --set"):
        check_roots(params)


@pytest.mark.parametrize("settings", [[], ["vae.seed=1"]])
def test_a_key_that_stands_twice_is_refused_with_and_without_settings_on_top(settings: list[str]) -> None:
    text = (ROOT / "params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("  lr: 0.001\n", "  lr: 0.001\n  lr: 0.002\n", 1))
    with pytest.raises(UserError, match=r"^params.yaml: not valid YAML: .*key"):
        merge_settings(None, settings)
