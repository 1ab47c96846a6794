"""Masks and images by the names of their files: each is a row, or is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.errors import UsageError
from mvi_ray.ingest.proposal.files import propose_files
from mvi_ray.ingest.proposal.pattern import Pattern
from mvi_ray.ingest.proposal.tree import list_tree
from tests.ingest.proposal.making import make_study, nobody, touch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mvi_ray.ingest.proposal.row import Proposal
    from mvi_ray.study import Study

STUDY = make_study("AP", "PP")


def propose(
    folder: Path,
    pattern: str,
    images: str | None = None,
    study: Study = STUDY,
    identify: Callable[[str], str] = str,
) -> Proposal:
    """The proposal for a folder."""
    where = None if images is None else Pattern.parse(images)
    return propose_files(list_tree(folder), Pattern.parse(pattern), where, study, identify)


def pairs(found: Proposal, folder: Path) -> list[tuple[str, str, str | None, str | None]]:
    """Patient, phase, image and mask of each row."""

    def name(path: Path | None) -> str | None:
        return None if path is None else path.relative_to(folder.resolve()).as_posix()

    return [(r.patient, r.phase, name(r.image), name(r.drawn and r.drawn.path)) for r in found.rows]


def test_masks_of_slicer_find_their_images(tmp_path: Path) -> None:
    """Segmentations beside the images, as 3D Slicer saves them; phases in any case, in order of the study."""
    touch(tmp_path, "S_01_pp.nrrd", "S_01_ap.nrrd", "S_01_pp_R1.seg.nrrd", "S_01_ap_r1.seg.nrrd")
    touch(tmp_path, "S_01_ap_R2.seg.nrrd", "scene.mrml")
    found = propose(tmp_path, "{patient}_{phase}_{reader}.seg.nrrd")
    assert pairs(found, tmp_path) == [
        ("S_01", "AP", "S_01_ap.nrrd", "S_01_ap_R2.seg.nrrd"),
        ("S_01", "AP", "S_01_ap.nrrd", "S_01_ap_r1.seg.nrrd"),
        ("S_01", "PP", "S_01_pp.nrrd", "S_01_pp_R1.seg.nrrd"),
    ]
    assert [row.drawn.reader for row in found.rows if row.drawn] == ["R2", "R1", "R1"]
    assert all(row.is_ready and row.remarks == () for row in found.rows)
    assert found.problems == ()


@pytest.mark.parametrize(
    ("mask", "pattern", "image"),
    [
        ("P1/AP.seg.nrrd", "{patient}/{phase}.seg.nrrd", "P1/AP.nrrd"),
        ("P1/AP.seg.nrrd", "{patient}/{phase}.seg.nrrd", "P1/AP.nii.gz"),
        ("P1/AP_mask.nii", "{patient}/{phase}_mask.nii", "P1/AP_image.nii"),
        ("P1/AP/R1.nrrd", "{patient}/{phase}/{reader}.nrrd", "P1/AP/image.nii.gz"),
        ("P1/AP/R1.nrrd", "{patient}/{phase}/{reader}.nrrd", "P1/AP/P1-AP.mha"),
        ("x/y/P1_AP_m.nrrd", "**/{patient}_{phase}_m.nrrd", "x/y/P1_AP_img.NRRD"),
    ],
)
def test_image_beside_the_mask_is_found(tmp_path: Path, mask: str, pattern: str, image: str) -> None:
    """By the usual names."""
    touch(tmp_path, mask, image, "other/AP.nrrd", "P1/note.txt")
    assert pairs(propose(tmp_path, pattern), tmp_path) == [("P1", "AP", image, mask)]


def test_images_are_found_by_a_pattern_of_their_own(tmp_path: Path) -> None:
    """Files or folders of DICOM, elsewhere; what both paths tell has to agree."""
    touch(tmp_path, "A/roi/P1_AP.nrrd", "B/roi/P1_AP.nrrd", "A/mr/P1/ap/1.dcm", "B/mr/P1/AP/1.dcm")
    found = propose(tmp_path, "{centre}/roi/{patient}_{phase}.nrrd", "{centre}/mr/{patient}/{phase}/")
    assert [(row.centre, row.image) for row in found.rows if row.phase] == []
    assert {row.remarks for row in found.rows} == {("2 images could be AP: keep one",)}
    found = propose(tmp_path, "{centre}/roi/{patient}_{phase}.nrrd", "A/mr/{patient}/{phase}/")
    assert [row.image for row in found.rows] == [tmp_path.resolve() / "A/mr/P1/ap"] * 2
    found = propose(tmp_path / "A", "roi/{patient}_{phase}.nrrd", "mr/{patient}/{phase}/")
    assert pairs(found, tmp_path / "A") == [("P1", "AP", "mr/P1/ap", "roi/P1_AP.nrrd")]


def test_fields_become_cells(tmp_path: Path) -> None:
    """Centre, session, lesion and region as well."""
    touch(tmp_path, "Bonn/P1/later/AP_2_intratumoral.nrrd", "Bonn/P1/later/AP.nrrd")
    (row,) = propose(tmp_path, "{centre}/{patient}/{session}/{phase}_{lesion}_{region}.nrrd").rows
    assert row.drawn
    assert (row.centre, row.session, row.drawn.lesion, row.drawn.region) == (
        "Bonn",
        "later",
        "2",
        "intratumoral",
    )


def test_study_with_one_phase_needs_none_in_the_pattern(tmp_path: Path) -> None:
    """There is nothing to choose."""
    touch(tmp_path, "P1_seg.nrrd", "P1.nrrd")
    found = propose(tmp_path, "{patient}_seg.nrrd", study=make_study("T1"))
    assert pairs(found, tmp_path) == [("P1", "T1", "P1.nrrd", "P1_seg.nrrd")]


def test_phase_that_the_study_lacks_waits_with_a_suggestion(tmp_path: Path) -> None:
    """The phase stays blank; what stands in the name is not repeated, for it may be anybody's."""
    touch(tmp_path, "P1_APX_m.nrrd", "P1_Mueller_m.nrrd", "P1_AP_m.nrrd", "P1_AP.nrrd")
    found = propose(tmp_path, "{patient}_{phase}_m.nrrd")
    waiting = {row.drawn.path.name: row for row in found.rows if row.drawn and not row.is_ready}
    assert set(waiting) == {"P1_APX_m.nrrd", "P1_Mueller_m.nrrd"}
    assert waiting["P1_APX_m.nrrd"].remarks == ("the study has no such phase (did you mean 'AP'?)",)
    assert waiting["P1_Mueller_m.nrrd"].remarks == ("the study has no such phase",)
    assert {(row.patient, row.phase) for row in waiting.values()} == {("P1", "")}


def test_reader_that_the_study_lacks_waits(tmp_path: Path) -> None:
    """As with phases."""
    touch(tmp_path, "P1_AP_R1b.nrrd", "P1_AP.nrrd")
    (row,) = propose(tmp_path, "{patient}_{phase}_{reader}.nrrd").rows
    assert (row.patient, row.phase) == ("P1", "")
    assert row.remarks == ("the study has no such reader (did you mean 'R1'?)",)


def test_name_that_reads_in_two_ways_waits(tmp_path: Path) -> None:
    """What both readings share is kept."""
    touch(tmp_path, "S_1_b_AP_m.nrrd", "S_1_b_AP.nrrd")
    (row,) = propose(tmp_path, "{patient}_{session}_{phase}_m.nrrd").rows
    assert (row.patient, row.phase) == ("", "")
    assert row.remarks[0].startswith("the pattern fits in several ways")


def test_mask_without_image_and_with_two_waits(tmp_path: Path) -> None:
    """The image is blank, since none is guessed."""
    touch(tmp_path, "P1_AP_m.nrrd", "P1_AP.nrrd", "P1_AP.nii.gz", "P2_AP_m.nrrd")
    found = propose(tmp_path, "{patient}_{phase}_m.nrrd")
    assert [(row.patient, row.image, row.remarks) for row in found.rows] == [
        ("P1", None, ("2 images fit: name one",)),
        ("P2", None, ("no image was found",)),
    ]
    assert not any(row.is_ready for row in found.rows)


def test_image_without_mask_is_told(tmp_path: Path) -> None:
    """By patient and phase."""
    touch(tmp_path, "m/P1_AP.nrrd", "i/P1_AP.nrrd", "i/P1_PP.nrrd", "i/P2_PP.nrrd", "i/P2_pp.nrrd")
    found = propose(tmp_path, "m/{patient}_{phase}.nrrd", "i/{patient}_{phase}.nrrd")
    assert [(p.case, p.severity, p.reason) for p in found.problems] == [
        ("P1 PP", "warning", "image without a mask"),
        ("P2 PP", "warning", "2 images without a mask"),
    ]


def test_image_for_all_phases_waits(tmp_path: Path) -> None:
    """One image cannot be two phases."""
    touch(tmp_path, "P1_AP_m.nrrd", "P1_PP_m.nrrd", "P1.nrrd")
    found = propose(tmp_path, "{patient}_{phase}_m.nrrd")
    assert {row.remarks for row in found.rows} == {("the image stands for 2 patients, sessions or phases",)}
    assert {row.phase for row in found.rows} == {""}


def test_two_masks_of_one_reader_wait(tmp_path: Path) -> None:
    """They may be two lesions, or an old version."""
    touch(tmp_path, "P1/AP.nrrd", "P1/AP_a.seg.nrrd", "P1/AP_b.seg.nrrd")
    found = propose(tmp_path, "{patient}/{phase}_*.seg.nrrd")
    assert {row.remarks for row in found.rows} == {("2 masks of AP: keep one, or tell lesion or reader",)}


def test_patients_get_pseudonyms(tmp_path: Path) -> None:
    """Two identifiers of one patient meet; an unknown one waits without a name."""
    touch(tmp_path, "0471_AP_m.nrrd", "0471_AP.nrrd", "H9_PP_m.nrrd", "H9_PP.nrrd")
    known = {"0471": "P1", "H9": "P1"}
    found = propose(tmp_path, "{patient}_{phase}_m.nrrd", identify=known.__getitem__)
    assert pairs(found, tmp_path) == [
        ("P1", "AP", "0471_AP.nrrd", "0471_AP_m.nrrd"),
        ("P1", "PP", "H9_PP.nrrd", "H9_PP_m.nrrd"),
    ]
    found = propose(tmp_path, "{patient}_{phase}_m.nrrd", identify=nobody)
    assert {(row.patient, row.phase) for row in found.rows} == {("", "")}
    assert {row.remarks for row in found.rows} == {("patient identifier is not in the crosswalk; add it",)}


@pytest.mark.parametrize(
    ("pattern", "images", "message"),
    [
        ("{patient}_{phase}.seg.nrrd", None, "none of 2 files and folders fits the pattern; fields stand in"),
        ("{phase}_m.nrrd", None, "does not say where the patient stands; write {patient} into it"),
        (
            "{patient}_AP_m.nrrd",
            None,
            "has the phases AP, PP, and the pattern does not say .*; write {phase}",
        ),
        ("{patient}_{phase}_m.nrrd", "{patient}_{phase}.nii", "no image fits the pattern of --images"),
        ("{patient}_{phase}_m.nrrd", "{phase}_x.nrrd", "does not say where the patient stands"),
    ],
)
def test_pattern_that_does_not_fit_is_wrong_usage(
    tmp_path: Path, pattern: str, images: str | None, message: str
) -> None:
    """With the way out."""
    touch(tmp_path, "P1_AP_m.nrrd", "P1_AP.nrrd")
    with pytest.raises(UsageError, match=message):
        propose(tmp_path, pattern, images)


def test_no_image_at_all_asks_for_its_pattern(tmp_path: Path) -> None:
    """Rather than a row of problems."""
    touch(tmp_path, "P1_AP_m.nrrd", "scan1.nrrd")
    with pytest.raises(
        UsageError, match=r"no image was found beside any of the 1 masks; say where .* --images"
    ):
        propose(tmp_path, "{patient}_{phase}_m.nrrd")
