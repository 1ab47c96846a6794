"""Size of a mask in voxels and millimetres."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

if TYPE_CHECKING:
    from mvi_ray.volume import Mask


@dataclass(frozen=True, slots=True)
class MaskFacts:
    """What is recorded of every mask.

    Args:
        voxels: number of voxels inside.
        volume_mm3: voxels times the volume of one, in cubic millimetres.
        largest_diameter_mm: longest distance between the centres of two voxels inside.
    """

    voxels: int
    volume_mm3: float
    largest_diameter_mm: float


def mask_facts(mask: Mask) -> MaskFacts:
    """Measure a mask on its own grid."""
    voxels = mask.voxels
    return MaskFacts(voxels, voxels * mask.geometry.voxel_mm3, _largest_diameter(mask))


def _largest_diameter(mask: Mask) -> float:
    box = mask.array[mask.box] != 0
    # The farthest pair lies on the convex hull, and a hull vertex ends its line of voxels
    # along the last axis: this leaves a few thousand points of a large mask.
    any_line = box.any(axis=2)
    first = box.argmax(axis=2)
    last = box.shape[2] - 1 - box[:, :, ::-1].argmax(axis=2)
    z, y = np.nonzero(any_line)
    ends = np.concatenate([np.stack([z, y, edge[z, y]], axis=1) for edge in (first, last)])
    points = np.unique(ends, axis=0) * np.asarray(mask.geometry.sampling)
    if len(points) < 2:
        return 0.0
    if len(points) > 4:
        # Flat masks have no hull in space; their points are few enough for all pairs.
        with suppress(QhullError):
            points = points[ConvexHull(points).vertices]
    return float(pdist(points).max())
