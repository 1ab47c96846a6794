"""The synthetic abdomen: tumour in the liver, contrast by phase, signs of invasion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from mvi_ray.demo.phantom import LIVER, Phantom


def _points_around(phantom, half_mm, step_mm):
    axis = np.arange(-half_mm, half_mm + step_mm / 2, step_mm)
    cube = np.stack(np.meshgrid(axis, axis, axis, indexing="ij")).reshape(3, -1)
    return cube + np.array(phantom.tumour.centre)[:, np.newaxis]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), diameter=st.floats(8.0, 14.0), mvi=st.integers(0, 1))
def test_tumour_lies_in_the_liver(seed, diameter, mvi):
    """A place is found for any tumour, and all of it is labelled liver."""
    phantom = Phantom.draw(np.random.default_rng(seed), diameter, mvi)
    points = _points_around(phantom, 8.0, 1.0)
    lesion = phantom.lesion(points)
    assert lesion.any()
    assert (phantom.organs(points[:, lesion]) == LIVER).all()


@pytest.mark.parametrize("seed", range(4))
def test_largest_diameter_is_the_one_asked_for(seed):
    """Dents never shorten or lengthen the long axis; the grid of 0.4 mm allows for one voxel."""
    phantom = Phantom.draw(np.random.default_rng(seed), 12.0, 1)
    points = _points_around(phantom, 6.4, 0.4)
    farthest = pdist(points[:, phantom.lesion(points)].T).max()
    assert 12.0 - 0.7 <= farthest <= 12.0


def _contrast(phantom, phase):
    """Mean signal of tumour and of the ring of 10 mm in the liver, both less that of far liver."""
    points = _points_around(phantom, 26.0, 2.0)
    signal, distance = phantom.signal(points, phase), phantom.tumour.distance(points)
    liver = phantom.organs(points) == LIVER
    far = np.median(signal[liver & (distance > 18.0)])
    near = np.median(signal[liver & (distance > 0.0) & (distance <= 5.0)])
    return signal[distance <= 0.0].mean() - far, near - far


def test_tumour_enhances_early_washes_out_and_stays_dark():
    """Brighter than liver in AP, darker in PP, much darker in HBP."""
    phantom = Phantom.draw(np.random.default_rng(1), 12.0, 0)
    early, portal, late = (_contrast(phantom, phase)[0] for phase in ("AP", "PP", "HBP"))
    assert early > 20
    assert portal < -5
    assert late < -60


def test_invasion_brightens_the_rim_early_and_darkens_it_late():
    """The rim differs on average between the outcomes, and the two groups overlap."""
    rims = {mvi: [] for mvi in (0, 1)}
    for seed in range(16):
        for mvi in (0, 1):
            phantom = Phantom.draw(np.random.default_rng((mvi, seed)), 10.0, mvi)
            rims[mvi].append([_contrast(phantom, phase)[1] for phase in ("AP", "HBP")])
    without, invasive = np.array(rims[0]), np.array(rims[1])
    assert invasive[:, 0].mean() > without[:, 0].mean() + 3
    assert invasive[:, 1].mean() < without[:, 1].mean() - 3
    assert invasive[:, 0].min() < without[:, 0].max()
    assert invasive[:, 1].max() > without[:, 1].min()
