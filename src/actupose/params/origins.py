"""Where values of a merged tree come from, and the tree as YAML that says so."""

import sys
from collections.abc import Iterator, Mapping

import yaml

from actupose.params.overlay import Tree, merges

Key = tuple[str, ...]

_NOTHING = object()  # unlike None, no file can hold it


def changed_keys(before: object, after: object, key: Key = ()) -> Iterator[Key]:
    """Keys of the values that ``after`` does not have from ``before``."""
    if not isinstance(after, dict) or not after:
        if after != before:
            yield key
        return
    below = before if isinstance(before, dict) and merges(before, after) else {}
    for name, value in after.items():
        yield from changed_keys(below.get(name, _NOTHING), value, (*key, name))


def annotated_lines(tree: Tree, origins: Mapping[Key, str], section: Key = ()) -> Iterator[str]:
    """YAML of the tree, a value a line; its origin is behind it where it has one."""
    for name, value in tree.items():
        key = (*section, name)
        start = f"{'  ' * len(section)}{_plain(name)}:"
        if isinstance(value, dict) and value:
            yield start
            yield from annotated_lines(value, origins, key)
        else:
            yield f"{start} {_plain(value)}" + (f"  # {origins[key]}" if key in origins else "")


def _plain(value: object) -> str:
    """A value of YAML within one line: a list of it, without the brackets."""
    return yaml.safe_dump([value], default_flow_style=True, width=sys.maxsize, allow_unicode=True)[1:-2]
