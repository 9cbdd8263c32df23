"""Which settings a stage's code really reads, key by key of params.yaml."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from actupose.params import Params, Settings, tree

NO_COMPUTATION = ("tracking", "actupose.report")  # MLflow is told of settings, a report shows them


@contextmanager
def recorded_reads() -> Iterator[set[str]]:
    """Dotted keys of values that are read meanwhile, checks of the tree and tracking apart."""
    keys: set[str] = set()
    read: dict[tuple[int, str], Settings] = {}
    plain_get, plain_check = Settings.__getattribute__, tree.check_params
    checking = []

    def get(self, name):
        value = plain_get(self, name)
        if not checking and name in type(self).model_fields and not _is_for_others():
            read[id(self), name] = self
        return value

    def check(*arguments):
        checking.append(True)
        try:
            return plain_check(*arguments)
        finally:
            checking.pop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Settings, "__getattribute__", get)
        patch.setattr(tree, "check_params", check)
        yield keys
    (root,) = {id(section): section for section in read.values() if isinstance(section, Params)}.values()
    places = dict(_places(root))
    keys.update(places[section] + name for section, name in read if section in places)
    keys.difference_update({place.rstrip(".") for place in places.values()})  # sections are no values


def leaves(node: object, prefix: str = "") -> Iterator[str]:
    """Dotted keys of all values of a plain tree."""
    if not isinstance(node, dict):
        yield prefix
        return
    for key, below in node.items():
        yield from leaves(below, f"{prefix}.{key}" if prefix else key)


def _is_for_others() -> bool:
    frame = sys._getframe(2)
    while frame:
        if frame.f_globals.get("__name__", "").startswith(NO_COMPUTATION):
            return True
        frame = frame.f_back
    return False


def _places(section: Settings, prefix: str = "") -> Iterator[tuple[int, str]]:
    yield id(section), prefix
    for name, value in section.__dict__.items():
        named = value.items() if isinstance(value, dict) else [("", value)]
        for key, below in named:
            if isinstance(below, Settings):
                yield from _places(below, f"{prefix}{name}.{key}." if key else f"{prefix}{name}.")
