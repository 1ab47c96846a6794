"""LBP-3D: the images of PyRadiomics, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.extract.conditions import engine_conditions
from mvi_ray.extract.filters.binary_pattern_3d import binary_patterns_3d


def by_pyradiomics(image, inside, levels, radius, subdivision):
    """What its filter gives inside the VOI."""
    import SimpleITK as sitk
    from radiomics import imageoperations

    volumes = sitk.GetImageFromArray(image), sitk.GetImageFromArray(inside.astype(np.uint8))
    asked = {
        "lbp3DLevels": levels,
        "lbp3DIcosphereRadius": radius,
        "lbp3DIcosphereSubdivision": subdivision,
    }
    with engine_conditions():
        made = imageoperations.getLBP3DImage(*volumes, label=1, **asked)
        return [sitk.GetArrayFromImage(one)[inside] for one, _, _ in made]


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(2, 12)] * 3),
    kind=st.sampled_from([np.float32, np.float64]),
    rounded=st.booleans(),
    flat=st.booleans(),
    options=st.tuples(st.integers(2, 3), st.sampled_from([1.0, 1.5, 2.0]), st.integers(1, 2)),
    seed=st.integers(0, 2**32 - 1),
)
def test_images_are_those_of_pyradiomics(shape, kind, rounded, flat, options, seed):
    """Also where the sphere leaves the image, and where neighbours are equal."""
    rng = np.random.default_rng(seed)
    inside = rng.random(shape) < 0.7
    inside.flat[0] = True
    image = 100 * rng.normal(size=shape)
    if rounded:
        image = np.round(image / 50)
    if flat:
        image[:, : shape[1] // 2] = 7
    image = image.astype(kind)
    with engine_conditions():
        ours = binary_patterns_3d(image, inside, *options)
    for mine, stock in zip(ours, by_pyradiomics(image, inside, *options), strict=True):
        if kind is np.float32:
            assert np.array_equal(mine, stock, equal_nan=True)
        else:
            # In double precision the last bit of an interpolated value is that of the order of sums.
            assert mine == pytest.approx(stock, rel=1e-9, abs=1e-9, nan_ok=True)
