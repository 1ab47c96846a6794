"""Cutting regions to the organ and to intensities, held against its definition voxel by voxel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.errors import MaskError
from mvi_ray.regions.clip import clip
from mvi_ray.regions.ring import ring_around
from mvi_ray.study import Ring
from mvi_ray.volume import Geometry, Mask, Volume

QUICK = settings(derandomize=True, deadline=None, max_examples=60)
GRID = Geometry((6, 5, 4), (1.0, 2.0, 0.5), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
WHOLE = (slice(None), slice(None), slice(None))
ARRAYS = st.lists(st.booleans(), min_size=120, max_size=120).map(lambda v: np.reshape(v, (4, 5, 6)))
INTENSITIES = st.lists(st.integers(-3, 3), min_size=120, max_size=120).map(
    lambda v: np.reshape(v, (4, 5, 6)).astype(np.float32)
)


def ring(clip: Any, outer: float = 3) -> Ring:
    """A definition of a ring."""
    return Ring.model_validate({"kind": "ring", "outer_mm": outer, "clip": clip})


@QUICK
@given(
    ARRAYS,
    ARRAYS.filter(np.any),
    INTENSITIES,
    st.sampled_from(
        ["organ", "none", {"above": 0}, {"below": 1}, {"above": -2, "below": 2}, ["organ", {"above": 0}]]
    ),
)
def test_clip_is_its_definition(inside: np.ndarray, organ: np.ndarray, values: np.ndarray, how: Any) -> None:
    """Voxels of the organ, of intensities strictly between the bounds, or of both; the rest is counted."""
    cuts = how if isinstance(how, list) else [how]
    bounds = next((cut for cut in cuts if isinstance(cut, dict)), None)
    expected = inside & organ if "organ" in cuts else inside
    cut_organ = int(inside.sum() - expected.sum()) if "organ" in cuts else None
    before = expected.sum()
    if bounds is not None:
        low, high = bounds.get("above", -np.inf), bounds.get("below", np.inf)
        expected = expected & (low < values) & (values < high)
    found = clip(inside, WHOLE, ring(how), Mask(organ.astype(np.uint8), GRID), Volume(values, GRID))
    assert np.array_equal(found.inside, expected)
    assert found.organ == cut_organ
    assert found.threshold == (None if bounds is None else int(before - expected.sum()))


@QUICK
@given(ARRAYS, INTENSITIES, st.integers(-3, 3), st.integers(0, 3))
def test_higher_bound_never_adds_a_voxel(inside: np.ndarray, values: np.ndarray, low: int, more: int) -> None:
    """What is cut at one bound is cut at any that asks for more."""
    loose, strict = (
        clip(inside, WHOLE, ring({"above": bound}), None, Volume(values, GRID)).inside
        for bound in (low, low + more)
    )
    assert not (strict & ~loose).any()


def test_bound_is_outside_in_the_precision_of_the_voxels() -> None:
    """A voxel written as 0.1 is not above 0.1, though its float32 is a little more than that."""
    values = np.full((4, 5, 6), 0.1, dtype=np.float32)
    values[0, 0, 0] = 0.2
    found = clip(np.ones((4, 5, 6), dtype=bool), WHOLE, ring({"above": 0.1}), None, Volume(values, GRID))
    assert found.inside.sum() == 1


@pytest.mark.parametrize(("how", "left"), [({"below": 1e300}, 120), ({"above": 1e300}, 0)])
def test_bound_beyond_the_voxels_type_is_compared_rightly(how: dict[str, float], left: int) -> None:
    """Single precision ends near 3e38."""
    values = np.full((4, 5, 6), 7, dtype=np.float32)
    found = clip(np.ones((4, 5, 6), dtype=bool), WHOLE, ring(how), None, Volume(values, GRID))
    assert found.inside.sum() == left


def test_whole_numbers_are_compared_with_a_fraction() -> None:
    """Unsigned voxels and a bound below zero or between two of them."""
    values = (np.arange(120) % 3).reshape(4, 5, 6).astype(np.uint16)
    inside = np.ones((4, 5, 6), dtype=bool)
    counts = [
        int(clip(inside, WHOLE, ring({"above": bound}), None, Volume(values, GRID)).inside.sum())
        for bound in (-1.5, 0.5, 1, 2)
    ]
    assert counts == [120, 80, 40, 0]


def test_threshold_without_an_image_is_an_error() -> None:
    """Nothing is left uncut in silence."""
    with pytest.raises(MaskError, match="cut to intensities without its image"):
        clip(np.ones((4, 5, 6), dtype=bool), WHOLE, ring({"above": 0}), None, None)


def test_ring_tells_what_organ_and_intensities_cut() -> None:
    """Golden: six neighbours of 1 mm³; one lies outside the organ, two of the rest are dark."""
    grid = Geometry((5, 5, 5), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    array = np.zeros((5, 5, 5), dtype=np.uint8)
    array[2, 2, 2] = 1
    organ = np.ones((5, 5, 5), dtype=np.uint8)
    organ[2, 2, 1] = 0
    values = np.full((5, 5, 5), 10, dtype=np.int16)
    # A dark voxel outside the organ counts for the organ, which is asked first.
    values[2, 2, 1] = values[1, 2, 2] = values[3, 2, 2] = -5
    found = ring_around(
        Mask(array, grid), ring([{"above": 0}, "organ"], 1), Mask(organ, grid), Volume(values, grid)
    )
    assert found.mask.voxels == 3
    assert (found.clipped_organ_mm3, found.clipped_threshold_mm3, found.clipped_image_mm3) == (1.0, 2.0, 0.0)


def test_ring_of_which_no_intensity_is_left_says_so() -> None:
    """The message names what was asked for."""
    grid = Geometry((3, 3, 3), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    array = np.zeros((3, 3, 3), dtype=np.uint8)
    array[1, 1, 1] = 1
    image = Volume(np.zeros((3, 3, 3), dtype=np.float32), grid)
    with pytest.raises(
        MaskError, match="ring of 1 mm inside the organ and the image, within the intensities"
    ):
        ring_around(Mask(array, grid), ring({"above": 0}, 1), None, image)
