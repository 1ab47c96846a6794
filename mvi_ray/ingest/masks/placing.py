"""From the grid a mask was drawn on to the grid of its image: exactly where that is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mvi_ray.errors import GeometryError, MaskError
from mvi_ray.ingest.masks.result import ReadMask, Remark
from mvi_ray.volume import Mask

if TYPE_CHECKING:
    import numpy.typing as npt

    from mvi_ray.ingest.masks.result import GeometryRule
    from mvi_ray.volume import Geometry

TOLERANCE = 1e-3
"""Share of the image's smallest spacing that a voxel centre may lie beside its twin."""
_CHANGE = 0.05
"""Change of the volume by resampling that is worth a look."""


class _Steps(NamedTuple):
    """How indices of one grid count in another.

    Args:
        turn: signed permutation, shape (3, 3): columns are steps along the axes (x, y, z) of the first.
        start: index, in the second grid, of the first grid's first voxel.
    """

    turn: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]


def placed(
    array: npt.NDArray[np.uint8],
    own: Geometry,
    grid: Geometry,
    rule: GeometryRule,
    what: str = "mask",
    *,
    keep: bool = False,
) -> ReadMask:
    """A mask on the grid of its image.

    Voxels whose centres coincide with those of the image, to a thousandth of its smallest spacing, are
    turned, cut and padded; nothing is interpolated. What does not coincide is refused, or
    resampled to the nearest voxel.

    Args:
        array: 1 inside, 0 outside; shape (z, y, x) of its own grid.
        own: the grid it was drawn on.
        grid: the grid of its image.
        rule: ``exact`` or ``resample``, as in the study.
        what: what to call it in messages.
        keep: leave a mask of the same size on its own grid where that is the image's within the tolerance.

    Raises:
        GeometryError: it lies outside, in part or as a whole, or on another grid.
        MaskError: nothing is drawn.
    """
    drawn = int(np.count_nonzero(array))
    if not drawn:
        raise MaskError(f"{what} is empty; draw it, or remove it from the manifest")
    if keep and grid.difference(own) is None:
        return ReadMask(Mask(array, own))
    if not grid.overlaps(own):
        raise _outside(what)
    steps = _steps(own, grid)
    if steps is not None:
        return _turned(array, steps, grid, rule, what)
    if rule == "exact":
        raise GeometryError(
            f"{what} lies on another grid than the image ({grid.difference(own)}); "
            "resample it onto the image, or write geometry: resample into the study"
        )
    return _resampled(array, own, grid, what)


def cut_remark(lost: int, drawn: int, what: str) -> Remark:
    """That voxels lie outside the image."""
    return Remark(
        f"{lost} of the {drawn} voxels of the {what} lie outside the image", "check that both belong together"
    )


def _outside(what: str) -> GeometryError:
    return GeometryError(f"{what} lies outside the image; check that both are of one examination")


def _steps(own: Geometry, grid: Geometry) -> _Steps | None:
    """Whole steps from grid to grid, or None where voxel centres do not coincide."""
    back = grid.matrix.T / np.reshape(grid.spacing, (3, 1))
    turn = back @ own.matrix * np.asarray(own.spacing)
    start = back @ np.subtract(own.origin, grid.origin)
    whole, first = np.rint(turn), np.rint(start)
    if not (np.abs(whole).sum(axis=0) == 1).all() or not (np.abs(whole).sum(axis=1) == 1).all():
        return None
    # The map between the grids is affine: voxels lie farthest apart at a corner.
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in own.size])).reshape(3, -1)
    apart = (turn - whole) @ ends + (start - first)[:, None]
    distance = np.linalg.norm(apart * np.reshape(grid.spacing, (3, 1)), axis=0)
    if distance.max() > TOLERANCE * min(grid.spacing):
        return None
    return _Steps(whole.astype(np.int64), first.astype(np.int64))


def _turned(
    array: npt.NDArray[np.uint8], steps: _Steps, grid: Geometry, rule: GeometryRule, what: str
) -> ReadMask:
    # For each axis of the image: the axis of the mask that runs along it. Arrays run z, y, x.
    source = np.argmax(np.abs(steps.turn), axis=1)
    turned = np.transpose(array, [2 - int(source[axis]) for axis in (2, 1, 0)])
    whole = np.zeros(grid.shape, dtype=np.uint8)
    to, of = [], []
    for axis in (2, 1, 0):
        length, size = turned.shape[2 - axis], grid.size[axis]
        start = int(steps.start[axis])
        if steps.turn[axis, source[axis]] < 0:
            turned = np.flip(turned, 2 - axis)
            start -= length - 1
        low, high = max(start, 0), min(start + length, size)
        to.append(slice(low, max(low, high)))
        of.append(slice(low - start, max(low, high) - start))
    whole[tuple(to)] = turned[tuple(of)]
    drawn, left = int(np.count_nonzero(array)), int(np.count_nonzero(whole))
    if not left:
        raise _outside(what)
    remarks: tuple[Remark, ...] = ()
    if left < drawn:
        remark = cut_remark(drawn - left, drawn, what)
        if rule == "exact":
            raise GeometryError(
                f"{remark.reason}; {remark.way_out}, or write geometry: resample to cut them off"
            )
        remarks = (remark,)
    return ReadMask(Mask(whole, grid), remarks)


def _resampled(array: npt.NDArray[np.uint8], own: Geometry, grid: Geometry, what: str) -> ReadMask:
    import SimpleITK as sitk

    source = Mask(array, own)
    image = sitk.Resample(
        source.to_sitk(),
        grid.size,
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
        grid.origin,
        grid.spacing,
        grid.direction,
        0,
        sitk.sitkUInt8,
    )
    result = sitk.GetArrayFromImage(image)
    if not result.any():
        raise GeometryError(
            f"{what} holds no voxel of the image after resampling; check that both are of one examination"
        )
    mask = Mask(result, grid)
    return ReadMask(mask, volume_remarks(source.voxels * own.voxel_mm3, mask, what), _in_words(own))


def volume_remarks(before: float, mask: Mask, what: str) -> tuple[Remark, ...]:
    """A remark when resampling changed the volume by more than a twentieth.

    Args:
        before: cubic millimetres on the grid it was drawn on.
        mask: the mask on the grid of its image.
        what: what to call it.
    """
    change = mask.voxels * mask.geometry.voxel_mm3 / before - 1
    if abs(change) <= _CHANGE:
        return ()
    return (
        Remark(f"resampling changed the volume of the {what} by {change:+.0%}", "look at it on the image"),
    )


def _in_words(grid: Geometry) -> str:
    spacing = " × ".join(f"{v:.4g}" for v in grid.spacing)
    return f"{spacing} mm, {' × '.join(map(str, grid.size))} voxels"
