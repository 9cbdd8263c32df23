"""params.yaml for a run: a preset or the present file with single values on top, checked before written."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from actupose.errors import UserError
from actupose.files import atomic_path
from actupose.layout import PARAMS
from actupose.params import Params, check_params, parse_tree

PRESETS = Path("presets")


def merge_settings(preset: str | None, settings: Sequence[str]) -> tuple[str, Params]:
    """Text and checked tree of the merged params; comments stay.

    Raises:
        UserError: no such preset, a setting that is not ``key=value``, an unknown key, a bad value.
    """
    path = PARAMS if preset is None else _preset_path(preset)
    if not path.exists():
        raise UserError(f"{path}: no such file; run from the project's root")
    text = _with_settings(path, settings) if settings else path.read_text()
    tree = parse_tree(text, str(path))  # as the stages read it
    return text, check_params(tree, " + ".join([str(path), *settings]))


def check_roots(params: Params) -> None:
    """Refuse a missing data folder: DVC would too, but later and without the key.

    Raises:
        UserError: a root is not a folder.
    """
    for domain, root in missing_roots(params):
        raise UserError(f"data.{domain}.root = {root}: no such folder; name it with --set")


def missing_roots(params: Params) -> list[tuple[str, Path]]:
    """Domains whose data folder is not there."""
    domains = {"source": params.data.source, "target": params.data.target}
    return [(name, corpus.root) for name, corpus in domains.items() if not corpus.root.is_dir()]


def write_params(text: str) -> None:
    """Replace params.yaml if it differs."""
    if PARAMS.exists() and PARAMS.read_text() == text:
        return
    with atomic_path(PARAMS) as temporary:
        temporary.write_text(text)


def _preset_path(name: str) -> Path:
    path = PRESETS / f"{name}.yaml"
    known = sorted(found.stem for found in PRESETS.glob("*.yaml"))
    if name not in known:
        raise UserError(f"--preset {name}: no such preset; there are {', '.join(known)}")
    return path


def _with_settings(path: Path, settings: Sequence[str]) -> str:
    round_trip = _round_trip_yaml()
    try:
        tree = round_trip.load(path.read_text())
    except YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    for setting in settings:
        _set(tree, setting, round_trip)
    out = StringIO()
    round_trip.dump(tree, out)
    return out.getvalue()


def _round_trip_yaml() -> YAML:
    """Reader and writer that keep comments, quotes and the order of keys."""
    round_trip = YAML()
    round_trip.preserve_quotes = True
    round_trip.width = 110
    round_trip.representer.add_representer(
        type(None), lambda representer, _none: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return round_trip


def _set(tree: Any, setting: str, reader: YAML) -> None:  # noqa: ANN401 - nested YAML
    """Set one dotted key; whether the key may be there is for the check of the whole tree to say."""
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise UserError(f"--set {setting}: write key=value; stages go before --set")
    *parents, last = key.split(".")
    for parent in parents:
        if not isinstance(tree, dict) or parent not in tree:
            raise UserError(f"--set {setting}: unknown key {key}")
        tree = tree[parent]
    if not isinstance(tree, dict):
        raise UserError(f"--set {setting}: unknown key {key}")
    try:
        tree[last] = reader.load(text) if text else None
    except YAMLError as error:
        raise UserError(f"--set {setting}: not a YAML value: {' '.join(str(error).split())}") from None
