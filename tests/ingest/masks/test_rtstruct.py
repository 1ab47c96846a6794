"""RTSTRUCT: the closed contours of one region."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mvi_ray.errors import CaseError, MaskError
from mvi_ray.ingest.masks import SegmentChoice, read_mask
from mvi_ray.volume import Geometry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pydicom

    Write = Callable[..., pydicom.Dataset]
    Squares = Callable[..., list[np.ndarray]]

OBLIQUE = tuple(Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix().ravel().tolist())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file goes."""
    return tmp_path / "MUELLER.dcm"


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("oblique", [False, True])
def test_contours_in_slices_of_any_direction_become_voxels(
    path: Path,
    write_rtstruct: Write,
    square_contours: Squares,
    grid: Geometry,
    drawn: np.ndarray,
    axis: int,
    oblique: bool,
) -> None:
    """Axial, coronal and sagittal slices of straight and oblique images."""
    image = Geometry(grid.size, grid.spacing, grid.origin, OBLIQUE) if oblique else grid
    write_rtstruct(path, {"GTV": square_contours(drawn, image, axis)})
    found = read_mask(path, SegmentChoice(), image)
    assert np.array_equal(found.mask.array, drawn)
    assert found.mask.geometry == image
    assert (found.remarks, found.resampled_from) == ((), None)


def test_region_is_chosen_by_name_or_number(
    path: Path, write_rtstruct: Write, square_contours: Squares, grid: Geometry, drawn: np.ndarray
) -> None:
    """The body, the tumour, and one that nobody drew."""
    body = np.ones_like(drawn)
    write_rtstruct(
        path, {"BODY": square_contours(body, grid), "GTV 1": square_contours(drawn, grid), "GTV 2": []}
    )
    for choice in (SegmentChoice(patterns=("gtv 1",)), SegmentChoice(2), SegmentChoice(patterns=("*1",))):
        assert np.array_equal(read_mask(path, choice, grid).mask.array, drawn)
    with pytest.raises(MaskError, match="2 of the 3 segments that the mask names fit; narrow"):
        read_mask(path, SegmentChoice(patterns=("GTV*",)), grid)
    with pytest.raises(MaskError, match="the region of the mask has no closed contour; draw it, or choose"):
        read_mask(path, SegmentChoice(3), grid)
    with pytest.raises(MaskError, match="mask holds 3 segments; name one, or give its label"):
        read_mask(path, SegmentChoice(tumour=True), grid)


@pytest.mark.parametrize("kind", ["OPEN_PLANAR", "POINT", "OPEN_NONPLANAR"])
def test_open_contours_alone_are_refused(
    path: Path, write_rtstruct: Write, square_contours: Squares, grid: Geometry, drawn: np.ndarray, kind: str
) -> None:
    """They enclose nothing."""
    write_rtstruct(path, {"GTV": square_contours(drawn, grid)}, kind)
    with pytest.raises(MaskError, match="the region of the mask has no closed contour"):
        read_mask(path, SegmentChoice(), grid)


def test_open_contours_and_points_beside_closed_ones_are_told(
    path: Path, write_rtstruct: Write, square_contours: Squares, grid: Geometry, drawn: np.ndarray
) -> None:
    """A mark that a reader left, and a contour of two points."""
    contours = square_contours(drawn, grid)
    data = write_rtstruct(path, {"GTV": [contours[0], contours[1][:2], *contours]})
    data.ROIContourSequence[0].ContourSequence[0].ContourGeometricType = "OPEN_PLANAR"
    data.save_as(path)
    found = read_mask(path, SegmentChoice(), grid)
    assert np.array_equal(found.mask.array, drawn)
    assert [r.reason for r in found.remarks] == ["2 open contours or points of the mask were left out"]


def test_xor_contours_are_closed_contours(
    path: Path, write_rtstruct: Write, square_contours: Squares, grid: Geometry, drawn: np.ndarray
) -> None:
    """The newer term for contours to which the even-odd rule applies."""
    write_rtstruct(path, {"GTV": square_contours(drawn, grid)}, "CLOSEDPLANAR_XOR")
    assert np.array_equal(read_mask(path, SegmentChoice(), grid).mask.array, drawn)


def _contour(data: pydicom.Dataset) -> pydicom.Dataset:
    found: pydicom.Dataset = data.ROIContourSequence[0].ContourSequence[0]
    return found


def _one_less(data: pydicom.Dataset) -> None:
    _contour(data).ContourData = list(_contour(data).ContourData)[:-1]


def _points_missing(data: pydicom.Dataset) -> None:
    _contour(data).ContourData = list(_contour(data).ContourData)[:-3]


def _no_data(data: pydicom.Dataset) -> None:
    del _contour(data).ContourData


def _no_regions(data: pydicom.Dataset) -> None:
    del data.StructureSetROISequence


def _no_number(data: pydicom.Dataset) -> None:
    del data.StructureSetROISequence[0].ROINumber


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_one_less, "mask has a contour with missing or broken points; export it anew"),
        (_points_missing, "mask has a contour with missing or broken points"),
        (_no_data, r"mask is a damaged or incomplete DICOM file \(AttributeError\); export it anew"),
        (_no_regions, r"mask is a damaged or incomplete DICOM file \(AttributeError\)"),
        (_no_number, r"mask is a damaged or incomplete DICOM file \(AttributeError\)"),
    ],
)
def test_damaged_contours_are_refused(
    path: Path,
    write_rtstruct: Write,
    square_contours: Squares,
    grid: Geometry,
    drawn: np.ndarray,
    change: Callable[[pydicom.Dataset], None],
    message: str,
) -> None:
    """Each kind of damage in words."""
    data = write_rtstruct(path, {"GTV": square_contours(drawn, grid)})
    change(data)
    data.save_as(path)
    with pytest.raises(CaseError, match=message):
        read_mask(path, SegmentChoice(), grid)


@pytest.mark.parametrize("text", [b"nan", b"inf", b"1e999", b"abc"])
def test_points_that_are_no_numbers_are_refused(
    path: Path,
    write_rtstruct: Write,
    square_contours: Squares,
    grid: Geometry,
    drawn: np.ndarray,
    text: bytes,
) -> None:
    """Whatever stands in the file, the message does not repeat it."""
    write_rtstruct(path, {"GTV": square_contours(drawn, grid)})
    content = path.read_bytes()
    at = content.index(b"-16.25")
    path.write_bytes(content[:at] + text.ljust(6) + content[at + 6 :])
    with pytest.raises(CaseError, match="mask ") as caught:
        read_mask(path, SegmentChoice(), grid)
    assert "broken points; export it anew" in caught.value.message or "damaged" in caught.value.message
    assert "abc" not in caught.value.message


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999])
def test_contours_that_were_cut_off_are_refused(
    path: Path,
    write_rtstruct: Write,
    square_contours: Squares,
    grid: Geometry,
    drawn: np.ndarray,
    share: float,
) -> None:
    """An interrupted copy: a smaller tumour must not come of it."""
    write_rtstruct(path, {"GTV": square_contours(drawn, grid)})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CaseError, match="mask") as caught:
        read_mask(path, SegmentChoice(), grid)
    assert caught.value.way_out
    assert "MUELLER" not in caught.value.message


def test_contours_of_thinner_slices_are_refused_or_resampled(
    path: Path, write_rtstruct: Write, square_contours: Squares, grid: Geometry, drawn: np.ndarray
) -> None:
    """Contours of half the slice thickness are taken under `resample`, and it is recorded."""
    fine = Geometry((12, 10, 16), (1.0, 1.5, 1.25), grid.point((0, 0, -0.25)), grid.direction)
    write_rtstruct(path, {"GTV": square_contours(np.repeat(drawn, 2, axis=0), fine)})
    with pytest.raises(CaseError, match=r"contours of the mask lie 0\.5 slices of the image apart; give"):
        read_mask(path, SegmentChoice(), grid)
    found = read_mask(path, SegmentChoice(), grid, geometry="resample")
    assert np.array_equal(found.mask.array, drawn)
    assert found.resampled_from == "contours 1.25 mm apart along z"
