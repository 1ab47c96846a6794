"""Union, intersection and difference of regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.errors import MaskError
from mvi_ray.regions.clip import ClippedMask, clip
from mvi_ray.volume import Mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mvi_ray.study import Combination
    from mvi_ray.volume import Volume


def combine(
    masks: Sequence[Mask], definition: Combination, organ: Mask | None = None, image: Volume | None = None
) -> ClippedMask:
    """Voxels of any mask, of every mask, or of the first and no other.

    Args:
        masks: on one grid, in the order of the definition.
        definition: how they are combined, and what to cut the result to.
        organ: mask on the same grid; only read when the definition clips to the organ.
        image: intensities on the same grid; only read when the definition has a threshold.

    Raises:
        MaskError: no voxel is left.
    """
    first, *others = masks
    inside = first.array != 0
    for other in others:
        if definition.kind == "union":
            inside |= other.array != 0
        elif definition.kind == "intersection":
            inside &= other.array != 0
        else:
            inside &= other.array == 0
    box = (slice(None), slice(None), slice(None))
    cut = clip(inside, box, definition, organ, image)
    if not cut.inside.any():
        clipped = " after clipping" if inside.any() else ""
        raise MaskError(
            f"nothing is left of the {definition.kind} of {', '.join(definition.of)}{clipped}; "
            "check the masks, or the definition of this region"
        )
    return ClippedMask.of(Mask(cut.inside.astype(np.uint8), first.geometry, first.reorientation), cut)
