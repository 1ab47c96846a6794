"""Rows: what contradicts another row waits for a person."""

from __future__ import annotations

from pathlib import Path

from mvi_ray.ingest.proposal.row import Drawn, ProposedRow, carried, settled
from tests.ingest.proposal.making import make_study

STUDY = make_study("AP", "PP")
MASK = Drawn(Path("m"), "file")


def row(phase: str = "AP", image: str = "a", patient: str = "P1", **more: object) -> ProposedRow:
    """A row with a mask."""
    return ProposedRow(patient, phase, Path(image), **{"drawn": MASK, **more})  # type: ignore[arg-type]


def test_rows_stand_by_patient_session_and_phase_of_the_study() -> None:
    """Those that wait come last among those of their session."""
    rows = [row("PP", "b"), row("", "c"), row("AP", "a"), row("PP", "d", "P0")]
    found = settled(rows, STUDY)
    assert [(one.patient, one.phase) for one in found] == [
        ("P0", "PP"),
        ("P1", "AP"),
        ("P1", "PP"),
        ("P1", ""),
    ]
    assert all(one.remarks == () for one in found)


def test_lesions_readers_and_regions_of_one_image_are_no_contradiction() -> None:
    """Each is a mask of its own."""
    masks = [MASK, Drawn(Path("n"), "file", lesion="2"), Drawn(Path("o"), "file", reader="R2")]
    masks.append(Drawn(Path("p"), "file", region="ring"))
    assert all(one.is_ready for one in settled([row(drawn=mask) for mask in masks], STUDY))


def test_parts_of_one_series_are_images_of_their_own() -> None:
    """Folder, series and part together are an image."""
    rows = [row(phase, series="0" * 12, part=part) for phase, part in (("AP", 1), ("PP", 2))]
    assert all(one.is_ready for one in settled(rows, STUDY))
    twice = [row("AP", series="0" * 12, part=part) for part in (1, 2)]
    assert [one.phase for one in settled(twice, STUDY)] == ["", ""]


def test_row_is_ready_with_patient_phase_image_and_mask() -> None:
    """Or where the study takes the mask of another phase."""
    assert row().is_ready
    assert not row("").is_ready
    assert not row(patient="").is_ready
    assert not row(drawn=None).is_ready
    assert row(drawn=None).served().is_ready
    assert not ProposedRow("P1", "AP", None, drawn=MASK).is_ready


def test_study_without_carried_masks_has_none() -> None:
    """Every phase has masks of its own then."""
    assert carried(STUDY) == {}
