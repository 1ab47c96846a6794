"""Masks of real examinations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

from mvi_ray.errors import MaskError
from mvi_ray.ingest.masks import SegmentChoice, read_mask
from mvi_ray.volume import Geometry

if TYPE_CHECKING:
    from pathlib import Path


def grid_of(folder: Path, pattern: str = "*.dcm") -> Geometry:
    """The grid of a DICOM series, its slices sorted by position along their normal."""
    import pydicom

    def height(path: Path) -> float:
        data = pydicom.dcmread(path, stop_before_pixels=True)
        axes = np.reshape([float(v) for v in data.ImageOrientationPatient], (2, 3))
        return float(np.cross(*axes) @ [float(v) for v in data.ImagePositionPatient])

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in sorted(folder.glob(pattern), key=height)])
    return Geometry.of_sitk(reader.Execute())


@pytest.mark.parametrize("patient", ["STS_002", "STS_003"])
@pytest.mark.parametrize("phase", ["MR_T1", "PET"])
def test_contours_give_the_voxels_of_the_nifti_twin(real_data: Path, patient: str, phase: str) -> None:
    """The same contours, turned into voxels by other software (Zwanenburg's, for IBSI)."""
    series = real_data / "sts-dicom-rtstruct" / patient / phase
    grid = grid_of(series / "image")
    found = read_mask(series / "mask", SegmentChoice(patterns=("GTV_Mass*",)), grid)
    twin = read_mask(
        real_data / "sts-mri-pet" / "images" / patient / f"{phase}_mask.nii.gz", SegmentChoice(), grid
    )
    assert found.mask.voxels > 500
    assert np.array_equal(found.mask.array, twin.mask.array)
    assert (found.remarks, found.resampled_from) == ((), None)


def test_segmentation_with_fewer_frames_than_slices_finds_its_slices(real_data: Path) -> None:
    """42 frames on 60 sagittal slices; stored from left to right, the image from right to left."""
    import pydicom

    folder = real_data / "dce-mri-seg"
    (file,) = (folder / "seg").glob("*.dcm")
    grid = grid_of(folder / "dynamic", "1-0*.dcm")
    assert grid.size == (256, 256, 60)
    found = read_mask(folder / "seg", SegmentChoice(patterns=("breast",)), grid)
    assert (found.remarks, found.resampled_from) == ((), None)
    data = pydicom.dcmread(file)
    assert found.mask.voxels == int((data.pixel_array >= 128).sum())
    for number, group in enumerate(data.PerFrameFunctionalGroupsSequence):
        place = [float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient]
        at = round(abs(place[0] - grid.origin[0]) / 2)
        assert grid.point((0, 0, at)) == pytest.approx(place, abs=1e-3)
        assert np.array_equal(found.mask.array[at], data.pixel_array[number] >= 128)


def test_liver_is_found_by_label_and_by_name(real_data: Path) -> None:
    """TotalSegmentator's label map has no names that are read; its task tells that 5 is the liver."""
    folder = real_data / "liver-mr"
    grid = Geometry.of_sitk(sitk.ReadImage(str(folder / "image.nii.gz")))
    path = folder / "segmentation.nii.gz"
    by_name, by_label = (
        read_mask(path, choice, grid).mask
        for choice in (SegmentChoice(patterns=("total_mr:liver",)), SegmentChoice(5))
    )
    assert by_name.digest == by_label.digest
    with pytest.raises(MaskError, match="mask names no segments; give the label, or the task of TotalSeg"):
        read_mask(path, SegmentChoice(patterns=("liver",)), grid)
