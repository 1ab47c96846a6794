"""Series to phases: by rules, else by order, else by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.ingest.proposal.series import by_patient
from tests.ingest.proposal.archive import shown
from tests.ingest.proposal.making import make_study, nobody

if TYPE_CHECKING:
    from tests.ingest.proposal.archive import Archive

RULES = "dicom: {phases: {AP: {series_number: 5}, PP: {series_number: 6}}}"


def phases(archive: Archive, *names: str, more: str = "") -> list[tuple[str, str, int | None]]:
    """Phase, what was seen, and part of each row."""
    return [(r.phase, r.seen, r.part) for r in archive.propose(make_study(*names, more=more)).rows]


def test_rules_choose_series(archive: Archive) -> None:
    """What fulfils none is counted and left out."""
    for number in (4, 5, 6):
        archive.images(number)
    found = archive.propose(make_study("AP", "PP", more=RULES))
    assert [(r.phase, r.seen, r.slices) for r in found.rows] == [("AP", "MR 5", 4), ("PP", "MR 6", 4)]
    assert all(row.image == archive.path / "PID4711" / row.seen[-1] for row in found.rows)
    assert all(len(row.series) == 12 for row in found.rows)
    assert found.notes == ("1 image series is no phase of the study and left out.",)


def test_rules_choose_time_points(archive: Archive) -> None:
    """Of one dynamic series."""
    archive.dynamic(5, 3)
    more = "dicom: {phases: {AP: {after_s: [30, 90]}, PP: {part: 3}}}"
    assert phases(archive, "AP", "PP", more=more) == [("AP", "MR 5, 60 s", 2), ("PP", "MR 5, 120 s", 3)]


def test_two_series_for_one_phase_wait(archive: Archive) -> None:
    """A repeated acquisition is chosen by a person."""
    archive.images(5)
    archive.images(6)
    found = archive.propose(make_study("AP", more="dicom: {phases: {AP: {modality: MR}}}"))
    assert [(row.phase, row.remarks[-1]) for row in found.rows] == [
        ("", "2 images could be AP: keep one")
    ] * 2


def test_series_for_two_phases_waits(archive: Archive) -> None:
    """The rules have to be told apart."""
    archive.images(5)
    more = "dicom: {phases: {AP: {modality: MR}, PP: {series_number: 5}}}"
    (row,) = archive.propose(make_study("AP", "PP", more=more)).rows
    assert row.phase == ""
    assert row.remarks[0] == "fits the rules of AP and PP: make one of them narrower"


def test_phase_without_series_is_told_with_what_was_seen(archive: Archive) -> None:
    """Modality, number and sizes, and no free text."""
    archive.images(5)
    archive.images(7, slices=9)
    found = archive.propose(make_study("AP", "PP", more=RULES))
    assert [(p.case, p.reason) for p in found.problems if p.phase] == [
        ("PID4711 PP", "no image is this phase; seen: MR 5 (4 slices), MR 7 (9 slices)")
    ]


def test_without_rules_the_order_of_a_dynamic_series_counts(archive: Archive) -> None:
    """When it has as many time points as the study has phases, whatever else is there."""
    archive.dynamic(5, 2)
    archive.images(6)
    found = archive.propose(make_study("AP", "PP"))
    assert [(r.phase, r.part, r.remarks[0]) for r in found.rows] == [
        ("AP", 1, "phase by order: check"),
        ("PP", 2, "phase by order: check"),
    ]
    assert len(found.notes) == 1


def test_without_rules_the_order_of_series_counts(archive: Archive) -> None:
    """By the time at which they began, not by their number."""
    archive.images(6, AcquisitionTime="100000")
    archive.images(5, AcquisitionTime="103000")
    assert phases(archive, "AP", "PP") == [("AP", "MR 6", None), ("PP", "MR 5", None)]


def test_other_number_of_series_waits(archive: Archive) -> None:
    """All of them are rows, for a person to choose from."""
    for number in (4, 5, 6):
        archive.images(number)
    found = archive.propose(make_study("AP", "PP"))
    assert [row.phase for row in found.rows] == ["", "", ""]
    assert {row.remarks[0] for row in found.rows} == {
        "3 images for 2 phases: name the phase, or write rules under dicom.phases"
    }


def test_localizer_without_volume_does_not_count(archive: Archive) -> None:
    """A single slice is no image of a phase."""
    archive.images(1, slices=1)
    archive.images(5)
    assert phases(archive, "AP") == [("AP", "MR 5", None)]


def test_series_that_makes_no_volume_says_why(archive: Archive) -> None:
    """When a rule wants it; the reason is that of reading it."""
    archive.images(5, change=lambda _, at: at != 1)
    (row,) = archive.propose(make_study("AP", more="dicom: {phases: {AP: {modality: MR}}}")).rows
    assert row.phase == "AP"
    assert row.remarks[0].startswith("1 slice is missing")


def test_patient_without_a_volume_is_told(archive: Archive) -> None:
    """Silently absent is what nobody may be."""
    archive.images(1, slices=1)
    archive.images(5, patient="OTHER")
    found = archive.propose(make_study("AP"))
    assert [(r.patient, r.phase) for r in found.rows] == [("OTHER", "AP")]
    assert [(p.patient_id, p.reason) for p in found.problems] == [
        ("PID4711", "no image is this phase; seen: MR 1 (1 slices)")
    ]


@pytest.mark.parametrize(("day", "session"), [("20200401", "2"), ("20200101", "baseline")])
def test_examinations_with_one_phase_twice_are_sessions(archive: Archive, day: str, session: str) -> None:
    """In order of their days, which are told relative to each other only."""
    dates = {"StudyDate": day, "SeriesDate": day, "AcquisitionDate": day, "ContentDate": day}
    archive.images(5)
    archive.images(6, study="later", **dates)
    found = archive.propose(make_study("AP"))
    sessions = {row.seen: row.session for row in found.rows}
    assert sessions["MR 6"] == session
    assert sorted(sessions.values()) == ["2", "baseline"]
    days = {"20200401": 47, "20200101": 44}[day]
    second = next(row for row in found.rows if row.session == "2")
    assert f"examination {days} days after the first" in second.remarks
    assert "2020" not in repr(found)


def test_examinations_of_different_phases_are_one_session(archive: Archive) -> None:
    """MR on one day and PET on another, as hospitals do it."""
    archive.images(5)
    archive.images(6, study="PET", modality="PT")
    more = "dicom: {phases: {AP: {modality: MR}, PP: {modality: PT}}}"
    found = archive.propose(make_study("AP", "PP", more=more))
    assert [(r.phase, r.session) for r in found.rows] == [("AP", "baseline"), ("PP", "baseline")]


def test_patients_without_pseudonym_are_counted(archive: Archive) -> None:
    """And not named."""
    archive.images(5)
    archive.images(6, patient="PID4712")
    found = archive.propose(make_study("AP"), nobody)
    assert found.rows == ()
    assert [(p.severity, p.reason, p.way_out) for p in found.problems] == [
        ("error", "patient identifier is not in the crosswalk (2 of them, 2 series)", "add it")
    ]
    assert "PID" not in str([p.to_json() for p in found.problems])
    assert by_patient((), nobody) == ({}, [])


def test_identifiers_of_one_patient_meet(archive: Archive) -> None:
    """Two hospitals, one pseudonym."""
    archive.images(5, patient="A1")
    archive.images(6, patient="B2")
    found = archive.propose(make_study("AP", "PP", more=RULES), {"A1": "P1", "B2": "P1"}.__getitem__)
    assert [(row[0], row[1]) for row in shown(found.rows)] == [("P1", "AP"), ("P1", "PP")]


def test_header_that_holds_a_name_as_modality_is_not_shown(archive: Archive) -> None:
    """It is another modality (OT)."""
    archive.images(5, Modality="MUELLER")
    (row,) = archive.propose(make_study("AP")).rows
    assert row.seen == "OT 5"
