"""Tests of mvi_ray.matrix.cohort: who takes part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mvi_ray.errors import MatrixError, QueryError
from mvi_ray.matrix.cohort import read_cohorts

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
