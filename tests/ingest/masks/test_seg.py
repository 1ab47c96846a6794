"""DICOM SEG: frames to voxels."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless
from scipy.spatial.transform import Rotation

from mvi_ray.errors import CaseError, GeometryError, MaskError
from mvi_ray.ingest.masks import SegmentChoice, read_mask
from mvi_ray.volume import Geometry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mvi_ray.ingest.masks import ReadMask

    WriteSeg = Callable[..., Any]

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
OBLIQUE = tuple(Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix().ravel().tolist())


def read(path: Path, grid: Geometry, *patterns: str, **options: Any) -> ReadMask:
    """The segment of a name, or the only one."""
    return read_mask(path, SegmentChoice(patterns=patterns), grid, **options)


def changed(path: Path, change: Callable[[pydicom.Dataset], None]) -> Path:
    """Another file with a changed header."""
    data = pydicom.dcmread(path)
    change(data)
    other = path.with_name("changed.dcm")
    data.save_as(other)
    return other


def refusal(path: Path, grid: Geometry, error: type[CaseError], **options: Any) -> str:
    """What is said, checked for a way out and for the name in the header."""
    with pytest.raises(error, match="mask") as caught:
        read(path, grid, **options)
    assert caught.value.way_out
    assert "MUELLER" not in caught.value.message
    assert path.name not in caught.value.message
    return caught.value.message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file goes."""
    return tmp_path / "MUELLER.dcm"


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("omit", [True, False])
@pytest.mark.parametrize("direction", [IDENTITY, OBLIQUE], ids=["straight", "oblique"])
def test_segment_comes_back_as_it_was_written(
    path: Path,
    write_seg: WriteSeg,
    grid: Geometry,
    drawn: np.ndarray,
    kind: str,
    omit: bool,
    direction: tuple[float, ...],
) -> None:
    """Each kind, with all slices or with drawn ones only, on straight and oblique images."""
    image = Geometry(grid.size, grid.spacing, grid.origin, direction)
    array = drawn.astype(float) if kind == "FRACTIONAL" else drawn
    seg = write_seg(path, {"Tumor": array}, image, kind, omit_empty_frames=omit)
    assert int(seg.NumberOfFrames) == (4 if omit else 8)
    found = read(path, image)
    assert np.array_equal(found.mask.array, drawn)
    assert found.mask.geometry == image
    assert (found.remarks, found.resampled_from) == ((), None)


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_segment_is_chosen_by_name_or_number(
    path: Path, write_seg: WriteSeg, grid: Geometry, drawn: np.ndarray, kind: str
) -> None:
    """Two in one file, side by side."""
    other = np.flip(drawn, 2) & (1 - drawn)
    write_seg(path, {"Tumor left": drawn, "Tumor right": other}, grid, kind)
    assert np.array_equal(read(path, grid, "*LEFT").mask.array, drawn)
    assert np.array_equal(read(path, grid, "tumor right").mask.array, other)
    assert np.array_equal(read_mask(path, SegmentChoice(2), grid).mask.array, other)
    with pytest.raises(MaskError, match="2 of the 2 segments that the mask names fit; narrow"):
        read(path, grid, "tumor*")
    with pytest.raises(MaskError, match="label 3 does not occur in the mask, which holds 1, 2; give"):
        read_mask(path, SegmentChoice(3), grid)
    with pytest.raises(MaskError, match="mask holds 2 segments; name one, or give its label"):
        read_mask(path, SegmentChoice(tumour=True), grid)


def test_overlapping_segments_are_kept_apart(
    path: Path, write_seg: WriteSeg, grid: Geometry, drawn: np.ndarray
) -> None:
    """A tumour within its organ."""
    organ = np.zeros_like(drawn)
    organ[1:7, 2:8, 2:11] = 1
    write_seg(path, {"liver": organ, "Tumor": drawn})
    assert np.array_equal(read(path, grid, "liver").mask.array, organ)
    assert np.array_equal(read(path, grid, "Tumor").mask.array, drawn)


@pytest.mark.parametrize("seed", range(3))
def test_order_of_frames_does_not_matter(
    path: Path, write_seg: WriteSeg, grid: Geometry, drawn: np.ndarray, seed: int
) -> None:
    """Each frame says where it lies."""
    write_seg(path, {"Tumor": drawn.astype(float)}, grid, "FRACTIONAL")

    def shuffle(data: pydicom.Dataset) -> None:
        order = np.random.default_rng(seed).permutation(int(data.NumberOfFrames))
        frames = data.pixel_array[order]
        groups = data.PerFrameFunctionalGroupsSequence
        data.PerFrameFunctionalGroupsSequence = [groups[int(k)] for k in order]
        data.PixelData = frames.tobytes()

    assert np.array_equal(read(changed(path, shuffle), grid).mask.array, drawn)


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_turned_image_gets_the_same_voxels(
    path: Path, write_seg: WriteSeg, grid: Geometry, drawn: np.ndarray, kind: str
) -> None:
    """The image was stored anew, in another order of axes, after the tumour had been drawn."""
    write_seg(path, {"Tumor": drawn.astype(float) if kind == "FRACTIONAL" else drawn}, grid, kind)
    x, y, z = grid.size
    sagittal = Geometry(
        (y, z, x),
        (1.5, 2.5, 1.0),
        grid.point((x - 1, 0, z - 1)),
        # Columns are the axes: y, minus z, minus x.
        (0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
    )
    found = read(path, sagittal)
    wanted = np.flip(np.transpose(drawn, (2, 0, 1)), (0, 1))
    assert np.array_equal(found.mask.array, wanted)
    assert found.resampled_from is None


@pytest.mark.parametrize(("share", "slices"), [(0.2, [2, 3, 4]), (0.21, [3, 4]), (0.5, [3, 4]), (0.51, [4])])
def test_fractional_voxels_are_inside_from_the_stated_share(
    path: Path, write_seg: WriteSeg, grid: Geometry, share: float, slices: list[int]
) -> None:
    """From the share of the largest value on, not above it."""
    shares = np.zeros(grid.shape)
    shares[2:5, 3:6, 4:9] = np.reshape([0.2, 0.5, 1.0], (3, 1, 1))
    write_seg(path, {"Tumor": shares}, grid, "FRACTIONAL", max_fractional_value=200)
    found = read(path, grid, fractional=share).mask.array
    assert np.flatnonzero(found.any(axis=(1, 2))).tolist() == slices
    assert found.sum() == 15 * len(slices)


def test_packed_frames_are_read(path: Path, write_seg: WriteSeg, grid: Geometry, drawn: np.ndarray) -> None:
    """Run-length encoding, as some archives store it."""
    write_seg(path, {"Tumor": drawn.astype(float)}, grid, "FRACTIONAL", transfer_syntax_uid=RLELossless)
    assert np.array_equal(read(path, grid).mask.array, drawn)


def test_frames_beside_the_slices_are_refused_or_resampled(
    path: Path, write_seg: WriteSeg, grid: Geometry, drawn: np.ndarray
) -> None:
    """Drawn on a series of another slice thickness."""
    thick = Geometry((12, 10, 4), (1.0, 1.5, 5.0), grid.point((0, 0, 0.5)), IDENTITY)
    write_seg(path, {"Tumor": drawn[2:6]}, thick)
    assert "mask lies on another grid than the image (" in refusal(path, grid, GeometryError)
    found = read(path, grid, geometry="resample")
    assert np.array_equal(found.mask.array, np.repeat(drawn[2:6], 2, axis=0))
    assert found.resampled_from == "1 × 1.5 × 5 mm, 12 × 10 × 4 voxels"


def test_part_of_the_image_is_padded(
    path: Path, write_seg: WriteSeg, grid: Geometry, drawn: np.ndarray
) -> None:
    """Frames smaller than slices."""
    part = Geometry((7, 5, 6), grid.spacing, grid.point((3, 2, 1)), IDENTITY)
    write_seg(path, {"Tumor": drawn[1:7, 2:7, 3:10]}, part)
    assert np.array_equal(read(path, grid).mask.array, drawn)


def test_single_frame_lies_on_its_slice(
    path: Path, write_seg: WriteSeg, grid: Geometry, drawn: np.ndarray
) -> None:
    """Nothing but the image tells the distance of slices then."""
    array = drawn.copy()
    array[[2, 4, 5]] = 0
    write_seg(path, {"Tumor": array})

    def forget(data: pydicom.Dataset) -> None:
        del data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices

    assert np.array_equal(read(changed(path, forget), grid).mask.array, array)


def test_frames_far_apart_need_no_stated_distance(
    path: Path, write_seg: WriteSeg, grid: Geometry, drawn: np.ndarray
) -> None:
    """Slices 2 and 5 only: not one of 7.5 mm between them."""
    array = drawn.copy()
    array[[3, 4]] = 0
    write_seg(path, {"Tumor": array})

    def forget(data: pydicom.Dataset) -> None:
        del data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices

    assert np.array_equal(read(changed(path, forget), grid).mask.array, array)


# Damage -------------------------------------------------------------------------------


def _at(data: pydicom.Dataset, frame: int) -> pydicom.Dataset:
    found: pydicom.Dataset = data.PerFrameFunctionalGroupsSequence[frame].PlanePositionSequence[0]
    return found


def _double(data: pydicom.Dataset) -> None:
    _at(data, 1).ImagePositionPatient = _at(data, 0).ImagePositionPatient


def _uneven(data: pydicom.Dataset) -> None:
    x, y, z = _at(data, 1).ImagePositionPatient
    _at(data, 1).ImagePositionPatient = [x, y, z + 0.7]


def _aside(data: pydicom.Dataset) -> None:
    x, y, z = _at(data, 1).ImagePositionPatient
    _at(data, 1).ImagePositionPatient = [x + 0.7, y, z]


def _far(data: pydicom.Dataset) -> None:
    x, y, z = _at(data, 1).ImagePositionPatient
    _at(data, 1).ImagePositionPatient = [x, y, z + 2.5e9]


def _turn(data: pydicom.Dataset) -> None:
    group = deepcopy(data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence)
    group[0].ImageOrientationPatient = [0, 1, 0, 1, 0, 0]
    data.PerFrameFunctionalGroupsSequence[1].PlaneOrientationSequence = group


def _no_place(data: pydicom.Dataset) -> None:
    del data.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence


def _no_groups(data: pydicom.Dataset) -> None:
    del data.PerFrameFunctionalGroupsSequence


def _few_groups(data: pydicom.Dataset) -> None:
    del data.PerFrameFunctionalGroupsSequence[1]


def _no_pixels(data: pydicom.Dataset) -> None:
    del data.PixelData


def _short(data: pydicom.Dataset) -> None:
    data.PixelData = data.PixelData[:20]


def _giant(data: pydicom.Dataset) -> None:
    data.Rows = data.Columns = 65_535


def _shear(data: pydicom.Dataset) -> None:
    data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = [
        1,
        0,
        0,
        0.5,
        1,
        0,
    ]


def _no_axes(data: pydicom.Dataset) -> None:
    data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient = [
        0,
        0,
        0,
        0,
        0,
        0,
    ]


def _flat(data: pydicom.Dataset) -> None:
    data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [0, 0]


def _no_frames(data: pydicom.Dataset) -> None:
    data.SegmentSequence.append(deepcopy(data.SegmentSequence[0]))
    data.SegmentSequence[1].SegmentNumber, data.SegmentSequence[1].SegmentLabel = 2, "empty"
    data.SegmentSequence[0].SegmentLabel = "other"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_double, MaskError, "two frames of one segment of the mask lie at one place; export one time point"),
        (_uneven, GeometryError, "frames of the mask lie at uneven distances; export"),
        (_aside, GeometryError, "frames of the mask are shifted against one another; export"),
        (_far, GeometryError, "frames of the mask lie 2.5e+09 mm apart; check that it is whole"),
        (_turn, GeometryError, "frames of the mask differ in direction or pixel size; export"),
        (_no_place, CaseError, "mask has frames without a place in the patient; export"),
        (
            _no_groups,
            CaseError,
            "mask is a damaged or incomplete DICOM file (AttributeError); export it anew",
        ),
        (_few_groups, CaseError, "mask says of 3 of its 4 frames where they lie; export it anew"),
        (_no_pixels, CaseError, "mask is a damaged or incomplete DICOM file (AttributeError)"),
        (_short, CaseError, "mask ends early: 20 of 60 bytes; copy it anew"),
        (_giant, CaseError, "mask has frames of 4294836225 pixels; export"),
        (_shear, GeometryError, "direction cosines are not orthonormal"),
        (_no_axes, GeometryError, "frames of the mask are shifted against one another"),
        (_flat, GeometryError, "spacing must be above 0 mm"),
    ],
)
def test_damaged_segmentation_is_refused(
    path: Path,
    write_seg: WriteSeg,
    grid: Geometry,
    drawn: np.ndarray,
    change: Callable[[pydicom.Dataset], None],
    error: type[CaseError],
    message: str,
) -> None:
    """Each kind of damage in words."""
    write_seg(path, {"Tumor": drawn}, grid)
    with pytest.raises(error) as caught:
        read(changed(path, change), grid)
    assert caught.value.message.startswith(message), caught.value.message


def test_segment_without_frames_is_told(
    path: Path, write_seg: WriteSeg, grid: Geometry, drawn: np.ndarray
) -> None:
    """Named, and never drawn."""
    write_seg(path, {"Tumor": drawn}, grid)
    with pytest.raises(MaskError, match="the segment of the mask has no frames; draw it, or choose another"):
        read(changed(path, _no_frames), grid, "empty")


def test_segment_with_empty_frames_is_told(
    path: Path, write_seg: WriteSeg, grid: Geometry, drawn: np.ndarray
) -> None:
    """Frames, and nothing on them."""
    write_seg(path, {"Tumor": drawn, "other": drawn * 0}, grid, omit_empty_frames=False)
    with pytest.raises(MaskError, match="mask is empty; draw it"):
        read(path, grid, "other")


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.8, 0.95, 0.999])
def test_segmentation_that_was_cut_off_is_refused(
    path: Path, write_seg: WriteSeg, grid: Geometry, drawn: np.ndarray, share: float
) -> None:
    """An interrupted copy, wherever it ends."""
    write_seg(path, {"Tumor": drawn}, grid)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert refusal(path, grid, CaseError)
