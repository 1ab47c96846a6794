"""Cutting a region to the organ and to intensities of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mvi_ray.errors import MaskError

if TYPE_CHECKING:
    import numpy.typing as npt

    from mvi_ray.study import Combination, Ring, Threshold
    from mvi_ray.volume import Mask, Volume

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Clipped:
    """What is left of a region, and how many voxels were cut off.

    Args:
        inside: voxels left, on the box that was given.
        organ: voxels outside the organ; None where nothing was cut to it.
        threshold: voxels of the rest whose intensity lies outside; None without a threshold.
    """

    inside: npt.NDArray[np.bool_]
    organ: int | None
    threshold: int | None


@dataclass(frozen=True, slots=True)
class ClippedMask:
    """A region and how much of it was cut away.

    Args:
        mask: the region, on the grid of the mask it was made from.
        clipped_organ_mm3: volume outside the organ, in cubic millimetres; None without an organ.
        clipped_threshold_mm3: volume of the rest outside the intensities; None without a threshold.
        clipped_image_mm3: volume beyond the edge of the image; None where none can lie there.
    """

    mask: Mask
    clipped_organ_mm3: float | None
    clipped_threshold_mm3: float | None
    clipped_image_mm3: float | None

    @classmethod
    def of(cls, mask: Mask, cut: Clipped, beyond_image: int | None = None) -> Self:
        """From numbers of voxels."""
        counts = (cut.organ, cut.threshold, beyond_image)
        return cls(mask, *(None if n is None else n * mask.geometry.voxel_mm3 for n in counts))


def clip(
    inside: npt.NDArray[np.bool_],
    box: Box,
    definition: Ring | Combination,
    organ: Mask | None,
    image: Volume | None,
) -> Clipped:
    """Cut a region as its definition says: first to the organ, then to intensities.

    Args:
        inside: voxels of the region within the box.
        box: where these lie in the grid (z, y, x).
        definition: what to cut to.
        organ: mask on the same grid; without one nothing is cut to it.
        image: intensities on the same grid; only read for a threshold.

    Raises:
        MaskError: there is a threshold, but no image.
    """
    cut_organ = cut_threshold = None
    if organ is not None and definition.to_organ:
        kept = inside & (organ.array[box] != 0)
        cut_organ = int(np.count_nonzero(inside)) - int(np.count_nonzero(kept))
        inside = kept
    if definition.threshold is not None:
        if image is None:
            raise MaskError("a region is cut to intensities without its image; ingest the image")
        kept = inside & _within(image.array[box], definition.threshold)
        cut_threshold = int(np.count_nonzero(inside)) - int(np.count_nonzero(kept))
        inside = kept
    return Clipped(inside, cut_organ, cut_threshold)


def _within(values: npt.NDArray[Any], threshold: Threshold) -> npt.NDArray[np.bool_]:
    kept = np.ones(values.shape, dtype=bool)
    # A bound takes the voxels' own precision: 0.1 means the voxel written as 0.1. One beyond
    # all that this can hold becomes infinite, which compares rightly.
    with np.errstate(over="ignore"):
        if threshold.above is not None:
            kept &= values > threshold.above
        if threshold.below is not None:
            kept &= values < threshold.below
    return kept
