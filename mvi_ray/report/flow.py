"""The counts of the enrolment, from the screened patients to those of the models."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Step:
    """One way out of the study.

    Args:
        kind: what it is: images, tumour mask, a criterion, or the hand of a user.
        name: of the criterion; empty for the others.
        removed: patients who leave here.
        unknown: patients for whom the criterion could not be judged; `unknown_left` of them left.
        unknown_left: of these, patients who leave for it; not among `removed`.
        left: patients who stay.
        reasons: of exclusions by hand, with their numbers.
    """

    kind: Literal["no image", "no tumour mask", "include", "exclude", "by hand"]
    name: str
    removed: int
    unknown: int
    unknown_left: int
    left: int
    reasons: tuple[tuple[str, int], ...] = ()

    @property
    def title(self) -> str:
        """In words."""
        name = self.name.replace("_", " ")
        return {
            "no image": "without images",
            "no tumour mask": "without a tumour mask",
            "include": f"{name} not met",
            "exclude": name,
            "by hand": "excluded by hand",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class Flow:
    """How the screened patients became those of the models. It holds counts and no pseudonym.

    Args:
        study: its title.
        synthetic: whether the images are made by a program.
        screened: patients in a manifest or a clinical table.
        steps: in the order in which patients leave; each counts once.
        enrolled: patients left at the end.
        cohorts: cohort to the enrolled patients in it whose outcome is known.
        without_outcome: enrolled patients of a cohort whose outcome is not known.
        without_cohort: enrolled patients in no cohort.
        models: name, and patients of each cohort with everything that the model takes.
        notes: what could not be counted, and why.
    """

    study: str
    synthetic: bool
    screened: int
    steps: tuple[Step, ...]
    enrolled: int
    cohorts: dict[str, int]
    without_outcome: int
    without_cohort: int
    models: tuple[tuple[str, dict[str, int]], ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        content = asdict(self)
        content["steps"] = [
            {**asdict(step), "title": step.title, "reasons": dict(step.reasons)} for step in self.steps
        ]
        content["models"] = dict(self.models)
        return content
