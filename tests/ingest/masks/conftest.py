"""An image grid, a drawn block, and writers of the DICOM files that hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from mvi_ray.volume import Geometry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
GRID = Geometry((12, 10, 8), (1.0, 1.5, 2.5), (10.0, -20.0, 30.0), IDENTITY)
FRAME = "1.2.3.4"


@pytest.fixture
def grid() -> Geometry:
    """The grid of the image: 12 × 10 × 8 voxels."""
    return GRID


@pytest.fixture
def drawn() -> np.ndarray:
    """A block without symmetry, two of its voxels missing; shape (z, y, x)."""
    array = np.zeros(GRID.shape, dtype=np.uint8)
    array[2:6, 3:6, 4:9] = 1
    array[2, 3, 4] = array[5, 5, 8] = 0
    return array


def _sources(grid: Geometry) -> list[pydicom.Dataset]:
    """Headers of the slices of an image, as a segmentation refers to them."""
    series, study = generate_uid(), generate_uid()
    matrix = grid.matrix
    found = []
    for k in range(grid.size[2]):
        slice_ = pydicom.Dataset()
        slice_.file_meta = pydicom.dataset.FileMetaDataset()
        slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, generate_uid()
        slice_.SeriesInstanceUID, slice_.StudyInstanceUID = series, study
        slice_.FrameOfReferenceUID = FRAME
        slice_.PatientID, slice_.PatientName = "P01", "MUELLER^HANS"
        slice_.PatientBirthDate, slice_.PatientSex = "19530101", "M"
        slice_.AccessionNumber, slice_.StudyID = "", ""
        slice_.StudyDate, slice_.StudyTime, slice_.ReferringPhysicianName = "20200101", "120000", ""
        slice_.Modality, slice_.InstanceNumber = "CT", k + 1
        slice_.Rows, slice_.Columns = grid.size[1], grid.size[0]
        slice_.PixelSpacing = [grid.spacing[1], grid.spacing[0]]
        slice_.SliceThickness = slice_.SpacingBetweenSlices = grid.spacing[2]
        slice_.ImageOrientationPatient = [*matrix[:, 0].tolist(), *matrix[:, 1].tolist()]
        slice_.ImagePositionPatient = [float(f"{v:.10g}") for v in grid.point((0, 0, k))]
        found.append(slice_)
    return found


def _write_seg(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    grid: Geometry = GRID,
    kind: str = "BINARY",
    **options: Any,
) -> highdicom.seg.Segmentation:
    """Write segments (name to array of 0 and 1, or of shares) as DICOM SEG."""
    described = [
        highdicom.seg.SegmentDescription(
            number,
            name,
            codes.SCT.MorphologicallyAbnormalStructure,
            codes.SCT.Neoplasm,
            highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, name in enumerate(arrays, start=1)
    ]
    pixels = np.stack(list(arrays.values()), axis=-1)
    if kind == "LABELMAP":
        pixels = sum(array.astype(np.uint8) * n for n, array in enumerate(arrays.values(), start=1))
    seg = highdicom.seg.Segmentation(
        _sources(grid),
        pixels,
        kind,
        described,
        generate_uid(),
        1,
        generate_uid(),
        1,
        "maker",
        "model",
        "1",
        "0",
        **options,
    )
    seg.save_as(path)
    return seg


def _write_rtstruct(
    path: Path, regions: Mapping[str, Sequence[np.ndarray]], kind: str = "CLOSED_PLANAR"
) -> pydicom.Dataset:
    """Write contours (name to lists of points in LPS millimetres) as RTSTRUCT."""
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = RTStructureSetStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.PatientName, data.Modality = "MUELLER^HANS", "RTSTRUCT"
    data.StructureSetROISequence, data.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(regions.items(), start=1):
        region, lines = pydicom.Dataset(), pydicom.Dataset()
        region.ROINumber = lines.ReferencedROINumber = number
        region.ROIName, region.ReferencedFrameOfReferenceUID = name, FRAME
        lines.ContourSequence = []
        for points in contours:
            item = pydicom.Dataset()
            item.ContourGeometricType = kind
            item.NumberOfContourPoints = len(points)
            item.ContourData = [f"{v:.10g}" for v in np.ravel(points)]
            lines.ContourSequence.append(item)
        data.StructureSetROISequence.append(region)
        data.ROIContourSequence.append(lines)
    data.save_as(path, enforce_file_format=True)
    return data


def _square_contours(array: np.ndarray, grid: Geometry, axis: int = 2) -> list[np.ndarray]:
    """One square for each voxel inside, along its borders, in slices across an axis (x, y, z)."""
    others = [a for a in range(3) if a != axis]
    found = []
    for index in np.argwhere(array)[:, ::-1]:
        corners = np.repeat(index[None].astype(float), 4, axis=0)
        corners[:, others] += [[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]
        found.append(np.array([grid.point(corner) for corner in corners]))
    return found


@pytest.fixture(scope="session")
def write_seg() -> Callable[..., highdicom.seg.Segmentation]:
    """Write segments (name to array of 0 and 1, or of shares) as DICOM SEG."""
    return _write_seg


@pytest.fixture(scope="session")
def write_rtstruct() -> Callable[..., pydicom.Dataset]:
    """Write contours (name to lists of points in LPS millimetres) as RTSTRUCT."""
    return _write_rtstruct


@pytest.fixture(scope="session")
def square_contours() -> Callable[..., list[np.ndarray]]:
    """One square for each voxel inside, along its borders."""
    return _square_contours
