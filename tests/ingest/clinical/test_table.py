"""Clinical rows: only what was declared, nothing guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.errors import ManifestError
from mvi_ray.ingest.clinical import ClinicalTable, read_clinical
from mvi_ray.study import Clinical

if TYPE_CHECKING:
    from pathlib import Path

DECLARED = Clinical.model_validate(
    {
        "outcome": "mvi",
        "centre": "hospital",
        "variables": {"afp": {}, "grade": {"kind": "categorical", "levels": ["low", "high; late"]}},
    }
)
HEADER = "patient_id,mvi,hospital,afp,grade\n"


def clinical(folder: Path, text: str, declared: Clinical = DECLARED) -> ClinicalTable:
    """Read text as a clinical table."""
    path = folder / "clinical.csv"
    path.write_text(text, encoding="utf-8")
    return read_clinical(path, declared)


def cell(folder: Path, name: str, text: str, mark: str = ";") -> object:
    """One cell as it is stored, with the one problem where there is one."""
    cells = {"patient_id": "001", "mvi": "0", "hospital": "A", "afp": "1", "grade": "low", name: f'"{text}"'}
    found = clinical(folder, f"{mark.join(cells)}\n{mark.join(cells.values())}\n")
    assert len(found.problems) <= 1
    if found.problems:
        problem = found.problems[0]
        assert (problem.severity, problem.line, problem.patient_id) == ("error", 2, "001")
        assert problem.way_out
        assert found.rows[0][name] is None
        return problem
    return found.rows[0][name]


def test_declared_columns_are_read(tmp_path: Path) -> None:
    """The patient first, then the columns of the study, each with its type."""
    found = clinical(tmp_path, HEADER + "001,1,A,12.5,high; late\n002,0,B,,low\n")
    assert found.problems == ()
    assert found.rows == (
        {"patient_id": "001", "mvi": 1, "hospital": "A", "afp": 12.5, "grade": "high; late"},
        {"patient_id": "002", "mvi": 0, "hospital": "B", "afp": None, "grade": "low"},
    )
    assert next(iter(found.rows[0])) == "patient_id"
    assert isinstance(found.rows[0]["mvi"], int)


def test_columns_that_were_not_declared_are_not_stored(tmp_path: Path) -> None:
    """A name or a birthday beside the values stays outside, and out of the message."""
    text = "patient_id,mvi,hospital,afp,grade,name,born\n001,1,A,1,low,Hans Müller,1953-01-02\n"
    found = clinical(tmp_path, text)
    assert list(found.rows[0]) == ["patient_id", "mvi", "hospital", "afp", "grade"]
    assert [p.severity for p in found.problems] == ["warning"]
    assert "2 columns" in found.problems[0].reason
    assert found.problems[0].way_out.endswith("name, born")
    assert "Müller" not in repr(found)
    assert "1953" not in repr(found)


@pytest.mark.parametrize("text", ["", "NA", "n/a", "NaN", "null", "None", ".", "  "])
@pytest.mark.parametrize("name", ["mvi", "hospital", "afp", "grade"])
def test_marks_of_a_missing_value_are_none(tmp_path: Path, name: str, text: str) -> None:
    """Missing is missing in every column."""
    assert cell(tmp_path, name, text) is None


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("1", 1), ("0.0", 0), ("1.0", 1)])
def test_outcome_is_0_or_1(tmp_path: Path, text: str, value: int) -> None:
    """As spreadsheets write them."""
    assert cell(tmp_path, "mvi", text) == value


@pytest.mark.parametrize("text", ["yes", "no", "TRUE", "positive", "2", "-1", "0.5", "01"])
def test_outcome_in_words_is_not_guessed(tmp_path: Path, text: str) -> None:
    """The message says what to write; the cell itself may hold anything, a name as well."""
    problem = cell(tmp_path, "mvi", text)
    assert getattr(problem, "reason", None) == "outcome mvi is neither 0 nor 1"
    assert getattr(problem, "way_out", None) == "correct it, or leave it blank"


@pytest.mark.parametrize("mark", [";", ",", "\t"])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("61", 61.0),
        ("12.5", 12.5),
        ("12,5", 12.5),
        ("-0,25", -0.25),
        (",5", 0.5),
        ("1e3", 1000.0),
        ("0,125", 0.125),
        ("+7", 7.0),
        ("1234,567", 1234.567),
    ],
)
def test_numbers_are_read_with_either_decimal_sign(
    tmp_path: Path, mark: str, text: str, value: float
) -> None:
    """Comma or point, in any table, where there is one reading only."""
    assert cell(tmp_path, "afp", text, mark) == value


def test_comma_that_may_mean_thousands_is_not_guessed(tmp_path: Path) -> None:
    """1,234 in a table separated by commas may be 1.234 or 1234: wrong by a thousand times."""
    for mark in (",", "\t"):
        problem = cell(tmp_path, "afp", "1,234", mark)
        assert "can be read in two ways" in getattr(problem, "reason", "")
    assert cell(tmp_path, "afp", "1,234", ";") == 1.234


@pytest.mark.parametrize(
    "text",
    [
        "<",
        "<five",
        "12 mm",
        "1.234,5",
        "1,234.5",
        "1,2,3",
        "inf",
        "-Infinity",
        "1_000",
        "1e999",
        "0x10",
        "١٢",
        "-",
    ],
)
def test_text_that_is_no_number_is_told(tmp_path: Path, text: str) -> None:
    """Also what Python, but no clinician, takes for one."""
    problem = cell(tmp_path, "afp", text)
    assert getattr(problem, "reason", None) == "afp is no number"
    assert getattr(problem, "way_out", None) == "write one, or leave it blank"


@pytest.mark.parametrize("text", ["Low", "medium", "high", "high; later"])
def test_unknown_level_is_told_with_the_known_ones(tmp_path: Path, text: str) -> None:
    """Also where levels and cells hold semicolons."""
    problem = cell(tmp_path, "grade", text, ",")
    assert getattr(problem, "reason", None) == "grade is none of its levels"
    assert "low" in getattr(problem, "way_out", "")


def test_what_stands_in_a_cell_is_not_repeated(tmp_path: Path) -> None:
    """A column that slipped by one may hold the patient's name."""
    for column in ("mvi", "afp", "grade"):
        problem = cell(tmp_path, column, "Zaphod; Beeblebrox", ",")
        assert problem is not None
        assert "Zaphod" not in repr(problem)
        assert "Beeblebrox" not in repr(problem)


def test_doubled_and_nameless_patients_are_left_out(tmp_path: Path) -> None:
    """The first line stays; 1 and 001 are two patients."""
    text = HEADER + "001,1,A,1,low\n1,0,A,1,low\n001,0,B,2,low\n,1,A,1,low\n"
    found = clinical(tmp_path, text)
    assert [row["patient_id"] for row in found.rows] == ["001", "1"]
    assert found.rows[0]["mvi"] == 1
    assert [(p.line, p.reason, p.way_out) for p in found.problems] == [
        (4, "the patient stands in line 2 already", "keep one line for each patient"),
        (5, "patient_id is blank", "fill in the cell"),
    ]


def test_missing_outcome_column_is_a_warning(tmp_path: Path) -> None:
    """Features can be computed without it; the message says what cannot."""
    found = clinical(tmp_path, "patient_id,hospital,afp,grade\n001,A,1,low\n")
    assert [(p.severity, p.reason) for p in found.problems] == [
        ("warning", "the clinical table has no outcome column 'mvi'")
    ]
    assert "mvi train" in found.problems[0].way_out
    assert "mvi" not in found.rows[0]


def test_missing_variable_is_a_warning(tmp_path: Path) -> None:
    """With the name of the column and both ways out."""
    found = clinical(tmp_path, "patient_id,mvi,hospital,afp\n001,1,A,1\n")
    assert [(p.severity, p.reason, p.way_out) for p in found.problems] == [
        ("warning", "the clinical table has no column 'grade'", "add it, or take it out of the study file")
    ]


def test_table_without_patients_is_refused(tmp_path: Path) -> None:
    """Whose values would they be?"""
    with pytest.raises(ManifestError, match="column 'patient_id' is missing; name the patients"):
        clinical(tmp_path, "id,mvi\n1,0\n")


def test_bad_cell_does_not_cost_the_others(tmp_path: Path) -> None:
    """One None, one problem, the rest of the line and table as written."""
    found = clinical(tmp_path, HEADER + "001,1,A,<5,low\n002,0,B,3,low\n")
    assert found.rows[0] == {"patient_id": "001", "mvi": 1, "hospital": "A", "afp": None, "grade": "low"}
    assert found.rows[1]["afp"] == 3.0
    assert len(found.problems) == 1
