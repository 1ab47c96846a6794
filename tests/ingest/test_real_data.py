"""Real examinations through the same door."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from mvi_ray.ingest.case import read_case
from mvi_ray.ingest.files import read_volume
from mvi_ray.ingest.manifest import ManifestRow, read_manifest
from mvi_ray.ingest.masks.labels import read_labels
from mvi_ray.study import parse_study

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.ingest.case import ImageCase

STUDY = parse_study(
    "schema_version: 1\nphases: [AP, MR_T1, PET]\npreprocessing: none\n"
    "regions: {peritumoral: {kind: ring, outer_mm: 10}}\n"
    "families: {cr: {spacing_mm: [1, 1, 1], bin_width: 25, image_types: [original]}}\n"
)


def case_of(folder: Path, **cells: object) -> ImageCase:
    """Read one row."""
    row = ManifestRow.model_validate({"patient_id": "P01", "phase": "AP", **cells})
    return read_case([(2, row)], folder, STUDY)


def test_sarcoma_patient_is_read_from_its_manifest(real_data: Path) -> None:
    """MR and PET of one patient: images canonical, ring outside the tumour and within 10 mm."""
    manifest = read_manifest(real_data / "sts-mri-pet" / "manifest.csv", STUDY)
    assert [p for p in manifest.problems if p.severity == "error"] == []
    for phase in ("MR_T1", "PET"):
        rows = manifest.groups["STS_001", "baseline", phase]
        case = read_case(rows, manifest.folder, STUDY)
        assert case.problems == ()
        assert case.volume is not None
        assert case.volume.geometry.orientation == "LPS"
        tumour, ring = case.masks[0].regions
        assert not (tumour.mask.array & ring.mask.array).any()
        assert tumour.mask.geometry.difference(case.volume.geometry) is None
        path = manifest.folder / rows[0][1].mask
        assert tumour.facts.voxels == int((sitk.GetArrayFromImage(sitk.ReadImage(str(path))) == 1).sum())
        far = sitk.GetArrayFromImage(
            sitk.SignedMaurerDistanceMap(tumour.mask.to_sitk(), squaredDistance=False, useImageSpacing=True)
        )[ring.mask.array == 1]
        # ITK's own distance, in single precision: near the border, beyond the tumour.
        assert far.max() <= 10 + 1e-3
        assert far.min() > 0


def test_liver_is_the_organ_of_a_lesion(real_data: Path) -> None:
    """One file holds the organ under label 5 and a structure under another label."""
    folder = real_data / "liver-mr"
    (labels,) = read_labels(folder / "segmentation.nii.gz").layers
    assert 5 in labels
    # Label 4 borders on the liver, so that its ring lies in part inside.
    cells = {"image": "image.nii.gz", "mask": "segmentation.nii.gz", "label": 4}
    free = case_of(folder, **cells)
    clipped = case_of(folder, **cells, organ_mask="segmentation.nii.gz", organ_label=5)
    assert [p for p in (*free.problems, *clipped.problems) if p.severity == "error"] == []
    whole, cut = (case.masks[0].regions[1] for case in (free, clipped))
    organ = clipped.masks[0].organ
    assert organ is not None
    assert clipped.masks[0].regions[0].facts.voxels == int((labels == 4).sum())
    assert organ.voxels == int((labels == 5).sum())
    assert np.array_equal(cut.mask.array, whole.mask.array & organ.array)
    assert cut.clipped_organ_mm3 == pytest.approx(whole.facts.volume_mm3 - cut.facts.volume_mm3)
    assert cut.clipped_organ_mm3 > 0


def test_liver_without_a_label_is_not_guessed(real_data: Path) -> None:
    """Several organs in the file: the user names one."""
    case = case_of(
        real_data / "liver-mr",
        image="image.nii.gz",
        mask="segmentation.nii.gz",
        label=5,
        organ_mask="segmentation.nii.gz",
    )
    assert case.problems[0].reason.startswith("organ mask holds ")
    assert case.problems[0].way_out == "give one of them"
    # The tumour stays, and no region that is cut to the organ is made without it.
    (drawn,) = case.masks
    assert [region.name for region in drawn.regions] == ["intratumoral"]


@pytest.mark.parametrize("name", ["brain1", "brain2"])
def test_brain_of_the_engine_s_own_cases_is_read(real_data: Path, name: str) -> None:
    """Oblique NRRD: canonical for the store, and back to the file bit for bit."""
    folder = real_data / "pyradiomics-cases"
    case = case_of(folder, image=f"{name}_image.nrrd", mask=f"{name}_label.nrrd")
    assert [p for p in case.problems if p.severity == "error"] == []
    assert case.volume is not None
    file = read_volume(folder / f"{name}_image.nrrd")
    back = case.volume.to_source()
    assert back.digest == file.digest
    assert back.geometry == file.geometry
    drawn = case.masks[0].regions[0].mask.to_source()
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{name}_label.nrrd")))
    assert np.array_equal(drawn.array, label == 1)
