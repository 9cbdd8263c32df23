"""params.yaml for a run: a preset over the base, or the present file, with single values on top, checked."""

import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.representer import RoundTripRepresenter

from actupose.errors import UserError
from actupose.files import atomic_path
from actupose.layout import PARAMS
from actupose.params import Params, check_params, parse_tree
from actupose.params.overlay import BASE, apply_setting, lay_preset, preset_path
from actupose.params.tree import read_text


def merge_settings(preset: str | None, settings: Sequence[str]) -> tuple[str, Params]:
    """Text and checked tree of the merged params; comments of the base, or of params.yaml, stay.

    Raises:
        UserError: no such preset, a setting that is not ``key=value``, an unknown key, a bad value.
    """
    path = PARAMS if preset is None else preset_path(preset)
    text = read_text(path) if preset is None else _over_base(path)
    if settings:
        text = _with_settings(text, path, settings)
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


def _over_base(preset: Path) -> str:
    round_trip = _round_trip_yaml()
    tree = round_trip.load(read_text(BASE))
    lay_preset(tree, preset)
    # The empty line behind a section is part of its last mapping, and goes where that is replaced.
    return re.sub(r"(?m)^( .*\n)(?=\S)", r"\1\n", _dumped(round_trip, tree))


def _with_settings(text: str, path: Path, settings: Sequence[str]) -> str:
    round_trip = _round_trip_yaml()
    try:
        tree = round_trip.load(text)
    except YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    for setting in settings:
        apply_setting(tree, setting)
    return _dumped(round_trip, tree)


def _dumped(round_trip: YAML, tree: object) -> str:
    out = StringIO()
    round_trip.dump(tree, out)
    return out.getvalue()


def _round_trip_yaml() -> YAML:
    """Reader and writer that keep comments, quotes and the order of keys."""
    round_trip = YAML()
    round_trip.preserve_quotes = True
    round_trip.width = 110
    round_trip.Representer = _Representer
    return round_trip


class _Representer(RoundTripRepresenter):
    """Writes null as a word and a new list on one line; apart from ruamel's own, with which DVC writes."""


_Representer.add_representer(
    type(None), lambda writer, _none: writer.represent_scalar("tag:yaml.org,2002:null", "null")
)
_Representer.add_representer(
    list, lambda writer, values: writer.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)
)
