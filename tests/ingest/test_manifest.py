"""The manifest: every row is taken or told, and none is guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from mvi_ray.errors import CaseError, ManifestError
from mvi_ray.ingest.manifest import Manifest, ManifestRow, read_manifest
from mvi_ray.study import parse_study

if TYPE_CHECKING:
    from pathlib import Path

STUDY = parse_study(
    """\
schema_version: 1
phases: [AP, PP]
readers: {model: R1, compare: [R2]}
preprocessing: none
families: {cr: {spacing_mm: [1, 1, 1], bin_width: 25, image_types: [original]}}
"""
)
ONE_PHASE = STUDY.model_copy(update={"phases": ("AP",)})


def manifest(folder: Path, *lines: str, study: object = ONE_PHASE) -> Manifest:
    """Read lines as a manifest."""
    path = folder / "manifest.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_manifest(path, study)  # type: ignore[arg-type]


HEAD = "patient_id,phase,image,mask"


def told(found: Manifest) -> list[tuple[str, int | None, str, str]]:
    """Severity, line, reason and way out of every problem."""
    return [(p.severity, p.line, p.reason, p.way_out) for p in found.problems]


def test_rows_are_grouped_by_image_with_defaults(tmp_path: Path) -> None:
    """Absent and blank cells are the defaults of the contract."""
    found = manifest(
        tmp_path,
        HEAD + ",session,lesion,reader,label,segment,organ_mask,organ_label,centre",
        "001,AP,a.nii,m.nii,,,,,,,,",
        "001,AP,a.nii,n.nii,,2,R2,,tumour,liver.nii,5,Aachen",
    )
    assert found.problems == []
    assert list(found.groups) == [("001", "baseline", "AP")]
    (line, first), (after, second) = found.groups["001", "baseline", "AP"]
    assert (line, after) == (2, 3)
    assert first == ManifestRow(patient_id="001", phase="AP", image="a.nii", mask="m.nii")
    assert (first.session, first.lesion, first.reader, first.label) == ("baseline", "1", "R1", 1)
    assert first.segment is first.organ_mask is first.organ_label is first.centre is None
    assert (second.organ_label, second.segment, second.centre) == (5, "tumour", "Aachen")
    assert found.folder == tmp_path.resolve()


def test_lesions_readers_sessions_and_phases_are_told_apart(tmp_path: Path) -> None:
    """Each combination is one mask, each patient, session and phase one image."""
    rows = [
        f"{p},{f},{p}{f}{s}.nii,m.nii,{s},{n},{r}"
        for p in ("001", "1")
        for f in ("AP", "PP")
        for s in ("baseline", "later")
        for n in (1, 2)
        for r in ("R1", "R2")
    ]
    found = manifest(tmp_path, HEAD + ",session,lesion,reader", *rows, study=STUDY)
    assert found.problems == []
    assert len(found.groups) == 8
    assert all(len(rows) == 4 for rows in found.groups.values())


@pytest.mark.parametrize(
    ("typo", "meant"),
    [("organ_masks", "organ_mask"), ("Centre", "centre"), ("center", "centre"), ("readr", "reader")],
)
def test_misspelt_column_is_an_error_with_a_suggestion(tmp_path: Path, typo: str, meant: str) -> None:
    """A misspelt setting must not be passed over in silence."""
    with pytest.raises(ManifestError, match=f"unknown column '{typo}'; did you mean '{meant}'"):
        manifest(tmp_path, f"{HEAD},{typo}", "001,AP,a.nii,m.nii,x")


def test_misspelt_required_column_gets_the_suggestion(tmp_path: Path) -> None:
    """Rather than hearing that it is missing."""
    with pytest.raises(ManifestError, match="unknown column 'PatientID'; did you mean 'patient_id'"):
        manifest(tmp_path, "PatientID,phase,image,mask", "001,AP,a.nii,m.nii")


def test_other_column_is_noted(tmp_path: Path) -> None:
    """What is not read is said once."""
    found = manifest(tmp_path, HEAD + ",scanner", "001,AP,a.nii,m.nii,Siemens")
    assert [(s, n, r) for s, n, r, _ in told(found)] == [("warning", 1, "column 'scanner' is not read")]
    assert len(found.groups) == 1


@pytest.mark.parametrize("gone", ["patient_id", "phase", "image", "mask"])
def test_missing_column_is_told(tmp_path: Path, gone: str) -> None:
    """With what a manifest needs."""
    columns = [c for c in HEAD.split(",") if c != gone]
    with pytest.raises(
        ManifestError, match=f"column '{gone}' is missing; it needs patient_id, phase, image, mask"
    ):
        manifest(tmp_path, ",".join(columns), ",".join("AP" for _ in columns))


@pytest.mark.parametrize(
    ("row", "reason", "way_out"),
    [
        (",AP,a.nii,m.nii,,,", "patient_id is blank", "fill in the cell"),
        ("001,,a.nii,m.nii,,,", "phase is blank", "fill in the cell"),
        ("001,AP,,m.nii,,,", "image is blank", "fill in the cell"),
        ("001,AP,a.nii,,,,", "mask is blank", "fill in the cell"),
        ("001,HBP,a.nii,m.nii,,,", "the study has no phase 'HBP'", "use one of AP, PP"),
        ("001,ap,a.nii,m.nii,,,", "the study has no phase 'ap'", "use one of AP, PP"),
        ("001,AP,a.nii,m.nii,R3,,", "the study has no reader 'R3'", "use one of R1, R2, or add it"),
        ("001,A P,a.nii,m.nii,,,", "phase: 'A P' is not a name", "correct the cell (got 'A P')"),
        ("001,AP,a.nii,m.nii,,0,", "label: Input should be greater than", "correct the cell (got '0')"),
        ("001,AP,a.nii,m.nii,,-1,", "label: Input should be greater than", "correct the cell (got '-1')"),
        (
            "001,AP,a.nii,m.nii,,1.5,",
            "label: Input should be a valid integer",
            "correct the cell (got '1.5')",
        ),
        (
            "001,AP,a.nii,m.nii,,tumour,",
            "label: Input should be a valid integer",
            "correct the cell (got 'tum",
        ),
        (
            "001,AP,a.nii,m.nii,,,liver",
            "organ_label: Input should be a valid integer",
            "correct the cell (got 'li",
        ),
        ('"00\n1",AP,a.nii,m.nii,,,', "patient_id holds a line break, a tab or", "correct the cell"),
    ],
)
def test_row_that_cannot_be_taken_is_told(tmp_path: Path, row: str, reason: str, way_out: str) -> None:
    """The line, what is wrong and what to do; the next row is taken."""
    good = ["002,AP,a.nii,m.nii,,,", "002,PP,b.nii,m.nii,,,"]
    found = manifest(tmp_path, HEAD + ",reader,label,organ_label", row, *good, study=STUDY)
    assert list(found.groups) == [("002", "baseline", "AP"), ("002", "baseline", "PP")]
    assert len(found.problems) == 1
    problem = found.problems[0]
    assert problem.severity == "error"
    assert problem.line == 2 + row.count("\n")
    assert problem.reason.startswith(reason)
    assert problem.way_out.startswith(way_out)


def test_odd_identifier_is_not_repeated_in_the_way_out(tmp_path: Path) -> None:
    """What is wrong in the column of the patient may be a name."""
    found = manifest(tmp_path, HEAD, '"Hans\nMüller",AP,a.nii,m.nii')
    assert "Müller" not in found.problems[0].reason + found.problems[0].way_out


@pytest.mark.parametrize("series", ["1.2.840.113619", "0123456789ABC", "T1 Müller"])
def test_cell_that_is_no_series_is_told_in_words(tmp_path: Path, series: str) -> None:
    """Not by a pattern; and without the cell, which may hold what a header says."""
    found = manifest(tmp_path, HEAD + ",series", f"001,AP,a,m.nii,{series}", study=ONE_PHASE)
    assert [(p.reason, p.way_out) for p in found.problems] == [
        (
            "series is not 12 digits of 0 to 9 and a to f, as `mvi ingest --dicom` writes them",
            "correct the cell",
        )
    ]


def test_doubled_row_is_told_with_the_first_line(tmp_path: Path) -> None:
    """The first stays, the second is left out, equal or not."""
    found = manifest(tmp_path, HEAD, "001,AP,a.nii,m.nii", "001,AP,a.nii,m.nii", "001,AP,a.nii,n.nii")
    assert [(s, n, r) for s, n, r, _ in told(found)] == [
        ("error", 3, "the same patient, session, phase, lesion, reader and region stand in line 2"),
        ("error", 4, "the same patient, session, phase, lesion, reader and region stand in line 2"),
    ]
    assert [line for line, _ in found.groups["001", "baseline", "AP"]] == [2]


def test_two_images_for_one_phase_are_told_without_their_names(tmp_path: Path) -> None:
    """One phase has one image; the paths stay out of the message."""
    found = manifest(
        tmp_path, HEAD + ",reader", "001,AP,hans.nii,m.nii,R1", "001,AP,mueller.nii,m.nii,R2", study=ONE_PHASE
    )
    assert [(s, n) for s, n, _, _ in told(found)] == [("error", 3)]
    assert found.problems[0].reason == "another image is given for this patient, session and phase in line 2"
    assert ".nii" not in found.problems[0].reason + found.problems[0].way_out


def test_patient_of_two_centres_is_told(tmp_path: Path) -> None:
    """Splits by centre would tear the patient apart; a blank cell says nothing."""
    rows = ["001,AP,a.nii,m.nii,R1,Aachen", "001,AP,a.nii,m.nii,R2,", "001,PP,b.nii,m.nii,R1,Bonn"]
    found = manifest(tmp_path, HEAD + ",reader,centre", *rows, study=STUDY)
    assert found.problems[0].reason == "centre is 'Bonn' here and 'Aachen' above"
    assert found.problems[0].line == 4


def test_missing_phase_is_a_warning_for_each_session(tmp_path: Path) -> None:
    """Silently absent is what nothing may be."""
    rows = ["001,AP,a.nii,m.nii,baseline", "001,PP,b.nii,m.nii,baseline", "001,PP,c.nii,m.nii,later"]
    found = manifest(tmp_path, HEAD + ",session", *rows, study=STUDY)
    assert [(p.severity, p.patient_id, p.session, p.phase) for p in found.problems] == [
        ("warning", "001", "later", "AP")
    ]


def test_manifest_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """Mark, semicolons, CRLF, blanks, blank lines and filled cells at once."""
    path = tmp_path / "manifest.csv"
    path.write_bytes(
        b"\xef\xbb\xbfpatient_id;phase;image;mask;;\r\n\r\n"
        b" 001 ;AP;a b.nii; m.nii;;\r\n;;;;;\r\n002;AP;c.nii;d.nii;;\r\n"
    )
    found = read_manifest(path, ONE_PHASE)
    assert found.problems == []
    assert [(line, row.patient_id, row.image) for rows in found.groups.values() for line, row in rows] == [
        (3, "001", "a b.nii"),
        (5, "002", "c.nii"),
    ]


def test_row_is_frozen_and_closed() -> None:
    """A row is a value."""
    row = ManifestRow(patient_id="001", phase="AP", image="a", mask="m")
    with pytest.raises(ValidationError, match="frozen"):
        row.label = 2
    with pytest.raises(ValidationError, match="Extra inputs"):
        ManifestRow(patient_id="001", phase="AP", image="a", mask="m", lable=2)  # type: ignore[call-arg]
    assert row.image_key == ("001", "baseline", "AP")
    assert row.case == {
        "patient_id": "001",
        "session": "baseline",
        "phase": "AP",
        "lesion": "1",
        "reader": "R1",
    }


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("label,segment", "1,Tumour", "label and segment are both given"),
        ("organ_label", "5", "organ_label is given without organ_mask"),
    ],
)
def test_cells_that_contradict_each_other_are_told(
    tmp_path: Path, column: str, cell: str, reason: str
) -> None:
    """Nothing is guessed: one of two ways to name a tumour, no label without its file."""
    path = tmp_path / "manifest.csv"
    path.write_text(f"patient_id,phase,image,mask,{column}\nP1,AP,a.nii,b.nii,{cell}\n", encoding="utf-8")
    found = read_manifest(path, STUDY)
    assert [(p.severity, p.reason) for p in found.problems if p.severity == "error"] == [("error", reason)]
    assert found.groups == {}


def test_patients_are_given_pseudonyms(tmp_path: Path) -> None:
    """Two identifiers of one patient meet in one group."""
    path = tmp_path / "manifest.csv"
    path.write_text(f"{HEAD},reader\n0471,AP,a.nii,m.nii,R1\nH-9,AP,a.nii,n.nii,R2\n", encoding="utf-8")
    found = read_manifest(path, STUDY.model_copy(update={"phases": ("AP",)}), {"0471": "P1", "H-9": "P1"}.get)
    assert found.problems == []
    assert list(found.groups) == [("P1", "baseline", "AP")]


def test_patient_without_a_pseudonym_is_told_by_line(tmp_path: Path) -> None:
    """The cell holds an identity then, and no part of a problem may."""

    def nobody(_: str) -> str:
        raise CaseError("patient identifier is not in the crosswalk; add it")

    path = tmp_path / "manifest.csv"
    path.write_text(f"{HEAD}\nMUELLER,AP,a.nii,m.nii\n,AP,a.nii,m.nii\n", encoding="utf-8")
    found = read_manifest(path, STUDY, nobody)
    assert told(found) == [
        ("error", 2, "patient identifier is not in the crosswalk", "add it"),
        ("error", 3, "patient_id is blank", "fill in the cell"),
    ]
    assert "MUELLER" not in str([p.to_json() for p in found.problems])
    assert found.groups == {}


def test_organ_that_no_line_takes_is_told(tmp_path: Path) -> None:
    """On the line of a region, or where the mask of another phase is taken."""
    study = parse_study(
        """\
schema_version: 1
phases: [AP, PP]
regions: {margin: {kind: drawn}, rim: {kind: drawn}}
masks: {PP: {from: AP}}
preprocessing: none
families: {cr: {spacing_mm: [1, 1, 1], bin_width: 25, image_types: [original]}}
"""
    )
    found = manifest(
        tmp_path,
        HEAD + ",region,organ_mask,organ_label",
        "1,AP,a.nii,m.nii,,liver.nii,5",
        "1,AP,a.nii,r.nii,margin,liver.nii,5",
        "1,AP,a.nii,s.nii,rim,liver.nii,4",
        "1,PP,p.nii,,,liver.nii,5",
        study=study,
    )
    assert told(found) == [
        (
            "warning",
            4,
            "organ_mask is not read on the line of a region",
            "name it on the line of the tumour",
        ),
        (
            "warning",
            5,
            "organ_mask is not read where mask is blank",
            "the organ is carried with the mask",
        ),
    ]
