"""Presets that are damaged as files, or hold what settings do not have."""

import pytest
from spoilt import as_folder, assert_says, holding, line_of, without

from pipelines._settings import merge_settings

FILE = "mine.yaml"
GOOD = "schedule: {epochs: 30}\n"


def text(content):
    return holding(FILE, content)


def told(fault):
    return "{root}/mine.yaml: " + fault


NO_PRESET = "--preset {root}/mine.yaml: no such preset; ..."
NO_YAML = told("not valid YAML: ...")
NO_SETTINGS = told("no settings; write key: value, as in params.yaml")

BAD = {
    "not there": (without(FILE), NO_PRESET),
    "a folder": (as_folder(FILE), NO_PRESET),
    "a list": (text("- schedule\n"), NO_SETTINGS),
    "a word": (text("surreal2lsp"), NO_SETTINGS),
    "not UTF-8": (text(b"data: \xff\xfe"), NO_YAML),
    "a null byte": (text("data: \0"), NO_YAML),
    "a bracket that stays open": (text("data: ["), NO_YAML),
    "code to run": (text("data: !!python/object/apply:os.getcwd []"), NO_YAML),
    "a key twice": (
        text("schedule: {epochs: 30, epochs: 31}"),
        told("not valid YAML: key epochs stands twice"),
    ),
    "an unknown section": (text("shedule: {epochs: 30}"), told("shedule: unknown key")),
    "an unknown key": (text("schedule: {epoch: 30}"), told("schedule.epoch: unknown key")),
    "an unknown key of two lines": (text('"a\\nb": 1'), told("a\\nb: unknown key")),
    "a bad value": (text("schedule: {epochs: many}"), told("schedule.epochs = 'many': Input should be ...")),
    "a section that is null": (text("schedule: null"), told("schedule = None: Input should be ...")),
    "a value that is a section": (text("schedule: {epochs: {more: 1}}"), told("schedule.epochs: Input ...")),
    "a corpus without its keys": (
        text("data: {target: {corpus: lsp, root: lsp}}"),
        told("data.target.split: key is missing"),
    ),
    "an unknown corpus": (
        text("data: {target: {corpus: imagenet}}"),
        told("data.target: Input tag 'imagenet' ..."),
    ),
    "a section that holds itself": (text("schedule: &all {epochs: *all}"), told("a value holds itself")),
    "a list that holds itself": (
        text("train: {seeds: &all [*all]}"),
        told("train.seeds.0..."),
    ),
}


@pytest.mark.parametrize("settings", [[], ["vae.seed=1"]], ids=["alone", "with a setting"])
@pytest.mark.parametrize(("spoil", "says"), BAD.values(), ids=BAD)
def test_a_bad_preset_is_one_line(spoil, says, settings, tmp_path, capsys):
    path = tmp_path / FILE
    path.write_text(GOOD)
    merge_settings(str(path), settings)
    spoil(tmp_path)
    line = line_of(lambda: merge_settings(str(path), settings), capsys)
    assert_says(line.replace(" + vae.seed=1", ""), says.format(root=tmp_path))
