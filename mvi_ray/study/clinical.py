"""Which columns of the clinical tables belong to the study, and how they are read."""

from __future__ import annotations

import itertools
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from mvi_ray.study.settings import Settings, check_unique, suggest
from mvi_ray.study.source import DateFormat, Source, cell_text

CUT = "_cut"
"""End of the name of the categorical variable that `cuts` make."""

Rule = Literal["refuse", "bound", "half", "exclude"]


class Censored(Settings):
    """What becomes of a value that is known to lie below (`<2.0`) or above (`>1210`) a limit."""

    below: Rule = Field(default="refuse", description="bound: the limit; half: half of it; exclude: missing")
    above: Literal["refuse", "bound", "exclude"] = Field(
        default="refuse", description="bound: the limit; exclude: missing"
    )


class Variable(Settings):
    """A clinical variable and how it is read."""

    kind: Literal["continuous", "categorical"] = "continuous"
    unit: str | None = None
    levels: tuple[str, ...] = Field(
        default=(), description="of a categorical variable; the first is the reference"
    )
    allowed: tuple[float | None, float | None] | None = Field(
        default=None, description="least and greatest value, in the unit of the study; null: no limit"
    )
    cuts: tuple[float, ...] = Field(
        default=(),
        description="ascending limits; they make a categorical variable besides, named NAME_cut, whose "
        "levels are, for [20, 400], '<20', '20 to <400' and '>=400'",
    )
    censored: Censored = Censored()
    measures: Literal["largest_diameter"] | None = Field(
        default=None, description="what of the mask it must agree with; unit: mm or cm"
    )

    @field_validator("censored", mode="before")
    @classmethod
    def _one_rule(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        # Half of a limit that a value lies above would be a value that it cannot have.
        return {"below": value} if value == "half" else {"below": value, "above": value}

    @model_validator(mode="after")
    def _levels(self) -> Self:
        if self.kind == "categorical" and len(set(self.levels)) < 2:
            msg = "a categorical variable needs its levels, at least two: levels: [no, yes]"
            raise ValueError(msg)
        if self.kind == "continuous" and self.levels:
            msg = "levels belong to a categorical variable: set kind: categorical"
            raise ValueError(msg)
        if self.kind == "categorical":
            for name in ("allowed", "cuts", "censored", "measures"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    msg = f"{name} belongs to a continuous variable"
                    raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _numbers(self) -> Self:
        low, high = self.allowed or (None, None)
        if low is not None and high is not None and low > high:
            msg = f"allowed: the least value ({low:g}) is above the greatest ({high:g})"
            raise ValueError(msg)
        if any(a >= b for a, b in itertools.pairwise(self.cuts)):
            msg = "cuts: give them in ascending order, each once"
            raise ValueError(msg)
        if self.measures is not None and self.unit not in ("mm", "cm"):
            msg = f"measures: {self.measures} needs unit: mm or unit: cm"
            raise ValueError(msg)
        return self

    @property
    def cut_levels(self) -> tuple[str, ...]:
        """Levels that the cuts make, in ascending order; a limit belongs to the level above it."""
        if not self.cuts:
            return ()
        # Every digit counts: two cuts must not make one level.
        cuts = [cell_text(cut) for cut in self.cuts]
        between = (f"{a} to <{b}" for a, b in itertools.pairwise(cuts))
        return (f"<{cuts[0]}", *between, f">={cuts[-1]}")


def _cut_levels(given: Any) -> tuple[str, ...]:
    """Levels that a variable's cuts make; none where it is not valid, which is told in its own place."""
    try:
        return Variable.model_validate(given).cut_levels
    except ValidationError:
        return ()


class Clinical(Settings):
    """Columns of the clinical tables that the study uses; all others stay outside the store."""

    outcome: str | None = Field(default=None, description="column with 0 and 1")
    centre: str | None = Field(default=None, description="column that names the hospital")
    variables: dict[str, Variable] = Field(default_factory=dict)
    dates: dict[str, str] = Field(
        default_factory=dict, description="name of a date to its column; dates are never stored"
    )
    intervals: dict[str, tuple[str, str]] = Field(
        default_factory=dict,
        description="variable to the dates that it lies between; days, negative when the second comes first",
    )
    date_format: DateFormat | None = Field(
        default=None, description="of dates that are text; needed for 03/04/2024"
    )
    sources: dict[str, Source] = Field(
        default_factory=dict, description="tables that name their columns and values otherwise"
    )

    @model_validator(mode="before")
    @classmethod
    def _derived(cls, value: Any) -> Any:
        """Add the variables that intervals and cuts make, so that models and cohorts know them."""
        if not isinstance(value, dict):
            return value
        given = value.get("variables")
        if isinstance(given, list | tuple):
            given = {name: {} for name in given}
        if given is not None and not isinstance(given, dict):
            return value
        variables = {name: {} if one is None else one for name, one in (given or {}).items()}
        intervals = value.get("intervals")
        for name in intervals if isinstance(intervals, dict) else ():
            declared = variables.get(name, {})
            variables[name] = {"unit": "d", **declared} if isinstance(declared, dict) else declared
        for name, one in list(variables.items()):
            levels = _cut_levels(one)
            if levels:
                made = {"kind": "categorical", "levels": levels}
                declared = Variable.model_validate(variables.setdefault(f"{name}{CUT}", made))
                if declared != Variable.model_validate(made):
                    msg = f"variables: {name}{CUT} is made by the cuts of {name!r}; rename the one declared"
                    raise ValueError(msg)
        return {**value, "variables": variables} if variables else value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_unique([*self.columns, "patient_id"])
        check_unique([*self.columns, *self.dates])
        for name, column in self.dates.items():
            if column in (*self.read_columns, "patient_id"):
                msg = f"dates.{name}: column {column!r} is stored as it is, and a date must not be"
                raise ValueError(msg)
        for name, between in self.intervals.items():
            for date in between:
                if date not in self.dates:
                    msg = (
                        f"intervals.{name}: there is no date {date!r}{suggest(date, self.dates)}; "
                        f"dates has {', '.join(self.dates) or 'none'}"
                    )
                    raise ValueError(msg)
            if self.variables[name].kind != "continuous":
                msg = f"intervals.{name} is a number of days, and variables has it as categorical"
                raise ValueError(msg)
        for name, source in self.sources.items():
            self._check_source(name, source)
        return self

    def _check_source(self, name: str, source: Source) -> None:
        stored = self.read_columns
        numbers = [n for n, v in self.variables.items() if v.kind == "continuous" and n in stored]
        known: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
            ("columns", source.columns, ("patient_id", *stored, *self.dates)),
            ("units", source.units, tuple(numbers)),
            ("values", source.values, stored),
        )
        for key, used, there in known:
            for item in used:
                if item not in there:
                    msg = (
                        f"sources.{name}.{key}: {item!r} is not known here{suggest(item, there)}; "
                        f"known: {', '.join(there) or 'none'}"
                    )
                    raise ValueError(msg)
        if source.centre is not None and self.centre is not None and self.centre in source.columns:
            msg = f"sources.{name}: centre says one hospital, and columns a column of them; keep one"
            raise ValueError(msg)

    @property
    def derived(self) -> dict[str, str]:
        """Variable that cuts make to the one that is cut."""
        return {f"{name}{CUT}": name for name, one in self.variables.items() if one.cuts}

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns stored of a patient, without the identifier."""
        named = [n for n in (self.outcome, self.centre) if n is not None]
        return (*named, *self.variables)

    @property
    def read_columns(self) -> tuple[str, ...]:
        """Of these, the ones that stand in a table: all but intervals and what cuts make."""
        made = {*self.intervals, *self.derived}
        return tuple(name for name in self.columns if name not in made)
