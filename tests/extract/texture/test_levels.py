"""Discretisation: the levels of PyRadiomics' `binImage`."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mvi_ray.extract.texture.levels import DIRECTIONS, Region


def test_directions_are_one_of_each_pair_and_lead_forwards():
    """13 of the 26 neighbours."""
    assert len({*DIRECTIONS, *(tuple(-n for n in one) for one in DIRECTIONS)}) == 26
    levels = Region.of(np.ones((2, 2, 2), bool)).levels(np.arange(8.0), {"binWidth": 1.0})
    assert all(0 < step < levels.field.size for step in levels.steps.tolist())


@settings(max_examples=200, deadline=None)
@given(
    values=arrays(
        st.sampled_from([np.float32, np.float64]),
        27,
        elements=st.integers(-4000, 4000).map(lambda n: n / 8),
    ),
    options=st.sampled_from([{"binWidth": 2.5}, {"binWidth": 0.1}, {"binCount": 7}, {"binCount": 64}]),
)
def test_levels_are_those_of_pyradiomics(values, options):
    """Also where an intensity lies on an edge."""
    from radiomics import imageoperations

    inside = np.ones((3, 3, 3), bool)
    wanted, _ = imageoperations.binImage(values.reshape(3, 3, 3), inside, **options)
    levels = Region.of(inside).levels(values, options)
    assert np.array_equal(levels.grey[levels.field[levels.where] - 1], wanted.ravel())
    assert np.array_equal(levels.counts, np.unique(wanted, return_counts=True)[1])
