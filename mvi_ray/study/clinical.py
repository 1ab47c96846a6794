"""Which columns of the clinical table belong to the study."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from mvi_ray.study.settings import Settings, check_unique


class Variable(Settings):
    """A clinical variable and how it is read."""

    kind: Literal["continuous", "categorical"] = "continuous"
    unit: str | None = None
    levels: tuple[str, ...] = Field(
        default=(), description="of a categorical variable; the first is the reference"
    )

    @model_validator(mode="after")
    def _levels(self) -> Self:
        if self.kind == "categorical" and len(set(self.levels)) < 2:
            msg = "a categorical variable needs its levels, at least two: levels: [no, yes]"
            raise ValueError(msg)
        if self.kind == "continuous" and self.levels:
            msg = "levels belong to a categorical variable: set kind: categorical"
            raise ValueError(msg)
        return self


class Clinical(Settings):
    """Columns of the clinical table that the study uses; all others stay outside the store."""

    outcome: str | None = Field(default=None, description="column with 0 and 1")
    centre: str | None = Field(default=None, description="column that names the hospital")
    variables: dict[str, Variable] = Field(default_factory=dict)

    @field_validator("variables", mode="before")
    @classmethod
    def _names_only(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {name: {} for name in value}
        if isinstance(value, dict):
            return {key: {} if inner is None else inner for key, inner in value.items()}
        return value

    @model_validator(mode="after")
    def _different(self) -> Self:
        check_unique([*self.columns, "patient_id"])
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns read from the clinical table, without the patient's identifier."""
        named = [n for n in (self.outcome, self.centre) if n is not None]
        return (*named, *self.variables)
