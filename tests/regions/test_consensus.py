"""A consensus of readers: votes, ties, STAPLE."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.errors import GeometryError, MaskError
from mvi_ray.regions.consensus import consensus
from mvi_ray.volume import Geometry, Mask, Reorientation

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
WAY = Reorientation("RAS", (1.0, 2.0, 3.0))


def mask_of(array: np.ndarray, origin: tuple[float, float, float] = (0, 0, 0)) -> Mask:
    """A mask of isotropic voxels."""
    size = tuple(int(n) for n in reversed(array.shape))
    return Mask(array.astype(np.uint8), Geometry(size, (1, 1, 1), origin, IDENTITY), WAY)  # type: ignore[arg-type]


def ball(x: int = 10, radius: float = 6, size: int = 20) -> np.ndarray:
    """A ball in the middle of y and z."""
    at = np.indices((size,) * 3) - np.reshape([size // 2, size // 2, x], (3, 1, 1, 1))
    return (at**2).sum(axis=0) <= radius**2


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.data())
def test_majority_is_more_than_the_threshold(data: st.DataObject) -> None:
    """Counted voxel by voxel in fractions; the order of readers does not matter."""
    readers = data.draw(st.integers(2, 5))
    cells = st.lists(st.booleans(), min_size=12, max_size=12).filter(any)
    arrays = [np.reshape(data.draw(cells), (2, 2, 3)) for _ in range(readers)]
    threshold = data.draw(st.sampled_from([0.0, 0.25, 0.5, 0.75]))
    expected = np.sum(arrays, axis=0) * 4 > int(threshold * 4) * readers
    masks = [mask_of(array) for array in arrays]
    if not expected.any():
        with pytest.raises(MaskError, match=f"the {readers} readers agree on no voxel"):
            consensus(masks, "majority", threshold)
        return
    found = consensus(masks, "majority", threshold)
    assert np.array_equal(found.array, expected)
    assert np.array_equal(consensus(masks[::-1], "majority", threshold).array, expected)
    assert (found.geometry, found.reorientation) == (masks[0].geometry, WAY)


def test_tie_at_one_half_is_outside() -> None:
    """Two readers: only what both drew; a threshold below takes what either drew."""
    a, b = ball(9), ball(11)
    masks = [mask_of(a), mask_of(b)]
    assert np.array_equal(consensus(masks, "majority").array, a & b)
    assert np.array_equal(consensus(masks, "majority", 0.4).array, a | b)


def by_expectation(arrays: list[np.ndarray], rounds: int = 200) -> np.ndarray:
    """Probabilities of STAPLE (Warfield 2004, equations 14, 18 and 19) on a box of one voxel more.

    The prior is the mean share of voxels that the readers drew.
    """
    inside = np.any(arrays, axis=0)
    spans = [np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    box = tuple(slice(s[0], s[-1] + 1) for s in spans)
    drawn = np.array([np.pad(array[box], 1).ravel() for array in arrays], dtype=float)
    prior = drawn.mean()
    p = q = np.full(len(arrays), 0.99999)
    for _ in range(rounds):
        a = prior * np.prod(np.where(drawn.T == 1, p, 1 - p), axis=1)
        b = (1 - prior) * np.prod(np.where(drawn.T == 1, 1 - q, q), axis=1)
        w = a / (a + b)
        p, q = drawn @ w / w.sum(), (1 - drawn) @ (1 - w) / (1 - w).sum()
    full = np.zeros(inside.shape)
    full[box] = w.reshape([s.stop - s.start + 2 for s in box])[1:-1, 1:-1, 1:-1]
    return full


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_staple_is_its_published_algorithm(threshold: float) -> None:
    """Four readers, one of whom draws too little and one elsewhere."""
    arrays = [ball(), ball(11), ball(radius=4), ball(13, 5)]
    found = consensus([mask_of(array) for array in arrays], "staple", threshold)
    assert np.array_equal(found.array, by_expectation(arrays) > threshold)


def test_staple_does_not_depend_on_the_size_of_the_image() -> None:
    """The same masks with much more of the body around them."""
    arrays = [ball(), ball(11), ball(13, 4)]
    small = consensus([mask_of(array) for array in arrays], "staple")
    wide = consensus([mask_of(np.pad(array, 30)) for array in arrays], "staple")
    assert np.array_equal(wide.array[30:-30, 30:-30, 30:-30], small.array)
    assert wide.voxels == small.voxels


@pytest.mark.parametrize("array", [ball(), np.ones((2, 3, 4)), ball(radius=0)], ids=["ball", "all", "voxel"])
@pytest.mark.parametrize("readers", [2, 3])
def test_readers_who_agree_are_their_own_consensus(array: np.ndarray, readers: int) -> None:
    """Also where they drew the whole image, or one voxel."""
    masks = [mask_of(array)] * readers
    assert np.array_equal(consensus(masks, "staple").array, array)
    assert np.array_equal(consensus(masks, "majority").array, array)


def test_readers_who_share_nothing_have_no_consensus() -> None:
    """An error with a way out, not an empty mask."""
    left, right = np.zeros((4, 4, 8)), np.zeros((4, 4, 8))
    left[1:3, 1:3, 1:3] = right[1:3, 1:3, 5:7] = 1
    with pytest.raises(MaskError, match=r"agree on no voxel \(majority, threshold 0\.5\); check that they"):
        consensus([mask_of(left), mask_of(right)], "majority")


def test_one_reader_is_no_consensus() -> None:
    """A lesion drawn once has none."""
    with pytest.raises(MaskError, match="needs the masks of two readers, got 1"):
        consensus([mask_of(ball())], "majority")


def test_masks_on_different_grids_have_no_consensus() -> None:
    """Voxels are compared by their place."""
    with pytest.raises(GeometryError, match=r"masks of two readers differ: origin \(1, 0, 0\)"):
        consensus([mask_of(ball()), mask_of(ball(), (1, 0, 0))], "staple")


def test_volume_of_a_majority_lies_between_that_of_all_and_of_any() -> None:
    """Three balls of known radius in one another: the middle one wins."""
    masks = [mask_of(ball(radius=r)) for r in (3, 5, 7)]
    assert consensus(masks, "majority").voxels == masks[1].voxels
    assert masks[1].voxels == pytest.approx(4 / 3 * math.pi * 5**3, rel=0.03)
