"""Proposals for real folders, and what is refused before a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.errors import UsageError
from mvi_ray.ingest.manifest import read_manifest
from mvi_ray.ingest.pseudonym import Identities, pseudonym, trusted
from mvi_ray.project import Project
from mvi_ray.project.proposing import DicomSource, FileSource

if TYPE_CHECKING:
    from pathlib import Path

_STUDY = """\
schema_version: 1
phases: [{phases}]
preprocessing: none
families: {{cr: {{spacing_mm: [1, 1, 1], bin_width: 25, image_types: [original]}}}}
{more}
"""
SARCOMA = "dicom: {phases: {MR_T1: {modality: MR}, PET: {modality: PT}}}"
KEY = bytes(32)


def project(folder: Path, phases: str, more: str = "") -> Project:
    """A project with these phases."""
    folder.mkdir()
    (folder / "study.yaml").write_text(_STUDY.format(phases=phases, more=more), encoding="utf-8")
    return Project(folder)


def test_sarcoma_contours_find_their_images(real_data: Path, tmp_path: Path) -> None:
    """Two patients, MR and PET in one frame of reference, each with the RTSTRUCT drawn on it."""
    opened = project(tmp_path / "project", "MR_T1, PET", SARCOMA)
    path = tmp_path / "manifest.csv"
    root = real_data / "sts-dicom-rtstruct"
    found = opened.propose(DicomSource(root), path, identify=trusted)
    assert (found.patients, found.left_out, found.problems, found.notes) == (2, 0, (), ())
    manifest = read_manifest(path, opened.study)
    assert manifest.problems == []
    assert list(manifest.groups) == [
        (patient, "baseline", phase) for patient in ("STS_002", "STS_003") for phase in ("MR_T1", "PET")
    ]
    for (patient, _, phase), [(_, row)] in manifest.groups.items():
        assert (manifest.folder / row.image).samefile(root / patient / phase / "image")
        assert (manifest.folder / str(row.mask)).samefile(root / patient / phase / "mask" / "RS.dcm")
        assert row.series is not None
        assert row.part is None
    # Counted with a DICOM viewer.
    assert [row.slices for row in found.rows] == [35, 48, 47, 51]


@pytest.mark.parametrize(
    ("more", "remark"),
    [
        ("", ("phase by order: check",)),
        ("dicom: {phases: {AP: {part: 1}, PP: {part: 2}, HBP: {modality: MR, part: 3}}}", ()),
    ],
)
def test_breast_series_of_three_time_points_becomes_three_phases(
    real_data: Path, tmp_path: Path, more: str, remark: tuple[str, ...]
) -> None:
    """With one SEG, which refers to none of them and lies on the grid of all."""
    opened = project(tmp_path / "project", "AP, PP, HBP", more)
    path = tmp_path / "manifest.csv"
    root = real_data / "dce-mri-seg"
    found = opened.propose(DicomSource(root), path, identify=Identities(key=KEY))
    assert found.left_out == 0
    assert [(row.phase, row.part, row.slices, row.remarks) for row in found.rows] == [
        (phase, part, 60, remark) for part, phase in enumerate(("AP", "PP", "HBP"), start=1)
    ]
    # The content times of the first slices are 10:25:51, 10:32:38 and 10:38:32.
    assert [row.seen for row in found.rows] == ["MR 2, 0 s", "MR 2, 407 s", "MR 2, 761 s"]
    manifest = read_manifest(path, opened.study)
    assert manifest.problems == []
    patient = pseudonym(KEY, "UCSF-BR-06")
    assert list(manifest.groups) == [(patient, "baseline", phase) for phase in ("AP", "PP", "HBP")]
    for [(_, row)] in manifest.groups.values():
        assert (manifest.folder / row.image).samefile(root / "dynamic")
        assert (manifest.folder / str(row.mask)).samefile(root / "seg" / "1-1.dcm")
    assert "UCSF" not in path.read_text()


def test_sarcoma_files_are_those_of_their_own_manifest(real_data: Path, tmp_path: Path) -> None:
    """28 patients by a pattern, row for row."""
    opened = project(tmp_path / "project", "MR_T1, PET")
    root = real_data / "sts-mri-pet"
    path = tmp_path / "manifest.csv"
    opened.propose(FileSource(root, "images/{patient}/{phase}_mask.nii.gz"), path)
    wanted = read_manifest(root / "manifest.csv", opened.study)
    found = read_manifest(path, opened.study)
    assert list(found.groups) == list(wanted.groups)
    for key, [(_, row)] in found.groups.items():
        [(_, other)] = wanted.groups[key]
        assert (found.folder / row.image).samefile(wanted.folder / other.image)
        assert (found.folder / str(row.mask)).samefile(wanted.folder / str(other.mask))


def test_dicom_without_pseudonyms_is_refused(tmp_path: Path) -> None:
    """A PatientID is an identity; the ways out are named, and nothing is scanned."""
    opened = project(tmp_path / "project", "AP")
    with pytest.raises(UsageError, match=r"is an identity; give --crosswalk .*--key .*--trust-ids"):
        opened.propose(DicomSource(tmp_path / "none"), None)


def test_manifest_that_is_there_is_found_out_before_the_scan(tmp_path: Path) -> None:
    """Minutes later would be too late."""
    opened = project(tmp_path / "project", "AP")
    path = tmp_path / "manifest.csv"
    path.touch()
    with pytest.raises(UsageError, match="is there already"):
        opened.propose(DicomSource(tmp_path / "none"), path, identify=trusted)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (DicomSource, "folder cannot be read: .*; check its path"),
        (lambda folder: FileSource(folder, "{patient}.nii"), "the folder to scan cannot be read"),
        (lambda folder: DicomSource(folder.parent, folder.parent), "need both: --masks DIR and --pattern"),
        (
            lambda folder: DicomSource(folder.parent, folder.parent, "{patient}.nii"),
            "no mask fits the pattern",
        ),
        (lambda folder: DicomSource(folder.parent), "none of 1 files is a DICOM image; check the folder"),
    ],
)
def test_tree_that_cannot_be_used_is_wrong_usage(tmp_path: Path, source: object, message: str) -> None:
    """One line, with the way out."""
    opened = project(tmp_path / "project", "AP")
    with pytest.raises(UsageError, match=message):
        opened.propose(source(tmp_path / "none"), None, identify=trusted)  # type: ignore[operator]


def test_nothing_is_written_without_rows(tmp_path: Path) -> None:
    """An empty manifest would look like a finished one."""
    from tests.ingest.proposal.archive import Archive

    opened = project(tmp_path / "project", "AP")
    archive = Archive(tmp_path / "dicom")
    archive.images(1, slices=1)
    found = opened.propose(DicomSource(archive.path), tmp_path / "manifest.csv", identify=trusted)
    assert (found.rows, found.manifest) == ((), None)
    assert not (tmp_path / "manifest.csv").exists()
