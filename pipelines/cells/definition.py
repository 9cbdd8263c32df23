"""What a sweep consists of: cells, each a set of values on top of the same settings."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from actupose.errors import UserError
from actupose.params import Params
from pipelines._settings import check_roots, merge_settings

SWEEPS = Path("sweeps")

CELL = "cell"  # the axis of cells that have names
_LONGEST_FOLDER = 120  # characters

Values = Annotated[list[Any], Field(min_length=1)]


class Sweep(BaseModel):
    """A file of ``sweeps/``, or the same from the command line: settings of every cell, and what varies.

    That is either ``axes``, values of each key (``one_at_a_time`` varies an axis while the others stay as the
    settings have them; ``grid`` is the product), or ``cells``, settings of each by its name. ``decision`` is
    what was concluded from the results: text below their table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str | None
    settings: dict[str, Any]
    vary: Literal["one_at_a_time", "grid"] | None = None
    axes: dict[str, Values] = {}
    cells: dict[str, dict[str, Any]] = {}
    decision: str = ""

    @model_validator(mode="after")
    def _something_varies(self) -> Self:
        if bool(self.axes) == bool(self.cells) or bool(self.axes) != bool(self.vary):
            raise ValueError("either vary and axes, or cells by name")
        return self

    @property
    def varied(self) -> dict[str, list[Any]]:
        """Values of each axis, or the names of the cells as those of one axis."""
        return self.axes or {CELL: list(self.cells)}


@dataclass(frozen=True)
class Cell:
    """One combination: the value of each varied key, on top of a preset (None: params.yaml) and settings.

    ``title`` is the name that a sweep's file gives it.
    """

    values: dict[str, Any]
    preset: str | None
    base: tuple[str, ...]
    title: str | None = None

    @property
    def name(self) -> str:
        """What it is called in tables and on disk."""
        return self.title or ",".join(_assignments(self.values))

    @property
    def place(self) -> dict[str, Any]:
        """Where it stands on each axis."""
        return {CELL: self.title} if self.title else self.values

    @property
    def folder(self) -> str:
        """The name, where it can be a folder's; else what is left of it, with a digest."""
        safe = re.sub(r"[^\w.,=+-]+", "_", self.name)
        if safe == self.name and len(safe) <= _LONGEST_FOLDER:
            return safe
        return f"{safe[:_LONGEST_FOLDER]}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"

    @cached_property
    def merged(self) -> tuple[str, Params]:
        """Text and checked tree of its params, as the project's files are at the first call."""
        return merge_settings(self.preset, self.settings)

    @property
    def settings(self) -> list[str]:
        """``key=value`` of everything that is set."""
        return [*self.base, *_assignments(self.values)]


def read_sweep(name: str) -> Sweep:
    """Definition by the name of its file.

    Raises:
        UserError: there is no such file, or it is not a sweep's.
    """
    path = SWEEPS / f"{name}.yaml"
    known = sorted(found.stem for found in SWEEPS.glob("*.yaml"))
    if name not in known:
        raise UserError(f"no sweep {name}; there are {', '.join(known) or 'none'} in {SWEEPS}/")
    try:
        return Sweep.model_validate(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(": ".join(filter(None, (str(path), place, first["msg"])))) from None


def parse_axes(axes: Sequence[str]) -> dict[str, list[Any]]:
    """Axes from ``key=value,value,...``; the values are those of a YAML list without its brackets.

    Raises:
        UserError: not of that form, or a key twice.
    """
    parsed: dict[str, list[Any]] = {}
    for axis in axes:
        key, equals, text = axis.partition("=")
        try:
            values = yaml.safe_load(f"[{text}]")
        except yaml.YAMLError:
            values = None
        if not equals or not key or not values:
            raise UserError(
                f"--axis {axis}: write key=value,value,...; a value may be a list: train.seeds=[0],[1]"
            )
        if key in parsed:
            raise UserError(f"--axis {axis}: {key} is an axis already")
        parsed[key] = values
    return parsed


def sweep_cells(sweep: Sweep, settings: Sequence[str]) -> list[Cell]:
    """All cells in the order of the axes; ``settings`` go on top of the sweep's.

    Raises:
        UserError: a cell is there twice, or has an unknown key, a bad value, a missing data folder.
    """
    base = (*_assignments(sweep.settings), *settings)
    if sweep.cells:
        cells = [Cell(values, sweep.preset, base, title) for title, values in sweep.cells.items()]
    else:
        combinations = _grid(sweep.axes) if sweep.vary == "grid" else _one_at_a_time(sweep.axes)
        cells = [Cell(values, sweep.preset, base) for values in combinations]
    names = [cell.name for cell in cells]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"the sweep has the cell {repeated} twice: name every value of an axis once")
    for cell in cells:  # a mistake in any of them shows before the first one runs
        check_roots(cell.merged[1])
    return cells


def _grid(axes: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _one_at_a_time(axes: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for key, values in axes.items():
        for value in values:
            yield {key: value}


def _assignments(values: dict[str, Any]) -> list[str]:
    """``key=value`` as ``--set`` takes it."""
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]
