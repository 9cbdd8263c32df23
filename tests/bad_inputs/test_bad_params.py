"""Files of settings that are damaged as files; bad values are in the tests of the settings."""

import pytest
import yaml
from spoilt import as_folder, assert_says, holding, line_of, without
from tiny_domains import tiny_tree

from actupose.params import load_params

FILE = "params.yaml"
GOOD = yaml.safe_dump(tiny_tree())


def text(content):
    return holding(FILE, content)


def appended(line):
    return holding(FILE, f"{GOOD}{line}\n")


def replaced(line, other):
    assert line in GOOD
    return holding(FILE, GOOD.replace(line, other))


def told(fault):
    return "{root}/params.yaml: " + fault


NO_TREE = told("Input should be a valid dictionary or instance of Params")
NO_YAML = told("not valid YAML: ...")

BAD = {
    "not there": (without(FILE), told("no such file; run from the project's root")),
    "a folder": (as_folder(FILE), told("Is a directory")),
    "no bytes": (text(b""), NO_TREE),
    "a list": (text("- data\n"), NO_TREE),
    "not UTF-8": (text(b"data: \xff\xfe"), NO_YAML),
    "a null byte": (text("data: \0"), NO_YAML),
    "a bracket that stays open": (text("data: ["), NO_YAML),
    "a tab": (text("data:\n\tskeleton: body16\n"), NO_YAML),
    "too deep": (text("[" * 20_000), NO_YAML),
    "code to run": (text("data: !!python/object/apply:os.getcwd []"), NO_YAML),
    "a day in month 13": (appended("day: 2024-13-01"), told("not valid YAML: month must be in 1..12")),
    "a number of 5000 digits": (appended(f"epochs: {'9' * 5000}"), NO_YAML),
    "a key that is a list": (text("? [data]\n: 1"), NO_YAML),
    "a section twice": (appended("vae: {}"), told("not valid YAML: key vae stands twice")),
    "a key twice": (
        replaced("  target: 6\n", "  target: 6\n  target: 7\n"),
        told("not valid YAML: key target stands twice"),
    ),
    "an unknown key of two lines": (appended('"a\\nb": 1'), told("a\\nb: unknown key")),
    "a value that holds itself": (
        replaced("  decode: dark", "  decode: &all [*all]"),
        told("heatmap.decode: Input should be 'argmax', 'quarter' or 'dark'"),
    ),
    "a value of a million letters": (
        replaced("  decode: dark", f"  decode: {'a' * 1_000_000}"),
        told(f"heatmap.decode = '{'a' * 79}...: Input should be 'argmax', 'quarter' or 'dark'"),
    ),
    "a hexadecimal number beyond all decimals": (
        replaced("  decode: dark", f"  decode: 0x{'f' * 6000}"),
        told("heatmap.decode = a very long number: Input should be 'argmax', 'quarter' or 'dark'"),
    ),
    "nine lists of nine lists, nine times": (
        appended(
            "bomb0: &l0 [x]\n"
            + "\n".join(f"bomb{n + 1}: &l{n + 1} [{', '.join([f'*l{n}'] * 9)}]" for n in range(9))
        ),
        told("bomb0: unknown key (and 9 more)"),
    ),
    "an infinite rate": (
        replaced("  lr: 0.003\n", "  lr: .inf\n"),
        told("optim.lr = inf: Input should be a finite number"),
    ),
    "a value of a method that is a key's value too": (
        replaced("    gate: global\n", "    gate: own\n"),
        told("methods.actupose.gate = 'own': Input should be 'global' or 'per_keypoint' (and ..."),
    ),
    "a negative seed": (
        replaced("  seeds:\n  - 0\n", "  seeds: [0, -1]\n"),
        told("train.seeds.1 = -1: Input should be greater than or equal to 0"),
    ),
}


@pytest.mark.parametrize(("spoil", "says"), BAD.values(), ids=BAD)
def test_a_bad_file_of_settings_is_one_line(spoil, says, tmp_path, capsys):
    (tmp_path / FILE).write_text(GOOD)
    load_params(tmp_path / FILE)
    spoil(tmp_path)
    assert_says(line_of(lambda: load_params(tmp_path / FILE), capsys), says.format(root=tmp_path))
