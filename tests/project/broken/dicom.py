"""DICOM images that make no volume, or of which it is not said which one is meant."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.ingest.dicom.writing import base, noise, save, uid, write_enhanced, write_series
from tests.ingest.masks.conftest import GRID, _write_seg
from tests.project.broken.kind import Kinds, block

if TYPE_CHECKING:
    from tests.project.broken.kind import Cells, Place

DICOM = Kinds()
kind = DICOM.add


def _series(place: Place, **options: Any) -> Cells:
    options = {"spacing": GRID.spacing, "origin": GRID.origin, **options}
    write_series(place.folder / "scan", options.pop("array", noise(GRID.shape)), **options)
    return place.image(place.folder / "scan")


@kind("dicom-cut", "pixel data", "end early")
def _(place: Place) -> Cells:
    cells = _series(place)
    path = sorted((place.folder / "scan").iterdir())[3]
    path.write_bytes(path.read_bytes()[:-80])
    return cells


@kind("dicom-header-cut", "is of no series, or its header ends early", severity="warning", keeps="case")
def _(place: Place) -> Cells:
    cells = _series(place)
    path = max((place.folder / "scan").iterdir())
    path.write_bytes(path.read_bytes()[:400])
    return cells | place.mask(place.write(".nii.gz", block()[:-1]))


@kind("dicom-header-cut-inside", "1 slice is missing")
def _(place: Place) -> Cells:
    cells = _series(place)
    path = sorted((place.folder / "scan").iterdir())[3]
    path.write_bytes(path.read_bytes()[:400])
    return cells


@kind("dicom-without-pixels", "a slice has no pixel data")
def _(place: Place) -> Cells:
    def change(header: Any, _: int) -> None:
        del header.PixelData

    return _series(place, change=change)


@kind("slices-missing", "2 slices are missing")
def _(place: Place) -> Cells:
    return _series(place, change=lambda _, at: at not in (3, 4))


@kind("slices-doubled", "1 slice stands at the place of another one with different pixels")
def _(place: Place) -> Cells:
    cells = _series(place)
    origin = (*GRID.origin[:2], GRID.origin[2] + 3 * GRID.spacing[2])
    write_series(
        place.folder / "scan", noise((1, 10, 12), seed=9), origin=origin, first=99, spacing=GRID.spacing
    )
    return cells


@kind("slices-copied", "1 slice stands twice with the same pixels", severity="warning", keeps="case")
def _(place: Place) -> Cells:
    cells = _series(place)
    path = sorted((place.folder / "scan").iterdir())[2]
    (place.folder / "scan" / "copy.dcm").write_bytes(path.read_bytes())
    return cells


@kind("slices-uneven", "slices are unevenly spaced")
def _(place: Place) -> Cells:
    def change(header: Any, at: int) -> None:
        header.ImagePositionPatient[2] = GRID.origin[2] + 2.5 * at + 0.4 * (at % 2)

    return _series(place, change=change)


@kind("gantry-tilted", "slices are tilted by", "a tilted gantry")
def _(place: Place) -> Cells:
    def change(header: Any, at: int) -> None:
        header.ImagePositionPatient[1] = GRID.origin[1] + 0.9 * at

    return _series(place, change=change)


@kind("slices-of-two-sizes", "slices have different sizes")
def _(place: Place) -> Cells:
    def change(header: Any, at: int) -> None:
        if at == 2:
            header.Rows, header.Columns = 12, 10

    return _series(place, change=change)


@kind("slices-turned", "slices have 2 orientations")
def _(place: Place) -> Cells:
    def change(header: Any, at: int) -> None:
        if at == 4:
            header.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]

    return _series(place, change=change)


@kind("dicom-single-slice", "the series has a single slice")
def _(place: Place) -> Cells:
    return _series(place, array=noise((1, 10, 12)))


@kind("dicom-spacing-zero", "pixel spacing is 0 mm")
def _(place: Place) -> Cells:
    return _series(place, PixelSpacing=[0, 0])


@kind("dicom-spacing-negative", "pixel spacing is -1.5 mm")
def _(place: Place) -> Cells:
    return _series(place, PixelSpacing=[-1.5, 1])


@kind("dicom-spacing-absent", "8 of 8 slices do not give their pixel spacing")
def _(place: Place) -> Cells:
    return _series(place, PixelSpacing=None)


@kind("dicom-slope-zero", "rescale slope of a slice is 0")
def _(place: Place) -> Cells:
    return _series(place, RescaleSlope=0, RescaleIntercept=0)


@kind("dicom-of-terabytes", "the volume would take", "GiB, more than 8")
def _(place: Place) -> Cells:
    return _series(place, Rows=65535, Columns=65535)


@kind("dicom-sizes-wrong", "pixel data end early")
def _(place: Place) -> Cells:
    return _series(place, Rows=20)


@kind("dicom-in-colour", "slices are in colour")
def _(place: Place) -> Cells:
    return _series(place, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)


@kind("modality-dose", "no DICOM images of a kind that is read", "RTDOSE")
def _(place: Place) -> Cells:
    return _series(place, Modality="RTDOSE", SOPClassUID="1.2.840.10008.5.1.4.1.1.481.2")


@kind("modality-capture", "8 of 8 slices do not say where in the patient they lie")
def _(place: Place) -> Cells:
    return _series(
        place,
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7",
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
    )


@kind("modality-segmentation", "no DICOM images of a kind that is read", "SEG")
def _(place: Place) -> Cells:
    _write_seg(place.path(".dcm"), {"Tumour": block()})
    return place.image(place.path(".dcm"))


@kind("modality-report", "no DICOM images of a kind that is read", "SR")
def _(place: Place) -> Cells:
    report = base("SR", 1, 1)
    report.SOPClassUID, report.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.11", uid("report")
    return place.image(save(report, place.path(".dcm")))


@kind("enhanced-frames-wrong", "enhanced DICOM file says it holds 9 frames and describes 8")
def _(place: Place) -> Cells:
    path = write_enhanced(
        place.path(".dcm"), [noise(GRID.shape)], change=lambda header: setattr(header, "NumberOfFrames", 9)
    )
    return place.image(path)


@kind("dynamic-part-not-named", "the series has 2 parts, told apart by temporal position")
def _(place: Place) -> Cells:
    times = [noise(GRID.shape, seed=seed) for seed in (1, 2)]
    return place.image(write_enhanced(place.path(".dcm"), times))


@kind("dynamic-part-absent", "part 7 is asked for, the series has 1")
def _(place: Place) -> Cells:
    return {**_series(place), "part": "7"}


@kind("two-series", "the folder holds 2 image series")
def _(place: Place) -> Cells:
    write_series(place.folder / "scan", noise(GRID.shape), series=7, name="b")
    return _series(place)


@kind("series-absent", "series 0123456789ab is not in the folder")
def _(place: Place) -> Cells:
    return {**_series(place), "series": "0123456789ab"}


@kind("folder-empty", "no DICOM images of a kind that is read")
def _(place: Place) -> Cells:
    (place.folder / "scan").mkdir()
    return place.image(place.folder / "scan")


@kind("folder-of-archives", "no DICOM images of a kind that is read", "archive that was not opened")
def _(place: Place) -> Cells:
    (place.folder / "scan").mkdir()
    with zipfile.ZipFile(place.folder / "scan" / "MUELLER.zip", "w") as archive:
        archive.writestr("a.dcm", np.random.default_rng(1).bytes(500))
    return place.image(place.folder / "scan")


@kind("folder-with-pipe", "pipe or device among the files", severity="warning", keeps="case")
def _(place: Place) -> Cells:
    cells = _series(place)
    os.mkfifo(place.folder / "scan" / "MUELLER.dcm")
    return cells


@kind("folder-in-itself", "file or folder cannot be reached", severity="warning", keeps="case")
def _(place: Place) -> Cells:
    cells = _series(place)
    (place.folder / "scan" / "again").symlink_to(place.folder / "scan", target_is_directory=True)
    (place.folder / "scan" / "itself").symlink_to(place.folder / "scan" / "itself")
    return cells
