"""Patients taken out by hand: recorded, counted, undone, and nothing deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.errors import StoreError, UsageError

if TYPE_CHECKING:
    from mvi_ray.project import Project
    from tests.conftest import WrittenProject


@pytest.fixture
def project(written: WrittenProject) -> Project:
    """Eight patients with everything that models need."""
    for at in range(8):
        for phase in ("AP", "PP"):
            for region in ("intratumoral", "peritumoral"):
                written.voi(f"P{at}", phase, region, shift=float(at))
    written.clinical(
        [
            {"patient_id": f"P{at}", "mvi": at % 2, "centre": "A", "age": 50.0 + at, "sex": "male"}
            for at in range(8)
        ]
    )
    written.project.settle("extract")
    return written.project


def _rows(project: Project) -> dict[str, int]:
    return {name: table.read().num_rows for name, table in project.store.tables.items()}


def test_excluded_patient_leaves_matrices_and_keeps_every_row(project: Project) -> None:
    """The export of a model is its matrix."""
    from mvi_ray.project.exporting import Choice

    before = _rows(project)
    (made,) = project.exclude("P3", "  motion   artefacts ")
    assert (made.patient, made.reason, made.undone_at) == ("P3", "motion artefacts", None)
    matrix = project.wide(Choice(model="CR"))
    assert "P3" not in matrix.column("patient_id").to_pylist()
    assert matrix.num_rows == 7
    after = _rows(project)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"exclusions", "snapshots"}
    assert [row.command for row in project.history()][-1] == "exclude"
    assert project.sql("SELECT count(*) AS n FROM cr WHERE patient_id = 'P3'").to_pylist()[0]["n"] > 0


def test_exclusion_that_is_taken_back_stays_on_record(project: Project) -> None:
    """With both times; the patient may be excluded again, for another reason."""
    project.exclude("P3", "artefacts")
    (undone,) = project.exclude("P3", undo=True)
    assert undone.undone_at is not None
    assert undone.undone_at >= undone.excluded_at
    project.exclude("P3", "wrong phase")
    assert [(one.reason, one.undone_at is None) for one in project.exclude()] == [
        ("artefacts", False),
        ("wrong phase", True),
    ]
    rows = project.sql("SELECT reason, is_current FROM exclusions ORDER BY excluded_at").to_pylist()
    assert rows == [
        {"reason": "artefacts", "is_current": False},
        {"reason": "wrong phase", "is_current": True},
    ]


def test_state_before_an_exclusion_can_be_asked(project: Project) -> None:
    """It is a snapshot as after any other command."""
    before = project.history()[-1].snapshot
    project.exclude("P3", "artefacts")
    query = "SELECT count(*) AS n FROM exclusions"
    assert project.sql(query).to_pylist() == [{"n": 1}]
    assert project.sql(query, as_of=str(before)).to_pylist() == [{"n": 0}]


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("", "why is not said; add --reason"),
        (" \n ", "why is not said"),
        ("x" * 121, "the reason has 121 letters, 120 are allowed"),
        ("\x1b[31mred", "letters, 120 are allowed"),
        ("died 3.4.2024", "holds a date or a long number"),
        ("see 2024-04-03", "holds a date or a long number"),
        ("accession 4711012", "holds a date or a long number"),
        ("same tumour as p5, twice", "the reason names a patient"),
    ],
)
def test_reason_names_nobody(project: Project, reason: str, message: str) -> None:
    """It is stored and drawn; what it holds is not shown back."""
    with pytest.raises(UsageError, match=message) as caught:
        project.exclude("P3", reason)
    assert caught.value.way_out
    assert not reason.strip() or reason not in caught.value.message
    assert project.exclude() == []


@pytest.mark.parametrize(
    ("patient", "reason"),
    [
        ("Patient 07", "like patient 07, twice"),
        ("Patient 07", "as in Patient_07/AP"),
        ("P-3", "like p 3"),
        ("P3", "like P-3"),
        ("Müller", "like Mu\u0308ller"),
    ],
)
def test_reason_names_nobody_however_it_is_spelt(written: WrittenProject, patient: str, reason: str) -> None:
    """A pseudonym may hold blanks and signs, and a writer may put others there."""
    row = {"patient_id": patient, "mvi": 1, "centre": "A", "age": 50.0, "sex": "male"}
    written.clinical([row])
    written.project.settle("ingest")
    with pytest.raises(UsageError, match="the reason names a patient"):
        written.project.exclude(patient, reason)
    assert len(written.project.exclude(patient, "patient moved in 07 of 9 slices")) == 1


def test_who_is_not_there_or_already_out_is_told(project: Project) -> None:
    """A misspelt pseudonym must not look like an exclusion."""
    with pytest.raises(UsageError, match="named the patient 'p3'; check the pseudonym"):
        project.exclude("p3", "artefacts")
    with pytest.raises(UsageError, match="P3 is not excluded; `mvi exclude` lists who is"):
        project.exclude("P3", undo=True)
    project.exclude("P3", "artefacts")
    with pytest.raises(UsageError, match="P3 is excluded already; `mvi exclude P3 --undo` takes it back"):
        project.exclude("P3", "artefacts")
    with pytest.raises(UsageError, match="--undo takes no reason"):
        project.exclude("P3", "artefacts", undo=True)
    with pytest.raises(UsageError, match="no patient is named"):
        project.exclude(reason="artefacts")


def test_empty_store_is_told(written: WrittenProject) -> None:
    """There is nobody to exclude."""
    with pytest.raises(StoreError, match="the store is empty; run `mvi ingest` first"):
        written.project.exclude()
