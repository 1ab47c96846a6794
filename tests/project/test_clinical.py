"""Clinical tables into the store: joined, counted, and without what must not be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.project.clinical import Missing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import TinyProject

HEAD = "patient_id,mvi,site,age,sex"


def _rewrite(tiny: TinyProject, old: str, new: str) -> None:
    path = tiny.folder / "study.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def _write(tiny: TinyProject, name: str, *lines: str) -> Path:
    tiny.data.mkdir(parents=True, exist_ok=True)
    path = tiny.data / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_missing_values_are_counted_for_each_hospital(tiny: TinyProject) -> None:
    """Over everybody with clinical values, also of earlier tables; nothing is filled in."""
    one = _write(tiny, "a.csv", HEAD, "P1,1,A,61,female", "P2,,A,,male", "P3,1,B,,")
    assert tiny.open().ingest(clinical=one).missing == (
        Missing("mvi", 1, 3, {"A": (1, 2), "B": (0, 1)}),
        Missing("age", 2, 3, {"A": (1, 2), "B": (1, 1)}),
        Missing("sex", 1, 3, {"A": (0, 2), "B": (1, 1)}),
    )
    two = _write(tiny, "b.csv", "patient_id,age,sex", "P2,50,male", "P3,60,male", "P4,70,male")
    summary = tiny.open().ingest(clinical=[two])
    assert summary.missing == (
        Missing("mvi", 2, 4, {"": (1, 1), "A": (1, 2), "B": (0, 1)}),
        Missing("site", 1, 4, {"": (1, 1), "A": (0, 2), "B": (0, 1)}),
    )
    assert summary.to_json()["missing"][1] == {
        "name": "site",
        "missing": 1,
        "patients": 4,
        "centres": {
            "": {"missing": 1, "patients": 1},
            "A": {"missing": 0, "patients": 2},
            "B": {"missing": 0, "patients": 1},
        },
    }


def test_ingest_without_a_clinical_table_counts_nothing(tiny: TinyProject) -> None:
    """The manifest has no clinical values that could be missing."""
    tiny.write_case("P1", "AP")
    assert tiny.open().ingest(tiny.write_manifest([("P1", "AP")])).missing == ()


def test_several_tables_come_in_at_once(tiny: TinyProject) -> None:
    """With cuts and intervals as columns, the hospital of a whole table, and no date anywhere."""
    _rewrite(tiny, "age: {unit: years}", "age: {unit: years, cuts: [50]}")
    _rewrite(
        tiny,
        "  centre: site\n",
        "  centre: site\n"
        "  dates: {mri: mri_date, surgery: surgery_date}\n"
        "  intervals: {wait_d: [mri, surgery]}\n"
        "  sources: {B: {file: b.csv, centre: B}}\n",
    )
    a = _write(tiny, "a.csv", f"{HEAD},mri_date", "P1,1,A,61,female,2024-01-31", "P2,0,A,49,male,2024-01-01")
    b = _write(tiny, "b.csv", "patient_id,surgery_date,mvi", "P1,2024-02-29,1", "P3,2024-02-29,0")
    summary = tiny.open().ingest(clinical=[a, b])
    assert [p.reason for p in summary.problems if p.severity == "error"] == [
        "site in line 2 of b.csv is another than in line 2 of a.csv; none was stored"
    ]
    rows = tiny.open().sql("SELECT patient_id, wait_d, age_cut FROM clinical ORDER BY patient_id").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("P1", 29.0, ">=50"),
        ("P2", None, "<50"),
        ("P3", None, None),
    ]
    content = b"".join(path.read_bytes() for path in (tiny.folder / "store").rglob("*") if path.is_file())
    assert b"2024-0" not in content


def test_hospital_of_a_whole_table_needs_no_column(tiny: TinyProject) -> None:
    """It is the centre of the patients."""
    _rewrite(tiny, "  centre: site\n", "  sources: {B: {file: b.csv, centre: B}}\n")
    tiny.open().ingest(clinical=_write(tiny, "b.csv", "patient_id,mvi,age,sex", "P1,1,50,male"))
    assert tiny.open().sql("SELECT centre FROM patients").to_pylist() == [{"centre": "B"}]


def test_level_that_the_study_has_no_longer_is_dropped_and_told(tiny: TinyProject) -> None:
    """A value under no level would count as the reference in a model."""
    tiny.open().ingest(clinical=_write(tiny, "a.csv", HEAD, "P1,1,A,61,female", "P2,0,A,50,male"))
    _rewrite(tiny, "levels: [female, male]", "levels: [f, male]")
    summary = tiny.open().ingest(clinical=_write(tiny, "a.csv", "patient_id,age", "P1,62"))
    told = [(p.severity, p.patient_id, p.reason) for p in summary.problems if p.reason.startswith("sex")]
    assert told == [
        ("warning", "P1", "sex was stored under levels or cuts that the study has no longer, and is dropped")
    ]
    rows = tiny.open().sql("SELECT sex FROM clinical ORDER BY patient_id").to_pylist()
    assert rows == [{"sex": None}, {"sex": "male"}]


def test_variable_that_becomes_the_outcome_keeps_what_an_outcome_may_be(tiny: TinyProject) -> None:
    """A fraction, or a 2, is dropped and told; 0 and 1 stay, and so does everything else of the patient."""
    table = ("patient_id,mvi,site,age,sex", "P1,1,A,1.5,male", "P2,0,A,1,male", "P3,0,A,2,female")
    tiny.open().ingest(clinical=_write(tiny, "a.csv", *table))
    _rewrite(tiny, "outcome: mvi", "outcome: age")
    _rewrite(tiny, "    age: {unit: years}\n", "")
    summary = tiny.open().ingest(clinical=_write(tiny, "b.csv", "patient_id,age,site,sex", "P4,1,A,male"))
    told = [(p.severity, p.patient_id, p.reason) for p in summary.problems if p.reason.startswith("age")]
    dropped = "age was stored as another kind of variable and is dropped"
    assert told == [("warning", "P1", dropped), ("warning", "P3", dropped)]
    rows = tiny.open().sql("SELECT patient_id, age, sex FROM clinical ORDER BY ALL").to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("P1", None, "male"),
        ("P2", 1, "male"),
        ("P3", None, "female"),
        ("P4", 1, "male"),
    ]


@pytest.mark.parametrize("clinical", ["data/a.csv", ["data/a.csv"]])
def test_one_table_may_be_given_as_one_path(
    tiny: TinyProject, monkeypatch: pytest.MonkeyPatch, clinical: str | list[str]
) -> None:
    """As before there could be several."""
    monkeypatch.chdir(tiny.folder)
    _write(tiny, "a.csv", HEAD, "P1,1,A,61,female")
    assert tiny.open().ingest(clinical=clinical).clinical == 1
