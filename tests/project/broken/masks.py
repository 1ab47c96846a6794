"""Masks that cannot be used on a good image: empty, elsewhere, not chosen, or no masks at all."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.volume import Geometry
from tests.ingest.dicom.writing import noise, write_series
from tests.ingest.masks.conftest import GRID, _square_contours, _write_rtstruct, _write_seg
from tests.project.broken.kind import IMAGE, Kinds, block, values, write_volume

if TYPE_CHECKING:
    from tests.project.broken.kind import Cells, Place

MASKS = Kinds()
kind = MASKS.add
_ELSEWHERE = Geometry(GRID.size, GRID.spacing, (900.0, -20.0, 30.0), GRID.direction)


@kind("mask-absent", "mask file does not exist", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(place.path(".nii.gz"))


@kind("mask-outside", "mask file does not exist", keeps="image")
def _(place: Place) -> Cells:
    return {"mask": f"../../../../../../../../../../nowhere/{place.path('.nii.gz').name}"}


@kind("mask-is-folder", "mask is a folder with 0 DICOM SEG or RTSTRUCT files", keeps="image")
def _(place: Place) -> Cells:
    place.path("").mkdir()
    return place.mask(place.path(""))


@kind("mask-pipe", "mask is a pipe or device", keeps="image")
def _(place: Place) -> Cells:
    os.mkfifo(place.path(".dcm"))
    return place.mask(place.path(".dcm"))


@kind("mask-empty", "mask is empty", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(place.write(".nii.gz", np.zeros(GRID.shape, np.uint8)))


@kind("mask-all-ones", "mask covers the whole image", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(place.write(".nii.gz", np.ones(GRID.shape, np.uint8)))


@kind("mask-single-voxel", "mask is a single voxel", keeps="image")
def _(place: Place) -> Cells:
    array = np.zeros(GRID.shape, np.uint8)
    array[3, 4, 5] = 1
    return place.mask(place.write(".nii.gz", array))


@kind("mask-line", "mask is a line of 4 voxels", keeps="image")
def _(place: Place) -> Cells:
    array = np.zeros(GRID.shape, np.uint8)
    array[3, 4, 2:6] = 1
    return place.mask(place.write(".nii.gz", array))


@kind("mask-one-slice", "mask is one slice thick along z", severity="warning", keeps="case")
def _(place: Place) -> Cells:
    array = block()
    array[3:] = 0
    return place.mask(place.write(".nii.gz", array))


@kind("mask-of-another-patient", "mask lies outside the image", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(place.write(".nii.gz", block(), origin=_ELSEWHERE.origin))


@kind("mask-on-another-grid", "mask lies on another grid than the image", "spacing", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(place.write(".nii.gz", block(), spacing=(1.0, 1.4, 2.5)))


@kind("mask-of-another-size", "mask lies on another grid than the image", "size", keeps="image")
def _(place: Place) -> Cells:
    array = np.ones((9, 9, 9), np.uint8)
    return place.mask(place.write(".nii.gz", array, spacing=(0.7, 0.7, 0.7)))


@kind("mask-partly-outside", "voxels of the mask lie outside the image", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(place.write(".nii.gz", block(), origin=(17.0, -20.0, 30.0)))


@kind("mask-of-a-part", "it covers a part", severity="warning", keeps="case")
def _(place: Place) -> Cells:
    return place.mask(place.write(".nii.gz", block()[:7]))


@kind("labels-fractional", "mask holds fractions or no numbers, such as 0.5", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(place.write(".nii.gz", block().astype(np.float32) * 0.5))


@kind("labels-nan", "mask has", "voxels that are NaN or infinite", keeps="image")
def _(place: Place) -> Cells:
    array = block().astype(np.float32)
    array[0, 0, 0] = np.nan
    return place.mask(place.write(".nii.gz", array))


@kind("labels-negative", "mask holds the negative label -1", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(place.write(".nii.gz", -block().astype(np.int16)))


@kind("mask-is-the-image", "mask holds fractions", keeps="image")
def _(place: Place) -> Cells:
    return {"mask": IMAGE}


@kind("mask-4d", "mask has 4 dimensions", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(place.write(".nii.gz", np.stack([block(), block()])))


@kind("mask-cut", "mask file", "ends early", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(place.cut(".nii"))


@kind("mask-bomb", "mask file holds far more than its header says", keeps="image")
def _(place: Place) -> Cells:
    path = place.path(".nii.gz")
    write_volume(path.with_suffix(""), block())
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes() + bytes(64 << 20), 1))
    return place.mask(path)


@kind("label-absent", "label 7 does not occur in the mask, which holds 1", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(place.write(".nii.gz", block()), label="7")


@kind("labels-several", "mask holds 2 labels (2, 3)", keeps="image")
def _(place: Place) -> Cells:
    array = block() * 2
    array[3:] = np.where(array[3:] == 2, 3, 0)
    return place.mask(place.write(".nii.gz", array))


@kind("segment-without-names", "mask names no segments", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(place.write(".nii.gz", block()), segment="Tumour")


def _two(place: Place, **cells: str) -> Cells:
    other = np.roll(block(), 1, axis=2)
    _write_seg(place.path(".dcm"), {"HCC Mueller 1": block(), "HCC Mueller 2": other})
    return place.mask(place.path(".dcm"), **cells)


@kind("segments-several", "mask holds 2 segments", keeps="image")
def _(place: Place) -> Cells:
    return _two(place)


@kind("segments-fit-twice", "2 of the 2 segments that the mask names fit", keeps="image")
def _(place: Place) -> Cells:
    return _two(place, segment="HCC*")


@kind("segment-absent", "none of the 2 segments that the mask names", keeps="image")
def _(place: Place) -> Cells:
    return _two(place, segment="Metastasis")


@kind("seg-elsewhere", "mask lies outside the image", keeps="image")
def _(place: Place) -> Cells:
    _write_seg(place.path(".dcm"), {"Tumour": block()}, _ELSEWHERE)
    return place.mask(place.path(".dcm"))


@kind("seg-cut", "mask ends early: 30 of 60 bytes", keeps="image")
def _(place: Place) -> Cells:
    path = place.path(".dcm")
    _write_seg(path, {"Tumour": block()})
    path.write_bytes(path.read_bytes()[:-30])
    return place.mask(path)


@kind("seg-fraction-too-small", "mask is empty", keeps="image")
def _(place: Place) -> Cells:
    shares = block() * np.float32(0.3)
    _write_seg(place.path(".dcm"), {"Tumour": shares}, kind="FRACTIONAL", max_fractional_value=255)
    return place.mask(place.path(".dcm"))


@kind("segs-two-in-folder", "mask is a folder with 2 DICOM SEG or RTSTRUCT files", keeps="image")
def _(place: Place) -> Cells:
    for name in ("a", "b"):
        _write_seg(place.path(f"{name}.dcm"), {"Tumour": block()})
    return place.mask(place.folder)


@kind("mask-is-a-scan", "mask is a DICOM file of another kind than SEG or RTSTRUCT", keeps="image")
def _(place: Place) -> Cells:
    return place.mask(write_series(place.folder, noise((2, 10, 12)))[0])


def _contours(place: Place, grid: Geometry = GRID, kind: str = "CLOSED_PLANAR", **cells: str) -> Cells:
    contours = _square_contours(block(), grid)
    _write_rtstruct(place.path(".dcm"), {"GTV Mueller": contours}, kind)
    return place.mask(place.path(".dcm"), **cells)


@kind("rtstruct-without-region", "none of the 1 segments that the mask names", keeps="image")
def _(place: Place) -> Cells:
    return _contours(place, segment="Tumour")


@kind("rtstruct-elsewhere", "contours of the mask enclose no centre of a voxel", keeps="image")
def _(place: Place) -> Cells:
    return _contours(place, _ELSEWHERE)


@kind("rtstruct-far-above", "contours of the mask lie outside the image", keeps="image")
def _(place: Place) -> Cells:
    return _contours(place, Geometry(GRID.size, GRID.spacing, (10.0, -20.0, 2530.0), GRID.direction))


@kind("rtstruct-open", "the region of the mask has no closed contour", keeps="image")
def _(place: Place) -> Cells:
    return _contours(place, kind="OPEN_PLANAR")


@kind("rtstruct-across-slices", "contours of the mask lie across the slices", keeps="image")
def _(place: Place) -> Cells:
    turned = (0.8, 0.0, 0.6, 0.0, 1.0, 0.0, -0.6, 0.0, 0.8)
    return _contours(place, Geometry(GRID.size, GRID.spacing, GRID.origin, turned))


@kind("organ-absent", "organ mask file does not exist", keeps="case")
def _(place: Place) -> Cells:
    return {"organ_mask": place.cell(place.path(".nii.gz"))}


@kind("organ-empty", "organ mask is empty", keeps="case")
def _(place: Place) -> Cells:
    return {"organ_mask": place.cell(place.write(".nii.gz", np.zeros(GRID.shape, np.uint8)))}


@kind("organ-label-absent", "label 5 does not occur in the organ mask", keeps="case")
def _(place: Place) -> Cells:
    return {"organ_mask": place.cell(place.write(".nii.gz", block())), "organ_label": "5"}


@kind("organ-is-an-image", "organ mask holds fractions", keeps="case")
def _(place: Place) -> Cells:
    return {"organ_mask": place.cell(place.write(".nii.gz", values()))}
