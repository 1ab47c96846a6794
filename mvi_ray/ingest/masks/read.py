"""A mask file of any kind to the mask of one segment on the grid of its image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.ingest.files import is_plain
from mvi_ray.ingest.masks.choice import choose
from mvi_ray.ingest.masks.labels import read_labels
from mvi_ray.ingest.masks.placing import placed
from mvi_ray.ingest.masks.result import ReadMask, Remark

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.ingest.masks.choice import SegmentChoice
    from mvi_ray.ingest.masks.result import GeometryRule
    from mvi_ray.volume import Geometry


def read_mask(
    path: Path,
    choice: SegmentChoice,
    grid: Geometry,
    *,
    geometry: GeometryRule = "exact",
    fractional: float = 0.5,
    what: str = "mask",
) -> ReadMask:
    """Read one segment of a mask file.

    Label maps (NIfTI, NRRD), segmentations of 3D Slicer, DICOM SEG and RTSTRUCT are told
    apart by name and content. A folder may hold the one DICOM file.

    Args:
        path: the file, or a folder that holds one DICOM SEG or RTSTRUCT.
        choice: which segment.
        grid: the grid of the image.
        geometry: what happens to a mask on another grid: refused, or resampled to the nearest voxel.
        fractional: share of the largest value from which a voxel of a fractional DICOM SEG is inside.
        what: what to call it in messages.

    Raises:
        CaseError: the file is missing, damaged, or of a kind that is not read.
        MaskError: the segment is not there, is not the only one that fits, or is empty.
        GeometryError: it does not lie on the grid of the image.
    """
    if is_plain(path):
        return _read_labels(path, choice, grid, geometry, what)
    from mvi_ray.ingest.masks import dicom, rtstruct, seg

    dataset = dicom.read_dataset(path, what)
    if dicom.is_rtstruct(dataset):
        return rtstruct.read(dataset, choice, grid, geometry, what)
    return seg.read(dataset, choice, grid, geometry, fractional, what)


def _read_labels(
    path: Path, choice: SegmentChoice, grid: Geometry, geometry: GeometryRule, what: str
) -> ReadMask:
    labels = read_labels(path, what)
    segment = choose(labels.segments, choice, what)
    found = placed(labels.voxels(segment), labels.geometry, grid, geometry, what, keep=True)
    if labels.named or found.resampled_from or sorted(labels.geometry.size) == sorted(grid.size):
        return found
    # 3D Slicer and DICOM save a part as a rule; a label map of another size may be a wrong one.
    remark = Remark(
        f"{what} has {labels.geometry.size} voxels, the image {grid.size}: it covers a part",
        "check that both belong together",
    )
    return ReadMask(found.mask, (remark, *found.remarks))
