"""Several tables, each in the words of its hospital: columns, codes, units, intervals, patients."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from mvi_ray.errors import CaseError, ManifestError
from mvi_ray.ingest.clinical import ClinicalTable, read_clinical
from mvi_ray.study import Clinical

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.ingest.clinical.conftest import Workbooks

SOURCES = {
    "A": {
        "file": "hospital_a*.csv",
        "encoding": "cp1252",
        "columns": {"patient_id": "ID", "afp": "AFP (µg/L)", "mri": "MRT am"},
        "values": {
            "sex": {"m": "male", "w": "female"},
            "mvi": {"positiv": 1, "negativ": 0},
            "afp": {-9: None},
        },
        "centre": "A",
    },
    "B": {
        "file": "hospital_b.xlsx",
        "sheet": "Labor",
        "columns": {"afp": "AFP"},
        "units": {"afp": {"factor": 0.5}},
        "values": {"sex": {1: "male", 2: "female"}},
    },
}
DECLARED = {
    "outcome": "mvi",
    "centre": "hospital",
    "variables": {
        "afp": {"unit": "ng/ml", "cuts": [20, 400], "allowed": [0, 100000], "censored": "bound"},
        "sex": {"kind": "categorical", "levels": ["female", "male"]},
    },
    "dates": {"mri": "mri_date", "surgery": "surgery_date"},
    "intervals": {"mri_to_surgery_d": ["mri", "surgery"]},
    "sources": SOURCES,
}
A = "ID;mvi;AFP (µg/L);sex;MRT am;surgery_date;Größe\nP1;positiv;12,5;m;31.01.2024;05.02.2024;1\n"


def declared(**changes: Any) -> Clinical:
    """The study's clinical part with some keys replaced."""
    return Clinical.model_validate({**DECLARED, **changes})


def table(
    folder: Path, files: dict[str, str], clinical: Clinical | None = None, **options: Any
) -> ClinicalTable:
    """Write texts as CSV files and read them together."""
    paths = []
    for name, text in files.items():
        path = folder / name
        path.write_text(text, encoding="cp1252" if name.startswith("hospital_a") else "utf-8")
        paths.append(path)
    return read_clinical(paths, clinical or declared(), **options)


def told(found: ClinicalTable) -> list[tuple[str, int | None, str]]:
    """Severity, line and reason of every problem."""
    assert all(one.way_out and one.table == "clinical" for one in found.problems)
    return [(one.severity, one.line, one.reason) for one in found.problems]


def test_two_hospitals_become_one_table(tmp_path: Path, workbooks: Workbooks) -> None:
    """Each with its encoding, sheet, columns, codes, unit and dates; no date is left."""
    (tmp_path / "hospital_a_2024.csv").write_text(A, encoding="cp1252")
    header = ["patient_id", "mvi", "hospital", "AFP", "sex", "mri_date", "surgery_date"]
    rows = [header, ["P2", 0, "B", ">2420", 2, dt.date(2024, 3, 1), dt.date(2024, 2, 28)]]
    workbooks.xlsx(tmp_path / "hospital_b.xlsx", {"Deckblatt": [["x"]], "Labor": rows})
    found = read_clinical([tmp_path / "hospital_a_2024.csv", tmp_path / "hospital_b.xlsx"], declared())
    assert found.rows == (
        {
            "patient_id": "P1",
            "mvi": 1,
            "hospital": "A",
            "afp": 12.5,
            "sex": "male",
            "mri_to_surgery_d": 5.0,
            "afp_cut": "<20",
        },
        {
            "patient_id": "P2",
            "mvi": 0,
            "hospital": "B",
            "afp": 1210.0,
            "sex": "female",
            "mri_to_surgery_d": -2.0,
            "afp_cut": ">=400",
        },
    )
    assert told(found) == [
        (
            "warning",
            1,
            "hospital_a_2024.csv: 1 columns of the clinical table are not declared and were not stored",
        ),
        ("warning", None, "hospital_b.xlsx: afp: values beyond a limit of the laboratory: 1"),
    ]
    assert found.centres == {"P1": "A"}


def test_code_for_a_missing_value_is_missing(tmp_path: Path) -> None:
    """Where the study says so; else -9 is a number."""
    found = table(tmp_path, {"hospital_a.csv": A.replace("12,5", "-9")})
    assert found.rows[0]["afp"] is None
    assert found.rows[0]["afp_cut"] is None
    other = table(tmp_path, {"c.csv": "patient_id,mvi,hospital,afp,sex\nP1,1,C,-9,male\n"})
    assert ("error", 2, "afp is outside of what is allowed, from 0 up to 100000 ng/ml") in told(other)
    assert other.rows[0]["afp"] is None


def test_tables_of_one_patient_are_joined(tmp_path: Path) -> None:
    """Laboratory and surgery in two tables: also the dates, so that their distance is known."""
    found = table(
        tmp_path,
        {
            "lab.csv": "patient_id,mvi,hospital,afp,sex,mri_date\nP1,1,C,30,,2024-01-31\nP2,,C,,male,\n",
            "ops.csv": "patient_id,sex,surgery_date\nP1,male,2024-02-29\nP3,female,2024-02-29\n",
        },
    )
    assert told(found) == []
    assert found.rows == (
        {
            "patient_id": "P1",
            "mvi": 1,
            "hospital": "C",
            "afp": 30.0,
            "sex": "male",
            "mri_to_surgery_d": 29.0,
            "afp_cut": "20 to <400",
        },
        {"patient_id": "P2", "mvi": None, "hospital": "C", "afp": None, "sex": "male", "afp_cut": None},
        {"patient_id": "P3", "sex": "female"},
    )


def test_contradicting_values_are_told_with_both_lines_and_not_stored(tmp_path: Path) -> None:
    """A third table does not decide either; values that agree after conversion do."""
    head = "patient_id,mvi,hospital,afp,sex,mri_date,surgery_date\n"
    found = table(
        tmp_path,
        {
            "1.csv": f"{head}P1,1,C,0.3,male,2024-01-31,2024-02-01\n",
            "2.csv": f"{head}P0,1,C,1,male,,\nP1,1,C,0.30000000000000004,female,2024-01-30,\n",
            "3.csv": "patient_id,sex\nP1,male\n",
        },
    )
    assert told(found) == [
        ("error", 3, "sex in line 3 of 2.csv is another than in line 2 of 1.csv; none was stored"),
        ("error", 3, "the date mri in line 3 of 2.csv is another than in line 2 of 1.csv; none was stored"),
    ]
    row = found.rows[0]
    assert (row["afp"], row["sex"], row["mri_to_surgery_d"]) == (0.3, None, None)
    assert "2024" not in repr(found)


def test_cell_that_was_not_read_gives_way_to_one_that_was(tmp_path: Path) -> None:
    """The fault is told all the same, with the name of its file."""
    found = table(
        tmp_path,
        {
            "1.csv": "patient_id,mvi,hospital,afp,sex,mri_date,surgery_date\nP1,1,C,high,male,,\n",
            "2.csv": "patient_id,afp\nP1,5\n",
        },
    )
    assert told(found) == [("error", 2, "1.csv: afp is no number")]
    assert found.rows[0]["afp"] == 5.0


def test_column_is_missing_when_no_table_has_it(tmp_path: Path) -> None:
    """And when the study names another for this table, which is not there either."""
    found = table(
        tmp_path,
        {
            "hospital_a.csv": "ID;mvi;AFP;MRT am\nP1;positiv;1;31.01.2024\n",
            "c.csv": "patient_id,hospital\nP2,C\n",
        },
    )
    assert told(found) == [
        ("warning", 1, "the clinical table has no column 'sex'"),
        ("warning", 1, "the clinical table has no column 'surgery_date'"),
        (
            "warning",
            1,
            "hospital_a.csv: the clinical table has no column 'AFP (µg/L)', which the study reads as afp",
        ),
        (
            "warning",
            1,
            "hospital_a.csv: 1 columns of the clinical table are not declared and were not stored",
        ),
    ]
    with pytest.raises(ManifestError, match="column 'ID' is missing; name the patients"):
        table(tmp_path, {"hospital_a.csv": "patient_id;mvi\nP1;positiv\n"})


def test_table_that_two_sources_mean_is_refused(tmp_path: Path) -> None:
    """Which of them is right is not guessed."""
    both = declared(sources={**SOURCES, "C": {"file": "*_a*"}})
    with pytest.raises(
        ManifestError, match=r"hospital_a\.csv is meant by clinical\.sources A and C; let only"
    ):
        table(tmp_path, {"hospital_a.csv": A}, both)


def test_dates_with_two_readings_are_told_without_the_date(tmp_path: Path) -> None:
    """And read once the study states the format, for all tables or for one."""
    text = "patient_id,mvi,hospital,afp,sex,mri_date,surgery_date\nP1,1,C,1,male,03/04/2024,04/04/2024\n"
    found = table(tmp_path, {"c.csv": text})
    assert told(found) == [
        ("error", 2, "the date mri can be read in two ways"),
        ("error", 2, "the date surgery can be read in two ways"),
    ]
    assert found.rows[0]["mri_to_surgery_d"] is None
    assert "2024" not in repr(found)
    assert (
        table(tmp_path, {"c.csv": text}, declared(date_format="dd/mm/yyyy")).rows[0]["mri_to_surgery_d"] == 1
    )
    american = {"C": {"file": "c.csv", "date_format": "mm/dd/yyyy"}}
    found = table(tmp_path, {"c.csv": text}, declared(date_format="dd/mm/yyyy", sources=american))
    assert found.rows[0]["mri_to_surgery_d"] == 32 - 1


def test_interval_outside_of_what_is_allowed_is_told(tmp_path: Path) -> None:
    """An operation before the examination is a slip in one of the two dates."""
    variables = {**DECLARED["variables"], "mri_to_surgery_d": {"allowed": [0, 365], "cuts": [30]}}  # type: ignore[dict-item]
    text = "patient_id,mvi,hospital,afp,sex,mri_date,surgery_date\nP1,1,C,1,male,2024-03-04,2023-03-05\n"
    found = table(
        tmp_path, {"c.csv": text + "P2,1,C,1,male,2024-03-04,2024-03-05\n"}, declared(variables=variables)
    )
    assert told(found) == [
        ("error", None, "mri_to_surgery_d is outside of what is allowed, from 0 up to 365 d")
    ]
    assert found.problems[0].patient_id == "P1"
    assert [row["mri_to_surgery_d"] for row in found.rows] == [None, 1.0]
    assert [row["mri_to_surgery_d_cut"] for row in found.rows] == [None, "<30"]


def test_level_that_a_censored_value_leaves_open_is_told(tmp_path: Path) -> None:
    """An AFP below 50 may be below 20, or not."""
    text = "patient_id,mvi,hospital,afp,sex,mri_date,surgery_date\nP1,1,C,<50,male,,\n"
    found = table(tmp_path, {"c.csv": text})
    assert told(found) == [
        ("warning", None, "afp: values beyond a limit of the laboratory: 1"),
        ("warning", None, "afp_cut may be of several levels"),
    ]
    assert (found.rows[0]["afp"], found.rows[0]["afp_cut"]) == (50.0, None)


def _crosswalk(known: dict[str, str]) -> Callable[[str], str]:
    def identify(identifier: str) -> str:
        if identifier not in known:
            raise CaseError("the patient is not in the crosswalk; add the identifier to it")
        return known[identifier]

    return identify


def test_identifiers_become_pseudonyms_before_anything_is_said(tmp_path: Path) -> None:
    """Two identifiers of one patient are one patient; one that is not known is never shown."""
    found = table(
        tmp_path,
        {
            "1.csv": "patient_id,mvi,hospital,afp,sex,mri_date,surgery_date\n"
            "4711,1,C,1,male,,\n0815,1,C,2,male,,\n",
            "2.csv": "patient_id,afp\nHans Müller,1\n4711-2,low\n",
        },
        identify=_crosswalk({"4711": "P1", "4711-2": "P1", "Hans Müller": "P2"}),
    )
    assert [row["patient_id"] for row in found.rows] == ["P1", "P2"]
    assert told(found) == [
        ("error", 3, "1.csv: the patient is not in the crosswalk"),
        ("error", 3, "2.csv: afp is no number"),
    ]
    assert [one.patient_id for one in found.problems] == [None, "P1"]
    for identifier in ("4711", "0815", "Müller"):
        assert identifier not in repr(found)


def test_identifier_that_is_none_is_told(tmp_path: Path, workbooks: Workbooks) -> None:
    """A date, a line break; a whole number is text without its point."""
    rows = [["patient_id", "afp"], [dt.date(2024, 1, 2), 1], ["P\n1", 2], [17.0, 3], [None, 4]]
    path = workbooks.xlsx(tmp_path / "c.xlsx", {"one": rows})
    found = read_clinical(path, declared(variables=["afp"], dates={}, intervals={}, sources={}))
    assert [row["patient_id"] for row in found.rows] == ["17"]
    assert told(found)[2:] == [
        ("error", 2, "patient_id is a date"),
        ("error", 3, "patient_id holds a control character"),
        ("error", 5, "patient_id is blank"),
    ]


@pytest.mark.parametrize(
    ("cell", "name", "reason"),
    [
        (dt.date(2024, 2, 1), "sex", "sex is a date"),
        (dt.date(2024, 2, 1), "afp", "afp is a date and no number"),
        (True, "afp", "afp is no number"),
        (45000, "mri_date", "the date mri is a number and no date"),
        (2, "mvi", "outcome mvi is neither 0 nor 1"),
    ],
)
def test_cell_of_another_type_is_told(
    tmp_path: Path, workbooks: Workbooks, cell: object, name: str, reason: str
) -> None:
    """Spreadsheets make dates of codes, and numbers of dates."""
    rows = [["patient_id", name], ["P1", cell]]
    found = read_clinical(workbooks.xlsx(tmp_path / "c.xlsx", {"one": rows}), declared())
    assert ("error", 2, reason) in told(found)
    assert str(cell) not in repr(found.rows)
