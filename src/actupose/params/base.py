"""What every section of the settings shares: the base class and ranges of values."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def ascending(ends: tuple[float, float]) -> tuple[float, float]:
    """Refuse a range whose lower end is above its upper."""
    if ends[0] > ends[1]:
        raise ValueError(f"the lower end comes first, not [{ends[0]:g}, {ends[1]:g}]")
    return ends


Range = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(ascending)]
PositiveFraction = Annotated[float, Field(gt=0, le=1)]
AreaRange = Annotated[tuple[PositiveFraction, PositiveFraction], AfterValidator(ascending)]


Fidelity = Literal["corrected", "reference"]

LONGEST_SHOWN = 80


class Settings(BaseModel):
    """Base of every section: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def describe(error: ValidationError, tree: object = None) -> str:
    """First complaint about a tree as ``key = value: what is allowed``, and how many more there are."""
    first, *rest = error.errors(include_url=False)
    key = ".".join(_keys(first["loc"], tree))
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        line = f"{key}: key is missing"
    elif first["type"] == "extra_forbidden":
        line = f"{key}: unknown key"
    elif not key:
        line = message
    elif isinstance(first["input"], dict | list | tuple | BaseModel):
        line = f"{key}: {message}"
    else:
        line = f"{key} = {_shown(first['input'])}: {message}"
    return line + (f" (and {len(rest)} more)" if rest else "")


def _keys(location: Iterable[int | str], tree: object) -> Iterator[str]:
    """Keys of the tree that lead to a place; pydantic counts what chose among a union's members as one."""
    for part in location:
        if isinstance(tree, Mapping) and part not in tree and part in tree.values():
            continue
        yield str(part)
        tree = tree.get(part) if isinstance(tree, Mapping) else None


def _shown(value: object) -> str:
    """The value as it is written, shortened."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        return "a very long number"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
