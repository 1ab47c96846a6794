"""Real examinations by one command each, as a hospital has them: NIfTI, DICOM, RTSTRUCT and SEG."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from mvi_ray.project import Project
from mvi_ray.store.volumes import StoredVolume
from tests.conftest import TinyProject

if TYPE_CHECKING:
    from mvi_ray.volume import Mask

_STUDY = """\
schema_version: 1
phases: [{phases}]
preprocessing: none
regions: {{{regions}}}
families: {{cr: {{spacing_mm: null, bin_count: 32, image_types: [original]}}}}
dicom: {{suv: true, phases: {{{rules}}}}}
"""
_RING = "peritumoral: {kind: ring, outer_mm: 10}"
_SARCOMA = "MR_T1: {modality: MR}, PET: {modality: PT}"
_PATIENTS = ("STS_002", "STS_003")
_LIVER = 5


def project(folder: Path, phases: str, regions: str = "", rules: str = "") -> Path:
    """A folder with a study file."""
    folder.mkdir()
    text = _STUDY.format(phases=phases, regions=regions, rules=rules)
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    return folder


def ingest(folder: Path, *args: object) -> str:
    """Run one command to its good end; returns what it printed."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("mvi")), "-C", str(folder), "ingest", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder.parent,
        env={k: v for k, v in os.environ.items() if not k.startswith("MVI_")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def masks(folder: Path) -> dict[tuple[str, ...], dict[str, object]]:
    """Rows of `masks` by patient, phase and region."""
    rows = Project(folder).sql("FROM masks").to_pylist()
    return {(row["patient_id"], row["phase"], row["region"]): row for row in rows}


def load(folder: Path, row: dict[str, object]) -> Mask:
    """The voxels behind a row of the table `masks`."""
    return StoredVolume.of_row(row, "mask_digest").load_mask(folder / "store")


@pytest.fixture(scope="module")
def sarcoma(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two patients from NIfTI and again from DICOM with contours: one command each."""
    here = tmp_path_factory.mktemp("sarcoma")
    manifest = here / "two.csv"
    source = real_data / "sts-mri-pet"
    header, *lines = (source / "manifest.csv").read_text(encoding="utf-8").splitlines()
    chosen = [line for line in lines if line.startswith(_PATIENTS)]
    text = "\n".join([header, *chosen]).replace(",images/", f",{source}/images/")
    manifest.write_text(text, encoding="utf-8")
    made = {kind: project(here / kind, "MR_T1, PET", rules=_SARCOMA) for kind in ("nifti", "dicom")}
    told = ingest(made["nifti"], manifest)
    assert "Ingested 4 images and 4 masks" in told
    told = ingest(
        made["dicom"],
        "--dicom",
        real_data / "sts-dicom-rtstruct",
        "--trust-ids",
        "--yes",
        "-o",
        here / "d.csv",
    )
    assert "Ingested 4 images and 4 masks" in told
    return made


def test_sarcoma_goes_in_from_nifti_and_from_dicom(sarcoma: dict[str, Path]) -> None:
    """The same patients, phases and voxels inside; nothing is left out, and the page is written."""
    keys = {(patient, phase, "intratumoral") for patient in _PATIENTS for phase in ("MR_T1", "PET")}
    for folder in sarcoma.values():
        assert set(masks(folder)) == keys
        assert Project(folder).sql("FROM quarantine").num_rows == 0
        assert (folder / "quality.html").is_file()
    files, dicom = (masks(sarcoma[kind]) for kind in ("nifti", "dicom"))
    assert {key: row["voxels"] for key, row in files.items()} == {
        key: row["voxels"] for key, row in dicom.items()
    }
    facts = "SELECT DISTINCT phase, modality, manufacturer IS NULL AS unknown FROM images ORDER BY ALL"
    assert [tuple(row.values()) for row in Project(sarcoma["dicom"]).sql(facts).to_pylist()] == [
        ("MR_T1", "MR", False),
        ("PET", "PT", False),
    ]


def test_contours_and_nifti_give_the_same_volume_and_mean(sarcoma: dict[str, Path]) -> None:
    """Within one percent, MR and PET; in DICOM the PET is activity and becomes SUV."""
    query = """
        SELECT patient_id, phase, volume_mm3, firstorder_Mean FROM cr
        JOIN masks USING (patient_id, session, phase, lesion, region, reader) ORDER BY patient_id, phase
    """
    found = {}
    for kind, folder in sarcoma.items():
        summary = TinyProject(folder).extract()
        assert (summary.planned, summary.failed) == (4, 0)
        found[kind] = Project(folder).sql(query).to_pylist()
    keys = [(row["patient_id"], row["phase"]) for row in found["nifti"]]
    assert keys == [(patient, phase) for patient in _PATIENTS for phase in ("MR_T1", "PET")]
    for one, other in zip(found["nifti"], found["dicom"], strict=True):
        assert (one["patient_id"], one["phase"]) == (other["patient_id"], other["phase"])
        for name in ("volume_mm3", "firstorder_Mean"):
            assert other[name] == pytest.approx(one[name], rel=0.01), (one["patient_id"], one["phase"], name)


def test_one_dynamic_series_and_its_seg_become_three_phases(real_data: Path, tmp_path: Path) -> None:
    """Three images of one patient, all different, and one tumour that is the same on each."""
    rules = "AP: {part: 1}, PP: {part: 2}, HBP: {part: 3}"
    folder = project(tmp_path / "breast", "AP, PP, HBP", _RING, rules)
    key = tmp_path / "key"
    told = ingest(
        folder,
        *("--dicom", real_data / "dce-mri-seg", "--key", key, "--make-key", "--yes"),
        *("-o", tmp_path / "breast.csv"),
    )
    assert "Proposed 3 rows of 1 patient." in told
    assert "Ingested 3 images and 6 masks" in told
    rows = masks(folder)
    (patient,) = {patient for patient, _, _ in rows}
    assert "UCSF" not in patient
    drawn = [rows[patient, phase, "intratumoral"] for phase in ("AP", "PP", "HBP")]
    seg = sitk.ReadImage(str(real_data / "dce-mri-seg" / "seg" / "1-1.dcm"))
    inside = int(np.count_nonzero(sitk.GetArrayFromImage(seg)))
    assert [row["voxels"] for row in drawn] == [inside] * 3
    assert len({row["mask_digest"] for row in drawn}) == 1
    assert Project(folder).sql("SELECT DISTINCT image_digest FROM images").num_rows == 3
    assert Project(folder).sql("FROM quarantine").num_rows == 0


def test_the_ring_of_a_liver_tumour_ends_at_the_livers_edge(real_data: Path, tmp_path: Path) -> None:
    """A ball near the edge as tumour, label 5 of the label map as organ."""
    source = real_data / "liver-mr"
    labels = sitk.ReadImage(str(source / "segmentation.nii.gz"))
    inside = sitk.GetArrayFromImage(labels) == _LIVER
    # 9 mm around a voxel that lies 12 mm from the edge of the liver.
    z, y, x = np.indices(inside.shape)
    ball = ((z - 10) ** 2 + (y - 44) ** 2 + (x - 14) ** 2) * 3.0**2 <= 9.0**2
    assert ball.sum() == 123
    assert not (ball & ~inside).any()
    drawn = sitk.GetImageFromArray(ball.astype(np.uint8))
    drawn.CopyInformation(labels)
    sitk.WriteImage(drawn, str(tmp_path / "ball.nii.gz"))
    manifest = tmp_path / "liver.csv"
    manifest.write_text(
        "patient_id,phase,image,mask,organ_mask,organ_label\n"
        f"P1,AP,{source}/image.nii.gz,ball.nii.gz,{source}/segmentation.nii.gz,{_LIVER}\n",
        encoding="utf-8",
    )
    folder = project(tmp_path / "liver", "AP", f"{_RING}, free: {{kind: ring, outer_mm: 10, clip: none}}")
    assert "Ingested 1 image and 3 masks" in ingest(folder, manifest)
    rows = masks(folder)
    # The file's own axes, so that its labels can be laid over the ring.
    ring, free = (
        load(folder, rows["P1", "AP", name]).to_source().array > 0 for name in ("peritumoral", "free")
    )
    assert (free & ~inside).any()
    assert np.array_equal(ring, free & inside)
    assert ring.any()
    clipped = rows["P1", "AP", "peritumoral"]["clipped_organ_mm3"]
    assert clipped == pytest.approx(27.0 * np.count_nonzero(free & ~inside))
