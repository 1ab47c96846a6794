"""Size of a mask in voxels and millimetres."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

if TYPE_CHECKING:
    import numpy.typing as npt

    from mvi_ray.volume import Mask


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """What is recorded of every mask.

    Args:
        voxels: number of voxels inside.
        volume_mm3: voxels times the volume of one, in cubic millimetres.
        largest_diameter_mm: longest distance between the centres of two voxels inside.
        box_mm: sides (x, y, z) of the smallest box along the grid that holds every voxel inside.
    """

    voxels: int
    volume_mm3: float
    largest_diameter_mm: float
    box_mm: tuple[float, float, float]


def mask_facts(mask: Mask) -> MaskFacts:
    """Measure a mask on its own grid."""
    voxels = mask.voxels
    z, y, x = (
        (side.stop - side.start) * step for side, step in zip(mask.box, mask.geometry.sampling, strict=True)
    )
    return MaskFacts(voxels, voxels * mask.geometry.voxel_mm3, _largest_diameter(mask), (x, y, z))


def _largest_diameter(mask: Mask) -> float:
    ends = mask.array[mask.box] != 0
    # The farthest pair lies on the convex hull, and a hull vertex ends its line of voxels
    # along every axis: this leaves a few thousand points of a large mask.
    for axis in range(3):
        ends = _ends(ends, axis)
    points = np.argwhere(ends) * np.asarray(mask.geometry.sampling)
    if len(points) < 2:
        return 0.0
    if len(points) > 4:
        # Flat masks have no hull in space; their points are few enough for all pairs.
        with suppress(QhullError):
            points = points[ConvexHull(points).vertices]
    return float(pdist(points).max())


def _ends(inside: npt.NDArray[np.bool_], axis: int) -> npt.NDArray[np.bool_]:
    """First and last voxel inside of every line along an axis; a hull vertex is always one."""
    ends = np.zeros_like(inside)
    lines = np.moveaxis(inside, axis, 2)
    z, y = np.nonzero(lines.any(axis=2))
    view = np.moveaxis(ends, axis, 2)
    view[z, y, lines.argmax(axis=2)[z, y]] = True
    view[z, y, lines.shape[2] - 1 - lines[:, :, ::-1].argmax(axis=2)[z, y]] = True
    return ends
