"""Masks to images: by reference, by coordinates, by name; what fits nowhere is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.ingest.proposal.attach import attach_series
from mvi_ray.ingest.proposal.find import find
from mvi_ray.ingest.proposal.pattern import Pattern
from mvi_ray.ingest.proposal.series import candidates
from mvi_ray.ingest.proposal.tree import list_tree
from tests.ingest.dicom.writing import uid
from tests.ingest.proposal.archive import shown
from tests.ingest.proposal.making import make_study, touch

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.ingest.proposal.find import Found
    from mvi_ray.study import Study
    from tests.ingest.proposal.archive import Archive

MODALITIES = "dicom: {phases: {AP: {modality: MR}, PP: {modality: PT}}}"
NO_MASK = "no mask: name one, or take that of another phase (masks in study.yaml)"


def kinds(archive: Archive, study: Study) -> list[tuple[str, str | None]]:
    """Phase and kind of mask of each row."""
    return [(row[1], row[4]) for row in shown(archive.propose(study).rows)]


def test_one_seg_serves_all_time_points(archive: Archive) -> None:
    """It refers to nothing, shares their frame of reference, and lies on their slices."""
    archive.dynamic(5, 3)
    path = archive.seg(9)
    found = archive.propose(make_study("AP", "PP", "HBP"))
    assert shown(found.rows) == [
        ("PID4711", phase, "baseline", part, "SEG") for part, phase in enumerate(("AP", "PP", "HBP"), start=1)
    ]
    assert {row.drawn.path for row in found.rows if row.drawn} == {path}


def test_seg_between_the_slices_belongs_elsewhere(archive: Archive) -> None:
    """The same frame of reference is not enough."""
    archive.images(5)
    archive.seg(9, frames=(1.5,))
    found = archive.propose(make_study("AP"))
    assert [(row.drawn, row.remarks[-1], row.is_ready) for row in found.rows] == [(None, NO_MASK, False)]
    assert found.problems[0].reason == "1 SEG belongs to none of these images"


def test_mask_of_another_frame_of_reference_belongs_elsewhere(archive: Archive) -> None:
    """Its coordinates mean another place."""
    archive.images(5)
    archive.seg(9, FrameOfReferenceUID=uid("elsewhere"))
    archive.contours(10, FrameOfReferenceUID=uid("elsewhere"))
    found = archive.propose(make_study("AP"))
    assert {p.reason for p in found.problems} == {
        "1 SEG belongs to none of these images",
        "1 RTSTRUCT belongs to none of these images",
    }


def test_referenced_series_comes_before_coordinates(archive: Archive) -> None:
    """MR and PET of one session share their frame of reference."""
    archive.images(5)
    archive.images(6, modality="PT")
    archive.contours(9, refer={"series": uid("series", ("PID4711", 6))})
    assert kinds(archive, make_study("AP", "PP", more=MODALITIES)) == [("AP", None), ("PP", "RTSTRUCT")]


def test_mask_of_a_series_that_is_no_phase_is_told(archive: Archive) -> None:
    """It is not put on the next best image."""
    archive.images(5)
    archive.images(7)
    archive.contours(9, refer={"series": uid("series", ("PID4711", 7))})
    found = archive.propose(make_study("AP", more="dicom: {phases: {AP: {series_number: 5}}}"))
    assert [row.drawn for row in found.rows] == [None]
    assert [p.reason for p in found.problems] == ["1 RTSTRUCT belongs to none of these images"]


def test_referenced_slices_choose_the_time_point(archive: Archive) -> None:
    """A mask that was drawn on the second one is not that of the first."""
    archive.dynamic(5, 2)
    key = ("PID4711", 5)
    instances = [uid("instance", "PID4711", key, number) for number in (5, 6)]
    archive.seg(9, refer={"series": uid("series", key), "instances": instances})
    assert kinds(archive, make_study("AP", "PP")) == [("AP", None), ("PP", "SEG")]


def test_phases_that_take_a_mask_stay_blank(archive: Archive) -> None:
    """`masks: {PP: {from: AP}}`: one SEG for both is that of AP; a mask of PP alone stays."""
    study = make_study("AP", "PP")
    archive.dynamic(5, 2)
    archive.seg(9)
    there = archive.scan()
    images, _ = candidates("P1", there, study)
    rows, _ = attach_series(images, there, {"PP": "AP"})
    assert [(row.phase, row.drawn is None, row.is_served, row.is_ready) for row in rows] == [
        ("AP", False, False, True),
        ("PP", True, True, True),
    ]
    rows, _ = attach_series(images[1:], there, {"PP": "AP"})
    assert [(row.phase, row.is_served, row.drawn is None) for row in rows] == [("PP", False, False)]


def test_two_masks_of_one_image_wait(archive: Archive) -> None:
    """Two readers, two lesions or two versions: a person knows."""
    archive.images(5)
    archive.seg(9)
    archive.seg(10)
    found = archive.propose(make_study("AP"))
    assert [(row.phase, row.remarks[-1]) for row in found.rows] == [
        ("", "2 masks of AP: keep one, or tell lesion or reader")
    ] * 2


def test_mask_stays_with_its_patient(archive: Archive) -> None:
    """Also when coordinates agree by chance."""
    archive.images(5, FrameOfReferenceUID=uid("same"))
    archive.images(5, patient="PID9", FrameOfReferenceUID=uid("same"))
    archive.seg(9, patient="PID9", FrameOfReferenceUID=uid("same"))
    assert [(row[0], row[4]) for row in shown(archive.propose(make_study("AP")).rows)] == [
        ("PID4711", None),
        ("PID9", "SEG"),
    ]


def test_broken_seg_is_no_crash(archive: Archive) -> None:
    """Cut in the middle of its frames it belongs to nothing."""
    archive.images(5)
    path = archive.seg(9)
    path.write_bytes(path.read_bytes()[:-90])
    found = archive.propose(make_study("AP"))
    assert [row.drawn for row in found.rows] == [None]


def masks_beside(folder: Path, pattern: str, study: Study) -> list[Found]:
    """Files that a pattern finds."""
    return find(list_tree(folder), Pattern.parse(pattern), study, str)


def test_files_of_slicer_join_by_patient_and_phase(archive: Archive, tmp_path: Path) -> None:
    """SEG and RTSTRUCT among the images are not looked at then."""
    archive.dynamic(5, 2)
    archive.seg(9)
    study = make_study("AP", "PP")
    folder = touch(tmp_path / "masks", "PID4711_pp_R1.nrrd", "PID4711_pp_R2.nrrd", "PID4711_ap_R1.nrrd")
    found = archive.propose(study, masks=masks_beside(folder, "{patient}_{phase}_{reader}.nrrd", study))
    assert [(r.phase, r.part, r.drawn and (r.drawn.kind, r.drawn.reader)) for r in found.rows] == [
        ("AP", 1, ("file", "R1")),
        ("PP", 2, ("file", "R1")),
        ("PP", 2, ("file", "R2")),
    ]
    assert found.problems == ()


def test_file_without_a_phase_serves_images_of_one_grid(archive: Archive, tmp_path: Path) -> None:
    """Time points of a dynamic series; where grids differ it is told and left out."""
    archive.dynamic(5, 2)
    study = make_study("AP", "PP")
    masks = masks_beside(touch(tmp_path / "masks", "PID4711.nrrd"), "{patient}.nrrd", study)
    assert [row[1:] for row in shown(archive.propose(study, masks=masks).rows)] == [
        ("AP", "baseline", 1, "file"),
        ("PP", "baseline", 2, "file"),
    ]
    other = type(archive)(tmp_path / "MUELLER_TWO")
    other.images(5)
    other.images(6, slices=6, AcquisitionTime="120000")
    found = other.propose(study, masks=masks)
    assert [row.drawn for row in found.rows] == [None, None]
    assert [(p.severity, p.patient_id, p.reason) for p in found.problems] == [
        ("error", "PID4711", "mask that may be of several images")
    ]


def test_file_that_fits_nowhere_is_told(archive: Archive, tmp_path: Path) -> None:
    """By patient where it has images; strangers by count, for their names may be no pseudonyms."""
    archive.images(5)
    study = make_study("AP", "PP", more="dicom: {phases: {AP: {modality: MR}}}")
    folder = touch(tmp_path / "masks", "PID4711_PP.nrrd", "HANS_AP.nrrd", "EVA_AP.nrrd", "PID4711_late.nrrd")
    found = archive.propose(study, masks=masks_beside(folder, "{patient}_{phase}.nrrd", study))
    assert sorted((p.patient_id or "", p.reason) for p in found.problems if p.severity == "error") == [
        ("", "2 masks without images"),
        ("PID4711", "mask without an image of its patient, session and phase"),
        ("PID4711", "the study has no such phase"),
    ]
