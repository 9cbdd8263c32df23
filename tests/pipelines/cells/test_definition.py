from pathlib import Path
from typing import Any

import pytest
import yaml

from actupose.errors import UserError
from pipelines.cells.definition import Cell, Sweep, parse_axes, read_sweep, sweep_cells

ROOT = Path(__file__).parents[3]


def definition(axes: dict[str, list[Any]], vary: str = "grid") -> Sweep:
    return Sweep.model_validate({"preset": None, "settings": {}, "vary": vary, "axes": axes})


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_axes_are_yaml_lists_without_brackets() -> None:
    assert parse_axes(
        ["methods.actupose.curriculum.pace=1.0,2", "train.seeds=[0],[1, 2]", "style.kind=none,adain"]
    ) == {
        "methods.actupose.curriculum.pace": [1.0, 2],
        "train.seeds": [[0], [1, 2]],
        "style.kind": ["none", "adain"],
    }


@pytest.mark.parametrize(
    "axis",
    ["methods.actupose.curriculum.pace", "methods.actupose.curriculum.pace=", "=1", "train.seeds=[0", "a=]["],
)
def test_an_axis_of_another_form_is_one_line(axis: str) -> None:
    with pytest.raises(UserError, match="write key=value,value"):
        parse_axes([axis])


def test_a_key_is_one_axis() -> None:
    with pytest.raises(UserError, match=r"methods.actupose.curriculum.pace is an axis already"):
        parse_axes(["methods.actupose.curriculum.pace=1.0", "methods.actupose.curriculum.pace=2.0"])


def test_one_at_a_time_varies_no_two_keys_together() -> None:
    axes = {"methods.actupose.curriculum.pace": [1.0, 3.0], "methods.actupose.curriculum.sigma": [0.1, 0.5]}
    assert [cell.name for cell in sweep_cells(definition(axes, "one_at_a_time"), [])] == [
        "methods.actupose.curriculum.pace=1.0",
        "methods.actupose.curriculum.pace=3.0",
        "methods.actupose.curriculum.sigma=0.1",
        "methods.actupose.curriculum.sigma=0.5",
    ]


def test_any_setting_can_be_an_axis() -> None:
    axes = {"train.methods": [["udape"], ["actupose"]], "methods.actupose.weights.evalpose": [0.0, 1.0]}
    cells = sweep_cells(definition(axes), ["train.seeds=[3]"])
    params = [cell.merged[1] for cell in cells]
    assert [(p.train.methods, p.methods["actupose"].weights.evalpose) for p in params] == [
        (("udape",), 0.0), (("udape",), 1.0), (("actupose",), 0.0), (("actupose",), 1.0),
    ]  # fmt: skip
    assert all(p.train.seeds == (3,) for p in params)


def test_a_value_twice_is_one_line() -> None:
    with pytest.raises(UserError, match=r"the cell methods.actupose.curriculum.pace=1.0 twice"):
        sweep_cells(definition({"methods.actupose.curriculum.pace": [1.0, 1.0]}), [])


def test_cells_have_folders_of_their_own_whatever_their_values() -> None:
    values = ["/data/a", "/data:a", "x" * 300, "x" * 301]
    folders = {Cell({"data.source.root": value}, None, ()).folder for value in values}
    assert len(folders) == 4
    assert all(len(folder) < 200 and not set(folder) & set('/:" ') for folder in folders)
    assert (
        Cell({"methods.actupose.curriculum.pace": 1.0}, None, ()).folder
        == "methods.actupose.curriculum.pace=1.0"
    )


def test_a_file_that_is_no_sweep_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps/x.yaml").write_text(yaml.safe_dump({"axes": {}, "vary": "all"}))
    with pytest.raises(UserError, match=r"sweeps/x.yaml: preset: Field required"):
        read_sweep("x")


def test_cells_are_on_top_of_a_preset_that_lies_anywhere(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("vae: {seed: 3}\n")
    mine = {"preset": str(tmp_path / "mine.yaml"), "settings": {"vae.lr": 0.01}, "vary": "grid"}
    cells = sweep_cells(Sweep.model_validate(mine | {"axes": {"vae.latent": [2, 4]}}), [])
    vaes = [cell.merged[1].vae for cell in cells]
    assert [(vae.seed, vae.lr, vae.latent) for vae in vaes] == [(3, 0.01, 2), (3, 0.01, 4)]


def test_cells_may_have_names_and_settings_of_their_own() -> None:
    sweep = Sweep.model_validate(
        {
            "preset": None,
            "settings": {"train.methods": ["actupose"]},
            "cells": {"published": {}, "no losses": {"methods.actupose.weights.evalpose": 0.0}},
        }
    )
    published, plain = sweep_cells(sweep, ["train.seeds=[3]"])
    assert (published.name, plain.name, plain.folder[:10]) == ("published", "no losses", "no_losses-")
    assert plain.place == {"cell": "no losses"}
    weights = [cell.merged[1].methods["actupose"].weights.evalpose for cell in (published, plain)]
    assert weights == [0.1, 0.0]
    assert sweep.varied == {"cell": ["published", "no losses"]}


@pytest.mark.parametrize(
    "varied",
    [
        {},
        {"vary": "grid"},
        {"axes": {"train.seeds": [[0]]}},
        {"vary": "grid", "axes": {"train.seeds": [[0]]}, "cells": {"a": {}}},
        {"vary": "grid", "cells": {"a": {}}},
    ],
    ids=str,
)
def test_a_sweep_has_either_axes_or_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, varied: Any
) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "x.yaml").write_text(yaml.safe_dump({"preset": None, "settings": {}} | varied))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"sweeps/x.yaml: .*either vary and axes, or cells by name"):
        read_sweep("x")
