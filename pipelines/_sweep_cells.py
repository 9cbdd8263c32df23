"""What a sweep consists of: cells, each a set of values on top of the same settings."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from actupose.errors import UserError

SWEEPS = Path("sweeps")

Values = Annotated[list[Any], Field(min_length=1)]


class Sweep(BaseModel):
    """A file of ``sweeps/``: settings of every cell, and the values of each axis.

    ``one_at_a_time`` varies an axis while the others stay as the settings have them; ``grid`` is the product.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str | None
    settings: dict[str, Any]
    vary: Literal["one_at_a_time", "grid"]
    axes: Annotated[dict[str, Values], Field(min_length=1)]


@dataclass(frozen=True)
class Cell:
    """One combination: the value of each varied key, on top of a preset (None: params.yaml) and settings."""

    values: dict[str, Any]
    preset: str | None
    base: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called in tables and on disk."""
        return ",".join(_assignments(self.values))

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
        raise UserError(f"{path}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None


def sweep_cells(sweep: Sweep, settings: Sequence[str]) -> list[Cell]:
    """All cells in the order of the file; ``settings`` go on top of the file's."""
    base = (*_assignments(sweep.settings), *settings)
    combinations = _grid(sweep.axes) if sweep.vary == "grid" else _one_at_a_time(sweep.axes)
    return [Cell(values, sweep.preset, base) for values in combinations]


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
