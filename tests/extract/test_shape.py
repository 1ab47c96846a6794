"""Shape from counted cubes against PyRadiomics' mesh."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.extract.conditions import engine_conditions
from mvi_ray.extract.shape import shape_features


def by_pyradiomics(inside, spacing):
    """By its own class."""
    import SimpleITK as sitk
    from radiomics import getFeatureClasses

    mask = sitk.GetImageFromArray(inside.astype(np.uint8))
    mask.SetSpacing(spacing[::-1])
    with engine_conditions():
        shape = getFeatureClasses()["shape"](sitk.Cast(mask, sitk.sitkFloat32), mask)
        shape.enableAllFeatures()
        return {name: float(value) for name, value in shape.execute().items()}


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    share=st.sampled_from([0.2, 0.6, 0.95, 1.0]),
    spacing=st.tuples(*[st.sampled_from([0.7, 1.0, 2.5, 3.3])] * 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_values_are_those_of_pyradiomics(shape, share, spacing, seed):
    """Any mask: in pieces, with holes, of one voxel, longer than wide."""
    inside = np.random.default_rng(seed).random(shape) < share
    inside.flat[0] = inside.flat[-1] = True
    with engine_conditions():
        ours = shape_features(inside, spacing)
    stock = by_pyradiomics(inside, spacing)
    assert ours.keys() == stock.keys()
    for name, value in stock.items():
        # Axes of a flat mask are roots of rounding.
        floor = 1e-6 if name.endswith(("AxisLength", "Elongation", "Flatness")) else 0.0
        assert ours[name] == pytest.approx(value, rel=1e-9, abs=floor, nan_ok=True), name


def test_a_ball_has_the_volume_of_a_ball():
    """Within the steps of its voxels."""
    z, y, x = np.indices((41, 41, 41)) - 20
    found = shape_features(z**2 + y**2 + x**2 <= 15**2, (1.0, 1.0, 1.0))
    assert found["MeshVolume"] == pytest.approx(4 / 3 * np.pi * 15**3, rel=0.01)
    assert found["Maximum3DDiameter"] == pytest.approx(31, abs=1)
    assert found["Elongation"] == pytest.approx(1, abs=1e-12)
