"""Contours to voxels: a voxel is inside when its centre is.

Points are turned into indices of the image first, so that contours may lie in any of its three
kinds of slices, also oblique ones. Of the contours of one slice the even-odd rule holds: a contour
within another is a hole, and a line that leads there and back (a keyhole) encloses nothing. A
centre on a contour is inside, so that turned copies of a case agree.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.errors import CaseError, GeometryError, MaskError
from mvi_ray.ingest.masks.placing import volume_remarks
from mvi_ray.ingest.masks.result import ReadMask, Remark
from mvi_ray.volume import Mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from mvi_ray.ingest.masks.result import GeometryRule
    from mvi_ray.volume import Geometry

    Points = npt.NDArray[np.float64]

_FLAT = 0.1
"""Share of a slice that points of one contour may lie apart across it: coordinates are rounded."""
_PLANE = 0.05
"""Share of a slice within which contours lie in one plane, and planes on a slice."""
_BESIDE = 0.25
"""Share of a slice beside it from which it is worth a look."""
_DIGITS = 6
"""Decimals of an index: more are noise of the arithmetic, and would miss a centre on a contour."""
_MOST_CONTOURS = 100_000
_MOST_WORK = 10**11
"""Points × voxels around them, about a minute: a damaged file must not take days."""


def drawn(contours: Sequence[Points], grid: Geometry, rule: GeometryRule, what: str = "mask") -> ReadMask:
    """Voxels inside closed contours.

    Under ``exact`` each contour belongs to the nearest slice, at most half a slice away. Under
    ``resample`` contours beside the slices may have been drawn on slices of another thickness:
    each slice takes those nearest to it, at most half the distance of contours away.

    Args:
        contours: points (n, 3) in LPS millimetres of each, at least three.
        grid: the grid of the image.
        rule: ``exact`` or ``resample``, as in the study.
        what: what to call it in messages.

    Raises:
        CaseError: there are more points than can be drawn.
        GeometryError: contours lie across slices, between them, or outside.
        MaskError: no centre of a voxel is inside.
    """
    if len(contours) > _MOST_CONTOURS:
        raise CaseError(f"{what} has {len(contours)} contours; export it as a label map")
    back = grid.matrix / grid.spacing
    found = [np.round((points - np.asarray(grid.origin)) @ back, _DIGITS) for points in contours]
    flat = list({points.tobytes(): points for points in found}.values())
    axis = _axis(flat, what)
    planes = _planes(flat, axis)
    slices, distance = _slices(sorted(planes), grid.size[axis], rule, what)
    shape = tuple(np.delete(grid.shape, 2 - axis).tolist())
    _check_work(list(planes.values()), shape, what)
    array = np.zeros(grid.shape, dtype=np.uint8)
    along, area = np.moveaxis(array, 2 - axis, 0), 0
    for height, polygons in planes.items():
        inside = _inside(polygons, shape)
        area += int(np.count_nonzero(inside))
        along[[at for at, chosen in slices.items() if chosen == height]] = inside
    if not array.any():
        raise _nothing(slices, what)
    mask = Mask(array, grid)
    remarks = _remarks(planes, slices, axis, grid, what)
    if distance is None:
        remarks.extend(_beside(slices, what))
    if len(flat) < len(found):
        twice = f"{len(found) - len(flat)} contours of the {what} are there twice, and count once"
        remarks.append(Remark(twice, "export it anew if that is not meant"))
    if distance is None:
        return ReadMask(mask, tuple(remarks))
    remarks.extend(volume_remarks(area * distance * grid.voxel_mm3, mask, what))
    text = f"contours {distance * grid.spacing[axis]:.4g} mm apart along {'xyz'[axis]}"
    return ReadMask(mask, tuple(remarks), text)


def _axis(flat: list[Points], what: str) -> int:
    """The axis of the image across which all contours are flat; they lose that coordinate nowhere."""
    apart = np.max([np.ptp(points, axis=0) for points in flat], axis=0)
    axis = int(np.argmin(apart))
    if apart[axis] > _FLAT:
        raise GeometryError(
            f"contours of the {what} lie across the slices of the image, "
            f"by up to {apart[axis]:.2g} of a slice; "
            "give the image they were drawn on, or export a label map"
        )
    return axis


def _planes(flat: list[Points], axis: int) -> dict[float, list[Points]]:
    """Contours by their index across the slices; the two coordinates that are left run as an array's axes."""
    planes: dict[float, list[Points]] = {}
    last: float | None = None
    for height, at in sorted((float(points[:, axis].mean()), at) for at, points in enumerate(flat)):
        if last is None or height - last > _PLANE:
            last = height
            planes[last] = []
        planes[last].append(np.delete(flat[at], axis, axis=1)[:, ::-1])
    return planes


def _slices(
    heights: list[float], count: int, rule: GeometryRule, what: str
) -> tuple[dict[int, float], float | None]:
    """The plane of each slice, and the distance of planes in slices where they had to be resampled."""
    nearest = [int(np.floor(height + 0.5)) for height in heights]
    beside = max(abs(height - at) for height, at in zip(heights, nearest, strict=True))
    single = len(set(nearest)) == len(nearest)
    # Contours of this image may all lie a little beside its slices; by turns, they are of another one.
    steady = float(np.ptp(np.subtract(heights, nearest))) <= 2 * _PLANE
    if single and (beside <= _PLANE or (rule == "exact" and steady and beside < 0.5 - _PLANE)):
        return {at: height for at, height in zip(nearest, heights, strict=True) if 0 <= at < count}, None
    gaps = np.diff(heights)
    distance = float(gaps.min()) if gaps.size else 1.0
    if rule == "exact":
        way = "give the image they were drawn on, or write geometry: resample into the study"
        if single and steady:
            raise GeometryError(f"contours of the {what} lie midway between slices of the image; {way}")
        raise GeometryError(f"contours of the {what} lie {distance:.3g} slices of the image apart; {way}")
    found = {}
    for at in range(count):
        height = heights[int(np.argmin(np.abs(np.subtract(heights, at))))]
        if abs(height - at) <= distance / 2 + 10**-_DIGITS:
            found[at] = height
    return found, distance


def _check_work(planes: list[list[Points]], shape: tuple[int, ...], what: str) -> None:
    work = len(planes) * prod(shape)
    for points in (points for polygons in planes for points in polygons):
        low, high = _box(points, shape)
        work += len(points) * prod((high - low).tolist())
    if work > _MOST_WORK:
        count = sum(len(points) for polygons in planes for points in polygons)
        raise CaseError(f"{what} has contours of {count} points; export it as a label map")


def _box(points: Points, shape: tuple[int, ...]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First and end index of the voxels around a polygon that lie in the image."""
    low = np.clip(np.floor(points.min(axis=0)), 0, shape)
    high = np.clip(np.ceil(points.max(axis=0)) + 1, low, shape)
    return low.astype(np.int64), high.astype(np.int64)


def _inside(polygons: list[Points], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Centres inside by the even-odd rule, or on a contour."""
    odd, edge = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for points in polygons:
        low, high = _box(points, shape)
        if (low == high).any():
            continue
        place = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
        kind = _kinds(tuple((high - low).tolist()), points - low)
        odd[place] ^= kind == 1
        edge[place] |= kind > 1
    return odd | edge


def _kinds(shape: tuple[int, ...], points: Points) -> npt.NDArray[np.uint8]:
    """Of each centre: 0 outside, 1 inside, 2 on a corner, 3 on an edge of the polygon."""
    from skimage import measure

    kinds: npt.NDArray[np.uint8] = measure.grid_points_in_poly(shape, points, binarize=False)  # type: ignore[no-untyped-call]
    return kinds


def _nothing(slices: dict[int, float], what: str) -> CaseError:
    if not slices:
        return GeometryError(
            f"contours of the {what} lie outside the image; check that both are of one examination"
        )
    return MaskError(
        f"contours of the {what} enclose no centre of a voxel of the image; check that both belong together"
    )


def _remarks(
    planes: dict[float, list[Points]], slices: dict[int, float], axis: int, grid: Geometry, what: str
) -> list[Remark]:
    remarks = []
    sides = np.delete(grid.shape, 2 - axis)
    used = set(slices.values())
    total = sum(map(len, planes.values()))
    outside = sum(
        height not in used or bool((points < -0.5 - _PLANE).any() or (points > sides - 0.5 + _PLANE).any())
        for height, polygons in planes.items()
        for points in polygons
    )
    if outside:
        remarks.append(
            Remark(
                f"{outside} of the {total} contours of the {what} lie outside the image, at least in part",
                "check that both belong together",
            )
        )
    missing = max(slices) - min(slices) + 1 - len(slices)
    if missing:
        remarks.append(
            Remark(
                f"contours of the {what} leave out {missing} slices between the first and the last",
                "check that none is missing",
            )
        )
    return remarks


def _beside(slices: dict[int, float], what: str) -> list[Remark]:
    beside = max(abs(height - at) for at, height in slices.items())
    if beside <= _BESIDE:
        return []
    return [
        Remark(
            f"contours of the {what} lie up to {beside:.2g} of a slice beside the slices of the image",
            "check that they were drawn on it",
        )
    ]
