"""Masks in RTSTRUCT (DICOM PS3.3, A.19): the closed contours of one region of interest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import CaseError, MaskError
from mvi_ray.ingest.masks.choice import Segment, choose
from mvi_ray.ingest.masks.contours import drawn
from mvi_ray.ingest.masks.dicom import parsing
from mvi_ray.ingest.masks.result import ReadMask, Remark

if TYPE_CHECKING:
    import numpy.typing as npt
    from pydicom import Dataset

    from mvi_ray.ingest.masks.choice import SegmentChoice
    from mvi_ray.ingest.masks.result import GeometryRule
    from mvi_ray.volume import Geometry

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


def read(dataset: Dataset, choice: SegmentChoice, grid: Geometry, rule: GeometryRule, what: str) -> ReadMask:
    """One region of interest on the grid of the image.

    Args:
        dataset: the file.
        choice: which region, by its number or its name.
        grid: the grid of the image.
        rule: what happens to contours between the slices of the image.
        what: what to call it in messages.

    Raises:
        CaseError: the file is damaged.
        MaskError: the region is not there, or has no closed contour.
        GeometryError: its contours do not lie in slices of the image.
    """
    with parsing(what):
        named = {
            int(r.ROINumber): str(r.get("ROIName") or "").strip() for r in dataset.StructureSetROISequence
        }
        lines = {int(item.ReferencedROINumber): item for item in dataset.get("ROIContourSequence") or ()}
        segments = [Segment(number, name) for number, name in named.items()]
        segment = choose(segments, choice, what)
        item = lines.get(segment.number)
        contours, other = _contours(() if item is None else item.get("ContourSequence") or (), what)
    if not contours:
        raise MaskError(f"the region of the {what} has no closed contour; draw it, or choose another")
    found = drawn(contours, grid, rule, what)
    if not other:
        return found
    remark = Remark(
        f"{other} open contours or points of the {what} were left out", "close them if they matter"
    )
    return ReadMask(found.mask, (remark, *found.remarks), found.resampled_from)


def _contours(items: Any, what: str) -> tuple[list[npt.NDArray[np.float64]], int]:
    """Closed contours as points (n, 3) in LPS millimetres, and the number of others."""
    closed, other = [], 0
    for item in items:
        if str(item.get("ContourGeometricType", "CLOSED_PLANAR")).strip() not in _CLOSED:
            other += 1
            continue
        data = np.atleast_1d(np.array(item.ContourData, dtype=np.float64))
        said = item.get("NumberOfContourPoints")
        if data.size % 3 or (said is not None and int(said) * 3 != data.size) or not np.isfinite(data).all():
            raise CaseError(f"{what} has a contour with missing or broken points; export it anew")
        if data.size < 9:
            other += 1
            continue
        closed.append(data.reshape(-1, 3))
    return closed, other
