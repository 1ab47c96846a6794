"""A shell of given thickness around a mask, in true millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import distance_transform_edt

from mvi_ray.errors import MaskError
from mvi_ray.volume import Mask

if TYPE_CHECKING:
    import numpy.typing as npt

    from mvi_ray.study import Ring


@dataclass(frozen=True, slots=True)
class ClippedRing:
    """A ring and how much of it was cut away.

    Args:
        mask: the ring on the grid of the mask it surrounds.
        clipped_organ_mm3: volume outside the organ, in cubic millimetres; None without an organ.
        clipped_image_mm3: volume beyond the edge of the image, in cubic millimetres.
    """

    mask: Mask
    clipped_organ_mm3: float | None
    clipped_image_mm3: float


def ring_around(mask: Mask, definition: Ring, organ: Mask | None = None) -> ClippedRing:
    """Voxels with inner < distance ≤ outer to the nearest voxel of the mask.

    Distances run from voxel centre to voxel centre with the spacing of each axis, by the exact
    Euclidean distance transform, on the native grid.

    Args:
        mask: the drawn mask.
        definition: inner and outer distance in millimetres; whether to clip to the organ.
        organ: mask on the same grid; only read when the definition clips to the organ.

    Raises:
        MaskError: nothing of the ring is left inside the organ and the image.
    """
    sampling = mask.geometry.sampling
    margin = [ceil(definition.outer_mm / step) + 1 for step in sampling]
    # The transform runs on the mask's box plus the ring, beyond the image where it must.
    low = [span.start - m for span, m in zip(mask.box, margin, strict=True)]
    high = [span.stop + m for span, m in zip(mask.box, margin, strict=True)]
    inside = _window(mask.array, low, high)
    distance = distance_transform_edt(~inside, sampling=sampling)
    shell = (distance > definition.inner_mm) & (distance <= definition.outer_mm) & ~inside

    within_image = _window(np.ones(mask.array.shape, dtype=bool), low, high)
    outside_image = int(np.count_nonzero(shell & ~within_image))
    shell &= within_image
    clipped_organ = None
    if organ is not None and definition.clip == "organ":
        organ_here = _window(organ.array, low, high)
        clipped_organ = int(np.count_nonzero(shell & ~organ_here)) * mask.geometry.voxel_mm3
        shell &= organ_here
    if not shell.any():
        raise MaskError(
            f"nothing is left of the ring of {definition.outer_mm:g} mm inside the organ and the image; "
            "check the organ mask, or set clip: none for this region"
        )
    full = np.zeros(mask.array.shape, dtype=np.uint8)
    begin = [max(0, at) for at in low]
    end = [min(n, at) for n, at in zip(mask.array.shape, high, strict=True)]
    full[tuple(slice(b, e) for b, e in zip(begin, end, strict=True))] = shell[
        tuple(slice(b - at, e - at) for b, e, at in zip(begin, end, low, strict=True))
    ]
    return ClippedRing(
        Mask(full, mask.geometry, mask.reorientation),
        clipped_organ,
        outside_image * mask.geometry.voxel_mm3,
    )


def _window(array: npt.NDArray[np.generic], low: list[int], high: list[int]) -> npt.NDArray[np.bool_]:
    """The box [low, high) of an array as booleans; False beyond its edges."""
    window = np.zeros([h - at for at, h in zip(low, high, strict=True)], dtype=bool)
    begin = [max(0, at) for at in low]
    end = [min(n, h) for n, h in zip(array.shape, high, strict=True)]
    window[tuple(slice(b - at, e - at) for b, e, at in zip(begin, end, low, strict=True))] = (
        array[tuple(slice(b, e) for b, e in zip(begin, end, strict=True))] != 0
    )
    return window
