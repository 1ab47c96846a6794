"""Tests of mvi_ray.matrix.cohort: who takes part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mvi_ray.errors import MatrixError, QueryError
from mvi_ray.matrix.cohort import read_cohorts
from mvi_ray.store.tables import now
from mvi_ray.study import Enrolment

if TYPE_CHECKING:
    from mvi_ray.matrix.cohort import Cohorts
    from tests.conftest import WrittenProject

ROWS: list[dict[str, object]] = [
    {"patient_id": "P1", "mvi": 1, "centre": "A", "age": 40.0},
    {"patient_id": "P2", "mvi": 0, "centre": "A", "age": 70.0},
    {"patient_id": "P3", "mvi": None, "centre": "A", "age": 50.0},
    {"patient_id": "P4", "mvi": 0, "centre": "B", "age": None},
    {"patient_id": "P5", "mvi": 1, "centre": None, "age": 60.0},
]


def _cohorts(written: WrittenProject, **predicates: str) -> Cohorts:
    written.clinical(ROWS)
    study = written.project.study.model_copy(update={"cohorts": predicates})
    return read_cohorts(written.project.store, study)


def test_predicates_choose_patients(written: WrittenProject) -> None:
    """A NULL is in no cohort; a patient without an outcome is left out and counted."""
    found = _cohorts(written, train="centre = 'A'", test="centre = 'B'")
    assert found.members == {"P1": "train", "P2": "train", "P4": "test"}
    assert found.outcome == {"P1": 1, "P2": 0, "P4": 0}
    assert found.left_out == (
        "patients in no cohort: 1",
        "patients of the cohorts without an outcome, left out: 1",
    )


def test_without_predicates_everybody_trains(written: WrittenProject) -> None:
    """A first look needs no cohorts."""
    assert set(_cohorts(written).members.values()) == {"train"}


def test_one_patient_in_both_is_an_error(written: WrittenProject) -> None:
    """Otherwise a model would be tested on what it was fitted on."""
    with pytest.raises(MatrixError, match=r"both cohorts hold P1 \(such patients: 2\)"):
        _cohorts(written, train="centre = 'A'", test="mvi IS NOT NULL AND centre = 'A'")


@pytest.mark.parametrize(
    "predicate",
    ["1) OR (1 = 1", "true; DROP TABLE x", "centre = 'A' FROM clinical", "true, false", ""],
)
def test_a_predicate_is_one_expression(written: WrittenProject, predicate: str) -> None:
    """Text that would end the condition and begin something else is refused."""
    with pytest.raises(QueryError, match=r"cohorts\.train is not one SQL condition"):
        _cohorts(written, train=predicate)


@pytest.mark.parametrize("predicate", ["centre = ", "hospital = 'A'", "read_text('/etc/hostname') = ''"])
def test_a_predicate_names_what_is_there(written: WrittenProject, predicate: str) -> None:
    """Unknown columns and foreign files are errors that name the columns."""
    with pytest.raises((MatrixError, QueryError), match=r"cohorts\.train"):
        _cohorts(written, train=predicate)


def test_an_empty_training_cohort_is_an_error(written: WrittenProject) -> None:
    """There is nothing to fit."""
    with pytest.raises(MatrixError, match="no patient is in the training cohort"):
        _cohorts(written, train="centre = 'Z'")
    with pytest.raises(MatrixError, match="the study has no training cohort"):
        _cohorts(written, test="centre = 'A'")


def test_a_store_without_the_outcome_says_what_to_do(written: WrittenProject) -> None:
    """The outcome may come later than the images."""
    written.clinical([{"patient_id": "P1", "centre": "A"}])
    with pytest.raises(MatrixError, match="the store has no outcome 'mvi'; run `mvi ingest --clinical`"):
        read_cohorts(written.project.store, written.project.study)
    clinical: Any = written.project.study.clinical.model_copy(update={"outcome": None})
    study = written.project.study.model_copy(update={"clinical": clinical})
    with pytest.raises(MatrixError, match=r"set clinical\.outcome"):
        read_cohorts(written.project.store, study)


def _exclude(written: WrittenProject, patient: str, *, undone: bool = False) -> None:
    row = {"patient_id": patient, "excluded_at": now(), "reason": "artefacts"}
    written.project.store.tables["exclusions"].write([{**row, "undone_at": now() if undone else None}])
    written.project.publish()


def test_excluded_patients_leave_the_cohorts(written: WrittenProject) -> None:
    """They are counted; one who was taken in again is there."""
    written.clinical(ROWS)
    _exclude(written, "P1")
    _exclude(written, "P2", undone=True)
    study = written.project.study.model_copy(update={"cohorts": {"train": "true"}})
    found = read_cohorts(written.project.store, study)
    assert set(found.members) == {"P2", "P4", "P5"}
    assert found.left_out[0] == "patients excluded by hand: 1"
    assert found.without_outcome == {"P3"}


def test_criteria_of_enrolment_come_before_cohorts(written: WrittenProject) -> None:
    """Who does not meet them is in no cohort; who cannot be judged stays, and both are told."""
    written.clinical(ROWS)
    enrolment = Enrolment.model_validate({"include": {"young": "age < 65"}})
    study = written.project.study.model_copy(update={"cohorts": {"train": "true"}, "enrolment": enrolment})
    found = read_cohorts(written.project.store, study)
    assert set(found.members) == {"P1", "P4", "P5"}
    assert found.left_out == (
        "patients who do not meet the criteria of enrolment: 1",
        "patients kept though a criterion of enrolment cannot be judged: 1",
        "patients of the cohorts without an outcome, left out: 1",
    )


def test_value_under_no_level_of_the_study_is_refused(written: WrittenProject) -> None:
    """It would count as the reference level in a model."""
    written.clinical([{"patient_id": "P1", "mvi": 1, "centre": "A", "sex": "f"}])
    with pytest.raises(MatrixError, match=r"sex of 1 patients was stored under levels .*; ingest the"):
        read_cohorts(written.project.store, written.project.study)
