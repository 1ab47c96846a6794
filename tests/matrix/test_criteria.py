"""Criteria of the enrolment: in order, each patient once, and no guess where a value is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mvi_ray.errors import MatrixError, QueryError
from mvi_ray.matrix.criteria import Verdict, judge, unjudged
from mvi_ray.study import Enrolment

if TYPE_CHECKING:
    from tests.conftest import WrittenProject

ROWS: list[dict[str, object]] = [
    {"patient_id": "P1", "mvi": 1, "centre": "A", "age": 40.0, "sex": "male"},
    {"patient_id": "P2", "mvi": 0, "centre": "A", "age": 12.0, "sex": "male"},
    {"patient_id": "P3", "mvi": 0, "centre": "B", "age": None, "sex": "female"},
    {"patient_id": "P4", "mvi": 0, "centre": None, "age": None, "sex": None},
]


@pytest.fixture
def project(written: WrittenProject) -> WrittenProject:
    """Four patients with clinical values, and one whom only the quarantine knows."""
    key = {"session": "-", "phase": "-", "lesion": "-", "region": "-", "reader": "-", "stage": "ingest"}
    written.project.store.tables["quarantine"].write([{**key, "patient_id": "P5", "family": "-"}])
    written.clinical(ROWS)
    return written


def _judge(project: WrittenProject, **keys: Any) -> dict[str, Verdict]:
    with project.project.store.connect() as connection:
        return judge(connection, Enrolment.model_validate(keys))


CRITERIA = {"include": {"adult": "age >= 18"}, "exclude": {"female": "sex = 'female'", "b": "centre = 'B'"}}


def test_patient_leaves_at_the_first_criterion_that_is_known_to_apply(project: WrittenProject) -> None:
    """Where a value is missing the patient is kept, and that is noted."""
    assert _judge(project, **CRITERIA) == {
        "P1": Verdict(),
        "P2": Verdict("adult"),
        "P3": Verdict("female", unknown=("adult",)),
        "P4": Verdict(unknown=("adult", "female", "b")),
        "P5": Verdict(unknown=("adult", "female", "b")),
    }


def test_missing_value_takes_a_patient_out_only_where_the_study_says_so(project: WrittenProject) -> None:
    """And is told apart from a criterion that is not met."""
    found = _judge(project, **CRITERIA, missing="remove")
    assert found["P2"] == Verdict("adult")
    assert found["P3"] == found["P5"] == Verdict("adult", is_unknown=True)


def test_study_without_criteria_takes_nobody_out(project: WrittenProject) -> None:
    """Everybody who was screened is there."""
    assert _judge(project) == dict.fromkeys(("P1", "P2", "P3", "P4", "P5"), Verdict())


@pytest.mark.parametrize("predicate", ["true; DROP TABLE x", "age > 3) OR (true", "", "true, false"])
def test_criterion_is_one_condition(project: WrittenProject, predicate: str) -> None:
    """The text of another statement does not run."""
    with pytest.raises(QueryError, match=r"enrolment\.exclude\.odd is not one SQL condition"):
        _judge(project, exclude={"odd": predicate})


@pytest.mark.parametrize("predicate", ["weight > 80", "age > 'old'", "max(age) > 3"])
def test_criterion_names_what_is_there(project: WrittenProject, predicate: str) -> None:
    """Else the columns are named."""
    with pytest.raises(
        MatrixError, match=r"enrolment\.include\.odd .* cannot be applied: .*columns: patient_id"
    ):
        _judge(project, include={"odd": predicate})


def test_criteria_that_cannot_be_applied_leave_everything_unknown(project: WrittenProject) -> None:
    """By the rule for what is missing."""
    with project.project.store.connect() as connection:
        kept = unjudged(connection, Enrolment.model_validate(CRITERIA))
        removed = unjudged(connection, Enrolment.model_validate({**CRITERIA, "missing": "remove"}))
    assert set(kept.values()) == {Verdict(unknown=("adult", "female", "b"))}
    assert set(removed.values()) == {Verdict("adult", is_unknown=True)}
    assert list(kept) == list(removed) == ["P1", "P2", "P3", "P4", "P5"]
