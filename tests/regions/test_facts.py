"""Voxels, volume, largest diameter and box of a mask."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from mvi_ray.regions.facts import mask_facts
from mvi_ray.volume import Geometry, Mask

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def mask_of(array: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Mask:
    """A mask on a grid with the given spacing (x, y, z)."""
    size = tuple(int(n) for n in reversed(array.shape))
    return Mask(array.astype(np.uint8), Geometry(size, spacing, (0.0, 0.0, 0.0), IDENTITY))  # type: ignore[arg-type]


def all_pairs(mask: Mask) -> float:
    """Longest distance over every pair of voxels."""
    points = np.argwhere(mask.array) * np.asarray(mask.geometry.sampling)
    return float(pdist(points).max()) if len(points) > 1 else 0.0


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.data())
def test_facts_are_those_of_all_voxels_and_all_pairs(data: st.DataObject) -> None:
    """Any form on any grid: flat, in a line, in pieces, with holes."""
    shape = data.draw(st.tuples(*[st.integers(1, 6)] * 3))
    cells = data.draw(st.lists(st.booleans(), min_size=math.prod(shape), max_size=math.prod(shape)))
    array = np.reshape(cells, shape)
    array[tuple(data.draw(st.integers(0, n - 1)) for n in shape)] = True
    spacing = data.draw(st.tuples(*[st.floats(0.1, 9.0)] * 3))
    mask = mask_of(array, spacing)
    facts = mask_facts(mask)
    assert facts.voxels == array.sum()
    assert facts.volume_mm3 == pytest.approx(array.sum() * math.prod(spacing), rel=1e-12)
    assert facts.largest_diameter_mm == pytest.approx(all_pairs(mask), rel=1e-9)
    sides = [float(np.ptp(at) + 1) * step for at, step in zip(np.nonzero(array)[::-1], spacing, strict=True)]
    assert facts.box_mm == pytest.approx(sides, rel=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flat_mask_has_the_diameter_of_all_pairs(axis: int) -> None:
    """A disc in one slice, along each axis."""
    y, x = np.mgrid[-15:16, -15:16]
    array = np.expand_dims(x**2 + 2 * y**2 <= 200, axis)
    mask = mask_of(array, (0.7, 1.1, 3.0))
    assert mask_facts(mask).largest_diameter_mm == pytest.approx(all_pairs(mask), rel=1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_large_flat_mask_is_measured_in_little_memory(axis: int) -> None:
    """A whole slice of 500 × 400 voxels, along each axis: all its pairs would fill a computer."""
    shape = [500, 400]
    shape.insert(axis, 1)
    facts = mask_facts(mask_of(np.ones(shape)))
    assert facts.largest_diameter_mm == pytest.approx(math.hypot(499, 399), rel=1e-12)


def test_slanted_flat_mask_has_the_diameter_of_all_pairs() -> None:
    """Voxels in one oblique plane have no hull in space."""
    array = np.zeros((12, 12, 9))
    array[np.arange(12), np.arange(12), :] = 1
    mask = mask_of(array, (1.0, 2.0, 3.0))
    assert mask_facts(mask).largest_diameter_mm == pytest.approx(all_pairs(mask), rel=1e-12)


def test_single_voxel_has_no_diameter() -> None:
    """From centre to centre there is no way to go."""
    facts = mask_facts(mask_of(np.ones((1, 1, 1)), (0.5, 0.5, 4.0)))
    assert (facts.voxels, facts.volume_mm3, facts.largest_diameter_mm) == (1, 1.0, 0.0)


def test_two_voxels_are_as_far_apart_as_their_centres() -> None:
    """3 and 4 steps of 1 mm and 0 of 5 mm are 5 mm."""
    array = np.zeros((2, 5, 5))
    array[0, 0, 0] = array[0, 3, 4] = 1
    assert mask_facts(mask_of(array, (1.0, 1.0, 5.0))).largest_diameter_mm == 5.0


def test_ball_has_its_diameter() -> None:
    """A ball of radius 10 mm on a fine grid: 20 mm between its poles."""
    z, y, x = np.mgrid[-11:12, -22:23, -22:23]
    mask = mask_of(z**2 + (y / 2) ** 2 + (x / 2) ** 2 <= 100, (0.5, 0.5, 1.0))
    assert mask_facts(mask).largest_diameter_mm == pytest.approx(20.0, rel=1e-12)
    assert mask_facts(mask).volume_mm3 == pytest.approx(4 / 3 * math.pi * 1000, rel=0.01)
