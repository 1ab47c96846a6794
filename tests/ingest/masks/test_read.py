"""One door for every kind of file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from mvi_ray.errors import CaseError, GeometryError
from mvi_ray.ingest.masks import SegmentChoice, read_mask
from mvi_ray.volume import Geometry, Mask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMATS = ["nii", "nii.gz", "nrrd", "nhdr"]


@pytest.fixture
def files(
    tmp_path: Path,
    write_seg: Callable[..., object],
    write_rtstruct: Callable[..., object],
    square_contours: Callable[..., list[np.ndarray]],
    grid: Geometry,
    drawn: np.ndarray,
) -> dict[str, Path]:
    """The same drawing in each format."""
    found = {name: tmp_path / f"mask.{name}" for name in (*FORMATS, "seg.nrrd")}
    for path in found.values():
        sitk.WriteImage(Mask(drawn, grid).to_sitk(), path)
    found |= {"SEG": tmp_path / "seg.dcm", "RTSTRUCT": tmp_path / "rs.dcm"}
    write_seg(found["SEG"], {"Tumor": drawn}, grid)
    write_rtstruct(found["RTSTRUCT"], {"Tumor": square_contours(drawn, grid)})
    return found


def test_every_format_gives_the_same_voxels(
    files: dict[str, Path], grid: Geometry, drawn: np.ndarray
) -> None:
    """Nothing named, one thing drawn."""
    for path in files.values():
        for rule in ("exact", "resample"):
            found = read_mask(path, SegmentChoice(tumour=True), grid, geometry=rule)
            assert np.array_equal(found.mask.array, drawn)
            assert found.mask.geometry.difference(grid) is None
            assert (found.remarks, found.resampled_from) == ((), None)


def test_what_it_is_called_stands_in_messages(files: dict[str, Path], grid: Geometry) -> None:
    """An organ mask is not called a mask."""
    far = Geometry(grid.size, grid.spacing, (900.0, 0.0, 0.0), grid.direction)
    for path in files.values():
        with pytest.raises(GeometryError, match=r"^(contours of the )?organ mask lies? outside the image"):
            read_mask(path, SegmentChoice(), far, what="organ mask")


def test_label_map_of_another_size_is_padded_with_a_remark(
    tmp_path: Path, grid: Geometry, drawn: np.ndarray
) -> None:
    """Its place is certain; that the file is the right one is not."""
    part = Geometry((12, 10, 7), grid.spacing, grid.point((0, 0, 1)), grid.direction)
    path = tmp_path / "part.nii.gz"
    sitk.WriteImage(Mask(drawn[1:], part).to_sitk(), path)
    found = read_mask(path, SegmentChoice(), grid)
    assert np.array_equal(found.mask.array, drawn)
    assert found.mask.geometry == grid
    assert found.resampled_from is None
    assert [tuple(r) for r in found.remarks] == [
        (
            "mask has (12, 10, 7) voxels, the image (12, 10, 8): it covers a part",
            "check that both belong together",
        )
    ]


@pytest.mark.parametrize("axes", ["RAS", "PIR", "SAL"])
def test_label_map_stored_in_another_order_of_axes_is_turned(
    tmp_path: Path, grid: Geometry, drawn: np.ndarray, axes: str
) -> None:
    """By ITK's own way of turning images."""
    path = tmp_path / "turned.nrrd"
    sitk.WriteImage(sitk.DICOMOrient(Mask(drawn, grid).to_sitk(), axes), path)
    found = read_mask(path, SegmentChoice(), grid)
    assert np.array_equal(found.mask.array, drawn)
    assert (found.remarks, found.resampled_from) == ((), None)


def test_label_map_on_another_grid_is_refused_or_resampled(
    tmp_path: Path, grid: Geometry, drawn: np.ndarray
) -> None:
    """As the study says."""
    own = Geometry(grid.size, grid.spacing, grid.point((0.3, 0, 0)), grid.direction)
    path = tmp_path / "shifted.nrrd"
    sitk.WriteImage(Mask(drawn, own).to_sitk(), path)
    with pytest.raises(
        GeometryError, match=r"mask lies on another grid than the image .* geometry: resample"
    ):
        read_mask(path, SegmentChoice(), grid)
    found = read_mask(path, SegmentChoice(), grid, geometry="resample")
    assert np.array_equal(found.mask.array, drawn)
    assert found.resampled_from == "1 × 1.5 × 2.5 mm, 12 × 10 × 8 voxels"


@pytest.mark.parametrize("name", ["SEG", "RTSTRUCT"])
@pytest.mark.parametrize("seed", range(8))
def test_damaged_bytes_end_in_words(
    files: dict[str, Path], grid: Geometry, name: str, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever bytes a DICOM file holds: a mask, or an error of a case with a way out.

    The parsers' warnings and log lines would hold the header, and so the name of the patient.
    """
    content = files[name].read_bytes()
    rng = np.random.default_rng(seed)
    for _ in range(6):
        broken = bytearray(content)
        for at in rng.integers(132, len(content), rng.integers(1, 30)):
            broken[int(at)] = int(rng.integers(256))
        files[name].write_bytes(broken)
        try:
            read_mask(files[name], SegmentChoice(), grid)
        except CaseError as error:
            assert error.way_out, error.message  # noqa: PT017 - a flip may do no harm
    assert caplog.text == ""


def test_undefined_lengths_do_not_hide_a_cut(files: dict[str, Path], grid: Geometry) -> None:
    """Sequences may end by a mark instead of a length: a file cut between two items is still cut."""
    path = files["RTSTRUCT"]
    data = pydicom.dcmread(path)
    data["ROIContourSequence"].is_undefined_length = True
    data.ROIContourSequence[0]["ContourSequence"].is_undefined_length = True
    data.save_as(path)
    content = path.read_bytes()
    item = content.rindex(b"\xfe\xff\x00\xe0")
    path.write_bytes(content[:item])
    with pytest.raises(CaseError, match="mask"):
        read_mask(path, SegmentChoice(), grid)
