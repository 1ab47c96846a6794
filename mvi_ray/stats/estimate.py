"""A number with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the two ends of its interval; NaN where it is not defined."""

    value: float
    lower: float
    upper: float

    @property
    def defined(self) -> bool:
        """Whether the value exists (a rate with nothing to divide by does not)."""
        return not math.isnan(self.value)

    @property
    def width(self) -> float:
        """Upper end minus lower end."""
        return self.upper - self.lower

    def to_json(self) -> dict[str, float | None]:
        """Value, lower and upper; null stands for NaN, which JSON does not have."""
        return {
            key: None if math.isnan(number) else number
            for key, number in (("value", self.value), ("lower", self.lower), ("upper", self.upper))
        }
