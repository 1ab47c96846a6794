"""Who belongs to the study: criteria in SQL, in the order in which the flow chart counts them."""

from __future__ import annotations

from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from mvi_ray.study.settings import Name, Settings, check_unique


class Criterion(NamedTuple):
    """One condition of the enrolment.

    Args:
        name: as the study names it.
        predicate: SQL over patient_id, centre and the clinical variables.
        keeps: whether a patient who meets it stays (include), or goes (exclude).
    """

    name: str
    predicate: str
    keeps: bool


class Enrolment(Settings):
    """Criteria of inclusion, then of exclusion; a patient counts at the first that takes them out."""

    include: dict[Name, str] = Field(
        default_factory=dict, description="name to SQL condition that a patient must meet"
    )
    exclude: dict[Name, str] = Field(
        default_factory=dict, description="name to SQL condition that a patient must not meet"
    )
    missing: Literal["keep", "remove"] = Field(
        default="keep",
        description="of a patient for whom a condition is NULL, for a value is missing: kept and counted as "
        "unknown, or removed and counted apart",
    )

    @model_validator(mode="after")
    def _different(self) -> Self:
        check_unique([*self.include, *self.exclude])
        return self

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """In the order in which they are applied."""
        return (
            *(Criterion(name, predicate, keeps=True) for name, predicate in self.include.items()),
            *(Criterion(name, predicate, keeps=False) for name, predicate in self.exclude.items()),
        )
