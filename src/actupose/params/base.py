"""What every section of the settings shares: the base class and ranges of values."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

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


class Settings(BaseModel):
    """Base of every section: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
