"""Presets are overlays: each holds only what it changes of ``base.yaml``, which has every setting."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from actupose.errors import UserError
from actupose.layout import PARAMS
from actupose.params.tree import Params, parse_tree, read_text

BASE = Path(__file__).with_name("base.yaml")
PRESETS = Path("presets")

Tree = dict[str, Any]


def preset_path(preset: str) -> Path:
    """File of a preset: of the one with that name in ``presets``, or wherever a path leads.

    Raises:
        UserError: there is no such file.
    """
    is_path = "/" in preset or preset.endswith((".yaml", ".yml"))
    path = Path(preset) if is_path else PRESETS / f"{preset}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in PRESETS.glob("*.yaml"))) or "none here"
        raise UserError(f"--preset {preset}: no such preset; there are {known}; or give the path of yours")
    return path


def base_tree() -> Tree:
    """The base, a new tree at every call."""
    return _read_mapping(BASE)


def starting_tree(preset: str | None) -> tuple[Tree, Path]:
    """What a run's settings start from, unchecked, and its file: the base under a preset, or params.yaml.

    Raises:
        UserError: no such file, or not YAML.
    """
    if preset is None:
        return _read_mapping(PARAMS), PARAMS
    tree, path = base_tree(), preset_path(preset)
    lay_preset(tree, path)
    return tree, path


def lay_preset(tree: Tree, path: Path) -> None:
    """Lay what the file holds over the tree, in place; a file of comments alone changes nothing.

    Raises:
        UserError: the file is not a preset's.
    """
    try:
        lay_over(tree, _read_mapping(path))
    except RecursionError:
        raise UserError(f"{path}: a value holds itself") from None


def lay_over(tree: Tree, overlay: Tree) -> None:
    """Lay an overlay over a tree, in place.

    Mappings merge key by key. Anything else replaces what is below it: a list as a whole, ``null`` too. So
    does a mapping of another kind than the one below, such as the settings of another corpus: it has other
    keys, and names all of them. What the tree gets is its own: aliases in the overlay share nothing there.
    """
    for key, value in overlay.items():
        if not isinstance(value, dict):
            tree[key] = value
            continue
        if not merges(tree.get(key), value):
            tree[key] = {}
        lay_over(tree[key], value)


def merges(below: object, above: object) -> bool:
    """Whether the two are mappings of one kind: where one says which it is, the other does not differ."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return False
    kinds = [(key, below[key]) for key, names in _kinds() if below.get(key) in names]
    return all(above.get(key, kind) == kind for key, kind in kinds)


def apply_setting(tree: Any, setting: str) -> None:  # noqa: ANN401 - nested YAML
    """Set one dotted key; whether the key may be there is for the check of the whole tree to say.

    Raises:
        UserError: not ``key=value``, no such section, or a value that is not YAML.
    """
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise UserError(f"--set {setting}: write key=value; stages go before --set")
    *parents, last = key.split(".")
    for parent in parents:
        tree = tree.get(parent) if isinstance(tree, dict) else None
    if not isinstance(tree, dict):
        raise UserError(f"--set {setting}: unknown key {key}")
    try:
        tree[last] = YAML(typ="safe", pure=True).load(text)  # unlike PyYAML it takes 1e-4 for a number
    except (YAMLError, ValueError) as error:
        raise UserError(f"--set {setting}: not a YAML value: {' '.join(str(error).split())}") from None


def _read_mapping(path: Path) -> Tree:
    tree = parse_tree(read_text(path), str(path))
    if not isinstance(tree, dict | None):
        raise UserError(f"{path}: no settings; write key: value, as in params.yaml")
    return tree or {}


@cache
def _kinds() -> list[tuple[str, tuple[str, ...]]]:
    """Keys that say which of several sets of keys a section has, each with its values."""
    return list(_unions(Params.model_json_schema()))


def _unions(schema: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(schema, dict):
        if "mapping" in schema and "propertyName" in schema:
            yield schema["propertyName"], tuple(schema["mapping"])
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _unions(part)
