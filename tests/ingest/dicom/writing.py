"""Small DICOM files with planted identifiers, made by pydicom.

`write_series` and `write_enhanced` write an array (z, y, x); everything else of the header can be
overridden for all slices or for single ones. `identity` is what must not be found afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SPACING = (0.8, 1.2, 2.5)
ORIGIN = (-40.0, 12.5, 100.0)
IDENTITY = ("MUELLER", "HANS", "PID4711", "19530417", "ACC0815", "DRWHO")
"""Texts that stand in every header; none of them may ever be shown."""

_CLASSES = {
    "MR": MRImageStorage,
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "PT": PositronEmissionTomographyImageStorage,
}
_DTYPES = {"i": 1, "u": 0}


def uid(*parts: Any) -> str:
    """A UID that is the same for the same parts."""
    return generate_uid(entropy_srcs=[repr(part) for part in parts])


def noise(shape: tuple[int, ...] = (5, 6, 7), dtype: str = "int16", seed: int = 1) -> np.ndarray:
    """Values of which nearly all differ."""
    low, high = (0, 250) if np.dtype(dtype).itemsize == 1 else (0, 4000)
    return np.random.default_rng(seed).integers(low, high, shape).astype(dtype)


def base(modality: str, study: object, series: object) -> Dataset:
    """What all files of a series share, identity included."""
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    header.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = "20200214"
    header.StudyTime = "101500"
    header.AccessionNumber = "ACC0815"
    header.Modality = modality
    header.Manufacturer = "Maker"
    header.ManufacturerModelName = "Model 3"
    header.ReferringPhysicianName = "DRWHO"
    header.SeriesDescription = "t1 dyn MUELLER"
    header.PatientName = "MUELLER^HANS"
    header.PatientID = "PID4711"
    header.PatientBirthDate = "19530417"
    header.StudyInstanceUID = uid("study", study)
    header.SeriesInstanceUID = uid("series", series)
    header.FrameOfReferenceUID = uid("frame", study)
    header.SeriesNumber = 3
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    return header


def set_pixels(header: Dataset, array: np.ndarray) -> None:
    """Rows, columns, bits and native pixel data of a slice or of frames."""
    header.Rows, header.Columns = array.shape[-2:]
    bits = array.dtype.itemsize * 8
    header.BitsAllocated, header.BitsStored, header.HighBit = bits, bits, bits - 1
    header.PixelRepresentation = _DTYPES[array.dtype.kind]
    data = array.tobytes()
    header.PixelData = data + b"\0" * (len(data) % 2)
    header["PixelData"].VR = "OB" if bits == 8 else "OW"


def save(header: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not hasattr(header, "file_meta"):
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = syntax
    header.save_as(path, enforce_file_format=True)
    return path


def normal_of(orientation: tuple[float, ...]) -> np.ndarray:
    """Unit normal of the slices."""
    return np.cross(orientation[:3], orientation[3:])


def write_series(
    folder: Path,
    array: np.ndarray,
    *,
    spacing: tuple[float, float, float] = SPACING,
    origin: tuple[float, float, float] = ORIGIN,
    orientation: tuple[float, ...] = AXIAL,
    modality: str = "MR",
    study: object = 1,
    series: object = 1,
    name: str = "MUELLER",
    first: int = 1,
    change: Callable[[Dataset, int], Any] | None = None,
    **header: Any,
) -> list[Path]:
    """Write a classic series, one file for each slice of an array (z, y, x).

    Spacing is x, y, z in mm, origin the first voxel in LPS mm, orientation the cosines of row and
    column. `study` and `series` are the same for the same UID; `first` is the InstanceNumber of the
    first slice. `change` is called with the header and number (from 0) of each slice before it is
    written, and a slice for which it returns False is left out. Further words are elements of all
    slices; None deletes one.
    """
    paths = []
    for at, plane in enumerate(array):
        one = base(modality, study, series)
        one.SOPClassUID = _CLASSES[modality]
        one.SOPInstanceUID = uid("instance", study, series, first + at)
        one.InstanceNumber = first + at
        position = np.asarray(origin) + at * spacing[2] * normal_of(orientation)
        one.ImagePositionPatient = [_text(v) for v in position]
        one.ImageOrientationPatient = [_text(v) for v in orientation]
        one.PixelSpacing = [_text(spacing[1]), _text(spacing[0])]
        one.SliceThickness = "9.5"
        set_pixels(one, plane)
        _override(one, header)
        if change is not None and change(one, at) is False:
            continue
        paths.append(save(one, folder / f"{name}_{first + at:04d}.dcm"))
    return paths


def write_enhanced(
    path: Path,
    volumes: list[np.ndarray],
    *,
    spacing: tuple[float, float, float] = SPACING,
    origin: tuple[float, float, float] = ORIGIN,
    orientation: tuple[float, ...] = AXIAL,
    study: object = 1,
    series: object = 1,
    slopes: list[tuple[float, float]] | None = None,
    interleaved: bool = False,
    change: Callable[[Dataset], Any] | None = None,
    **header: Any,
) -> Path:
    """Write volumes (z, y, x), the time points of one examination, as one enhanced MR file.

    `slopes` are slope and intercept of each volume; `interleaved` puts all times of a slice before
    the next slice; `change` is called with the whole header before it is written.
    """
    whole = base("MR", study, series)
    whole.SOPClassUID = EnhancedMRImageStorage
    whole.SOPInstanceUID = uid("instance", study, series)
    whole.InstanceNumber = 1
    frames = [(t, z) for t in range(len(volumes)) for z in range(len(volumes[0]))]
    if interleaved:
        frames.sort(key=lambda frame: (frame[1], frame[0]))
    set_pixels(whole, np.stack([volumes[t][z] for t, z in frames]))
    whole.NumberOfFrames = len(frames)
    shared = Dataset()
    shared.PlaneOrientationSequence = _item(ImageOrientationPatient=[_text(v) for v in orientation])
    shared.PixelMeasuresSequence = _item(
        PixelSpacing=[_text(spacing[1]), _text(spacing[0])], SliceThickness="9.5"
    )
    whole.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for t, z in frames:
        group = Dataset()
        position = np.asarray(origin) + z * spacing[2] * normal_of(orientation)
        group.PlanePositionSequence = _item(ImagePositionPatient=[_text(v) for v in position])
        slope, intercept = slopes[t] if slopes else (1, 0)
        group.PixelValueTransformationSequence = _item(
            RescaleSlope=_text(slope), RescaleIntercept=_text(intercept), RescaleType="US"
        )
        group.FrameContentSequence = _item(
            TemporalPositionIndex=t + 1,
            FrameAcquisitionDateTime=f"2020021410{15 + t // 2:02d}{30 * (t % 2):02d}",
            StackID="1",
            InStackPositionNumber=z + 1,
        )
        groups.append(group)
    whole.PerFrameFunctionalGroupsSequence = Sequence(groups)
    _override(whole, header)
    if change is not None:
        change(whole)
    return save(whole, path)


def _item(**elements: Any) -> Sequence:
    item = Dataset()
    for key, value in elements.items():
        setattr(item, key, value)
    return Sequence([item])


def _override(header: Dataset, elements: dict[str, Any]) -> None:
    for key, value in elements.items():
        if value is None:
            if key in header:
                delattr(header, key)
        else:
            setattr(header, key, value)


def _text(number: float) -> str:
    """A decimal string of at most 16 characters."""
    return f"{float(number):.10g}"[:16]
