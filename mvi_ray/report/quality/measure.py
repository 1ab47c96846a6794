"""What the page says about the voxels inside a mask."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mvi_ray.report.quality.plane import Plane
    from mvi_ray.study.families import ConventionalRadiomics
    from mvi_ray.volume import Mask, Volume


@dataclass(frozen=True, slots=True)
class Inside:
    """The voxels of an image inside one drawn mask.

    Args:
        minimum, median, maximum: intensities.
        at_border: whether a voxel of the mask is a voxel of the image's edge.
        centroid_mm: mean of the voxel centres, LPS millimetres.
        slices: number of slices that the mask is on.
        dice: overlap with the mask that the picture is about; None for that mask itself.
    """

    minimum: float
    median: float
    maximum: float
    at_border: bool
    centroid_mm: tuple[float, float, float]
    slices: int
    dice: float | None = None

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> Self:
        """Undo `dataclasses.asdict`.

        Raises:
            TypeError, ValueError, KeyError: it is something else.
        """
        x, y, z = content["centroid_mm"]
        return cls(**{**content, "centroid_mm": (float(x), float(y), float(z))})


def measure(volume: Volume, mask: Mask, plane: Plane, first: Mask | None = None) -> Inside:
    """Measure an image inside a mask on the native grid.

    Args:
        volume: the image.
        mask: the drawn mask on its grid.
        plane: along which slices are counted.
        first: the mask that overlap is measured with.
    """
    box = mask.box
    inside = mask.array[box] != 0
    values = volume.array[box][inside]
    others = tuple(a for a in range(3) if a != plane.axis)
    z, y, x = (float(at.mean()) + span.start for at, span in zip(np.nonzero(inside), box, strict=True))
    return Inside(
        float(values.min()),
        float(np.median(values)),
        float(values.max()),
        any(span.start == 0 or span.stop == n for span, n in zip(box, mask.array.shape, strict=True)),
        mask.geometry.point((x, y, z)),
        int(np.count_nonzero(inside.any(axis=others))),
        None if first is None else dice(first, mask),
    )


def dice(a: Mask, b: Mask) -> float:
    """Twice the common voxels over the sum of both; 1 means the same mask (Dice 1945)."""
    return 2 * int(np.count_nonzero(a.array & b.array)) / (a.voxels + b.voxels)


def grey_levels(minimum: float, maximum: float, settings: ConventionalRadiomics, phase: str) -> int:
    """Number of grey levels that texture is computed on, as predicted from the native grid.

    With a bin width: floor(maximum / width) - floor(minimum / width) + 1, since the bins of PyRadiomics
    begin at multiples of the width (`radiomics.imageoperations.getBinEdges`). Resampling and filters
    change it.
    """
    kind, value = settings.binning(phase)
    if kind == "bin_count":
        return int(value)
    return floor(maximum / value) - floor(minimum / value) + 1
