"""Union, intersection and difference obey the algebra of sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.errors import MaskError
from mvi_ray.regions.combine import combine
from mvi_ray.study import Combination
from mvi_ray.volume import Geometry, Mask, Reorientation, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

QUICK = settings(derandomize=True, deadline=None, max_examples=60)
GRID = Geometry((4, 3, 2), (1.0, 2.0, 3.0), (5, 6, 7), (1, 0, 0, 0, 1, 0, 0, 0, 1))
WAY = Reorientation("RAS", (1.0, 2.0, 3.0))
MASKS = (
    st.lists(st.booleans(), min_size=24, max_size=24)
    .filter(any)
    .map(lambda v: Mask(np.reshape(v, (2, 3, 4)).astype(np.uint8), GRID, WAY))
)


def voxels(kind: str, masks: Sequence[Mask]) -> frozenset[int]:
    """Flat indices of the voxels inside; none where nothing is left."""
    names = [f"r{at}" for at in range(len(masks))]
    try:
        found = combine(masks, Combination.model_validate({"kind": kind, "of": names}))
    except MaskError as error:
        assert f"nothing is left of the {kind} of {', '.join(names)};" in error.message  # noqa: PT017
        return frozenset()
    assert found.mask.geometry == GRID
    assert found.mask.reorientation == WAY
    assert (found.clipped_organ_mm3, found.clipped_threshold_mm3, found.clipped_image_mm3) == (None,) * 3
    return frozenset(np.flatnonzero(found.mask.array).tolist())


@QUICK
@given(st.lists(MASKS, min_size=2, max_size=4))
def test_combinations_are_those_of_sets(masks: list[Mask]) -> None:
    """Against Python's own sets, for two to four masks."""
    first, *others = (frozenset(np.flatnonzero(mask.array).tolist()) for mask in masks)
    assert voxels("union", masks) == first.union(*others)
    assert voxels("intersection", masks) == first.intersection(*others)
    assert voxels("difference", masks) == first.difference(*others)


@QUICK
@given(MASKS, MASKS)
def test_difference_and_intersection_make_up_the_first(a: Mask, b: Mask) -> None:
    """Nothing is lost and nothing counted twice; order counts for a difference only."""
    whole = frozenset(np.flatnonzero(a.array).tolist())
    rest, shared = voxels("difference", [a, b]), voxels("intersection", [a, b])
    assert rest | shared == whole
    assert not rest & shared
    assert voxels("union", [a, b]) == voxels("union", [b, a])
    assert shared == voxels("intersection", [b, a])


def test_combination_is_cut_as_it_says_and_tells_how_much() -> None:
    """A mask alone, cut to bright voxels: the tumour without its dark core."""
    array = np.zeros((2, 3, 4), dtype=np.uint8)
    array[0, 1, :] = 1
    image = Volume(np.arange(24, dtype=np.float32).reshape(2, 3, 4), GRID)
    bright = Combination.model_validate({"kind": "union", "of": ["intratumoral"], "clip": {"above": 5}})
    found = combine([Mask(array, GRID)], bright, None, image)
    assert np.argwhere(found.mask.array).tolist() == [[0, 1, 2], [0, 1, 3]]
    # Two voxels of 1 × 2 × 3 mm.
    assert found.clipped_threshold_mm3 == 12.0
    dark = Combination.model_validate({"kind": "union", "of": ["intratumoral"], "clip": {"below": -1}})
    with pytest.raises(MaskError, match="nothing is left of the union of intratumoral after clipping"):
        combine([Mask(array, GRID)], dark, None, image)
