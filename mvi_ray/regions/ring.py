"""A shell of given thickness around a mask, in true millimetres."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import distance_transform_edt

from mvi_ray.errors import MaskError
from mvi_ray.regions.clip import ClippedMask, clip
from mvi_ray.volume import Mask

if TYPE_CHECKING:
    import numpy.typing as npt

    from mvi_ray.study import Ring
    from mvi_ray.volume import Volume


def ring_around(
    mask: Mask, definition: Ring, organ: Mask | None = None, image: Volume | None = None
) -> ClippedMask:
    """Voxels with inner < distance ≤ outer to the nearest voxel of the mask.

    Distances run from voxel centre to voxel centre with the spacing of each axis, by the exact
    Euclidean distance transform, on the native grid.

    Args:
        mask: the mask it surrounds.
        definition: inner and outer distance in millimetres; what to clip to.
        organ: mask on the same grid; only read when the definition clips to the organ.
        image: intensities on the same grid; only read when the definition has a threshold.

    Raises:
        MaskError: nothing of the ring is left inside the organ, the image and the intensities.
    """
    sampling = mask.geometry.sampling
    margin = [ceil(definition.outer_mm / step) + 1 for step in sampling]
    # The transform runs on the mask's box plus the ring, beyond the image where it must.
    low = [span.start - m for span, m in zip(mask.box, margin, strict=True)]
    high = [span.stop + m for span, m in zip(mask.box, margin, strict=True)]
    inside = _window(mask.array, low, high)
    distance = distance_transform_edt(~inside, sampling=sampling)
    shell = (distance > definition.inner_mm) & (distance <= definition.outer_mm) & ~inside

    begin = [max(0, at) for at in low]
    end = [min(n, at) for n, at in zip(mask.array.shape, high, strict=True)]
    z, y, x = (slice(b, e) for b, e in zip(begin, end, strict=True))
    within = shell[tuple(slice(b - at, e - at) for b, e, at in zip(begin, end, low, strict=True))]
    beyond = int(np.count_nonzero(shell)) - int(np.count_nonzero(within))
    cut = clip(within, (z, y, x), definition, organ, image)
    if not cut.inside.any():
        places = "the organ and the image"
        if definition.threshold is not None:
            places += ", within the intensities"
        raise MaskError(
            f"nothing is left of the ring of {definition.outer_mm:g} mm inside {places}; "
            "check the organ mask, or set clip: none for this region"
        )
    full = np.zeros(mask.array.shape, dtype=np.uint8)
    full[z, y, x] = cut.inside
    return ClippedMask.of(Mask(full, mask.geometry, mask.reorientation), cut, beyond)


def _window(array: npt.NDArray[np.generic], low: list[int], high: list[int]) -> npt.NDArray[np.bool_]:
    """The box [low, high) of an array as booleans; False beyond its edges."""
    window = np.zeros([h - at for at, h in zip(low, high, strict=True)], dtype=bool)
    begin = [max(0, at) for at in low]
    end = [min(n, h) for n, h in zip(array.shape, high, strict=True)]
    window[tuple(slice(b - at, e - at) for b, e, at in zip(begin, end, low, strict=True))] = (
        array[tuple(slice(b, e) for b, e in zip(begin, end, strict=True))] != 0
    )
    return window
