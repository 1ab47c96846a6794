"""Masks in DICOM SEG (PS3.3, A.51): frames of one segment, stacked by their position.

A frame says which segment it shows and where it lies; there may be fewer than slices, in any
order. Binary frames hold 0 and 1, fractional ones a share of `MaximumFractionalValue`, those of a
label map segmentation the number of the segment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import CaseError, GeometryError, MaskError
from mvi_ray.ingest.masks.choice import Segment, choose
from mvi_ray.ingest.masks.dicom import parsing
from mvi_ray.ingest.masks.placing import TOLERANCE, placed
from mvi_ray.volume import Geometry

if TYPE_CHECKING:
    import numpy.typing as npt
    from pydicom import Dataset

    from mvi_ray.ingest.masks.choice import SegmentChoice
    from mvi_ray.ingest.masks.result import GeometryRule, ReadMask

_MOST_VOXELS = 2**30
_MOST_PIXELS = 2**26
"""Pixels of a frame: a header may claim more than the packed frame holds."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where one frame lies.

    Args:
        index: its number in the file, from 0.
        segment: the segment it shows; None in a label map segmentation, which shows all.
        position: LPS millimetres of the centre of its first pixel.
        axes: direction cosines of a row and of a column, six numbers.
        spacing: millimetres along (x, y).
        between: millimetres between slices, where the file says so.
    """

    index: int
    segment: int | None
    position: tuple[float, ...]
    axes: tuple[float, ...]
    spacing: tuple[float, float]
    between: float | None


def read(
    dataset: Dataset, choice: SegmentChoice, grid: Geometry, rule: GeometryRule, fractional: float, what: str
) -> ReadMask:
    """One segment of a DICOM SEG on the grid of the image.

    Args:
        dataset: the file.
        choice: which segment, by its number or its SegmentLabel.
        grid: the grid of the image.
        rule: what happens to frames that do not lie on slices of the image.
        fractional: share of the largest value from which a voxel is inside.
        what: what to call it in messages.

    Raises:
        CaseError: the file is damaged, or its frames have no place in the patient.
        MaskError: the segment is not there, or holds nothing.
        GeometryError: its frames do not make a volume, or one on another grid.
    """
    with parsing(what):
        _check_size(dataset, what)
        segments = [
            Segment(int(item.SegmentNumber), str(item.get("SegmentLabel") or "").strip())
            for item in dataset.SegmentSequence
            # A label map segmentation may list its background.
            if int(item.SegmentNumber) > 0
        ]
        segment = choose(segments, choice, what)
        frames = [f for f in _frames(dataset, what) if f.segment in (segment.number, None)]
        if not frames:
            raise MaskError(f"the segment of the {what} has no frames; draw it, or choose another")
        own, slices = _stack(frames, (int(dataset.Columns), int(dataset.Rows)), grid, what)
        array = _pixels(dataset, frames, slices, own, segment, fractional)
    return placed(array, own, grid, rule, what)


def _check_size(dataset: Dataset, what: str) -> None:
    pixels, frames = int(dataset.Rows) * int(dataset.Columns), int(dataset.NumberOfFrames)
    if pixels > _MOST_PIXELS:
        raise CaseError(f"{what} has frames of {pixels} pixels; export it on the grid of the image")
    packed = dataset.file_meta.TransferSyntaxUID.is_encapsulated
    needed = -(-pixels * frames * int(dataset.BitsAllocated) // 8)
    if not packed and len(dataset.PixelData) < needed:
        raise CaseError(f"{what} ends early: {len(dataset.PixelData)} of {needed} bytes; copy it anew")
    placed_frames = len(dataset.PerFrameFunctionalGroupsSequence)
    if placed_frames != frames:
        raise CaseError(
            f"{what} says of {placed_frames} of its {frames} frames where they lie; export it anew"
        )


def _frames(dataset: Dataset, what: str) -> list[_Frame]:
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [{}])[0]
    labelled = dataset.SegmentationType == "LABELMAP"
    found = []
    for index, own in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        places, turns, sizes, shows = (
            _group(own, shared, key)
            for key in (
                "PlanePositionSequence",
                "PlaneOrientationSequence",
                "PixelMeasuresSequence",
                "SegmentIdentificationSequence",
            )
        )
        if places is None or turns is None or sizes is None or (shows is None and not labelled):
            raise CaseError(f"{what} has frames without a place in the patient; export it from the images")
        rows, columns = (float(v) for v in sizes.PixelSpacing)
        between = sizes.get("SpacingBetweenSlices")
        found.append(
            _Frame(
                index,
                None if labelled else int(shows.ReferencedSegmentNumber),  # type: ignore[union-attr]
                tuple(float(v) for v in places.ImagePositionPatient),
                tuple(float(v) for v in turns.ImageOrientationPatient),
                (columns, rows),
                abs(float(between)) if between else None,
            )
        )
    return found


def _group(own: Any, shared: Any, key: str) -> Any | None:
    """The one item of a functional group: that of the frame, else the shared one."""
    items = own.get(key) or shared.get(key)
    return items[0] if items else None


def _stack(
    frames: list[_Frame], size: tuple[int, int], grid: Geometry, what: str
) -> tuple[Geometry, npt.NDArray[np.int64]]:
    """The grid that frames make, and the slice of each of them."""
    first = frames[0]
    if any((f.axes, f.spacing) != (first.axes, first.spacing) for f in frames):
        raise GeometryError(f"frames of the {what} differ in direction or pixel size; export it anew")
    axes = np.reshape(first.axes, (2, 3))
    normal = np.cross(*axes)
    positions = np.array([f.position for f in frames])
    heights = positions @ normal
    lowest = int(np.argmin(heights))
    beside = positions - positions[lowest] - np.outer(heights - heights[lowest], normal)
    tolerance = TOLERANCE * min(*first.spacing, *grid.spacing)
    if np.linalg.norm(beside, axis=1).max() > tolerance:
        raise GeometryError(f"frames of the {what} are shifted against one another; export it anew")
    up = heights - heights[lowest]
    step, slices = _step(up, _steps_to_try(first, up, normal, grid), tolerance, what)
    if len(set(slices.tolist())) < len(slices):
        raise MaskError(f"two frames of one segment of the {what} lie at one place; export one time point")
    depth = int(slices.max()) + 1
    if size[0] * size[1] * depth > _MOST_VOXELS:
        raise GeometryError(f"frames of the {what} lie {up.max():g} mm apart; check that it is whole")
    own = Geometry(
        (*size, depth),
        (*first.spacing, step),
        tuple(positions[lowest].tolist()),
        tuple(np.stack([*axes, normal], axis=1).ravel().tolist()),
    )
    return own, slices


def _steps_to_try(
    frame: _Frame, up: npt.NDArray[np.float64], normal: npt.NDArray[np.float64], grid: Geometry
) -> list[float]:
    """Distances of slices, likeliest first: what the file says, those of the image, the smallest there."""
    along = int(np.argmax(np.abs(grid.matrix.T @ normal)))
    gaps = np.diff(np.unique(up))
    gaps = gaps[gaps > TOLERANCE * min(grid.spacing)]
    smallest = [float(up.max() / np.rint(up.max() / gaps.min()))] if gaps.size else []
    stated = [frame.between] if frame.between else []
    return [*stated, grid.spacing[along], *smallest]


def _step(
    up: npt.NDArray[np.float64], steps: list[float], tolerance: float, what: str
) -> tuple[float, npt.NDArray[np.int64]]:
    for step in steps:
        slices = np.rint(up / step)
        if np.abs(up - slices * step).max() <= tolerance:
            return step, slices.astype(np.int64)
    raise GeometryError(f"frames of the {what} lie at uneven distances; export it on the grid of the image")


def _pixels(
    dataset: Dataset,
    frames: list[_Frame],
    slices: npt.NDArray[np.int64],
    own: Geometry,
    segment: Segment,
    fractional: float,
) -> npt.NDArray[np.uint8]:
    import highdicom

    image = highdicom.seg.Segmentation.from_dataset(dataset, copy=False)
    array = np.zeros(own.shape, dtype=np.uint8)
    for frame, at in zip(frames, slices, strict=True):
        pixels = image.get_stored_frame(frame.index, as_index=True)
        if dataset.SegmentationType == "LABELMAP":
            array[at] = pixels == segment.number
        elif dataset.SegmentationType == "FRACTIONAL":
            array[at] = pixels >= fractional * int(dataset.MaximumFractionalValue)
        else:
            array[at] = pixels > 0
    return array
