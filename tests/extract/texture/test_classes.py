"""Every feature class against PyRadiomics' own, on volumes of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mvi_ray.extract.conditions import engine_conditions
from mvi_ray.extract.fast import features_of_region
from mvi_ray.extract.referee import differences
from mvi_ray.extract.texture.levels import Region

CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm")


def by_pyradiomics(image, inside, options):
    """All features but those of shape, by ``class_Feature``."""
    import SimpleITK as sitk
    from radiomics import getFeatureClasses

    found = {}
    with engine_conditions():
        for name in CLASSES:
            volumes = sitk.GetImageFromArray(image), sitk.GetImageFromArray(inside.astype(np.uint8))
            one = getFeatureClasses()[name](*volumes, **options)
            one.enableAllFeatures()
            found |= {f"{name}_{feature}": float(value) for feature, value in one.execute().items()}
    return found


def by_us(image, inside, options):
    """The same by the fast engine."""
    with engine_conditions():
        return features_of_region(Region.of(inside), image[inside], 1.0, options)


def cut(image, inside):
    """To the box around the mask, as the engines see both."""
    ranges = [slice(axis.min(), axis.max() + 1) for axis in np.nonzero(inside)]
    return np.ascontiguousarray(image[tuple(ranges)]), np.ascontiguousarray(inside[tuple(ranges)])


def unexplained(image, inside, options):
    """What no rounding explains."""
    found = differences(by_us(image, inside, options), by_pyradiomics(image, inside, options))
    return [one for one in found if one.reason is None]


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3).filter(lambda sides: sum(n > 1 for n in sides) > 1),
    share=st.sampled_from([0.1, 0.5, 0.9, 1.0]),
    spread=st.sampled_from([0.0, 3.0, 50.0, 500.0]),
    kind=st.sampled_from([np.float32, np.float64, np.int16]),
    options=st.sampled_from(
        [{"binWidth": 5.0}, {"binWidth": 0.7}, {"binWidth": 25.0}, {"binCount": 4}, {"binCount": 32}]
    ),
    seed=st.integers(0, 2**32 - 1),
)
@example((2, 2, 1), 0.5, 50.0, np.float64, {"binWidth": 5.0}, 0)
@example((9, 9, 9), 1.0, 500.0, np.float32, {"binWidth": 0.7}, 1)
def test_values_are_those_of_pyradiomics(shape, share, spread, kind, options, seed):
    """Tiny, flat, one level, a few voxels apart, at the border, single and double precision, integers."""
    rng = np.random.default_rng(seed)
    inside = rng.random(shape) < share
    # Two voxels at least, in more than one line: the engines refuse less.
    inside.flat[0] = inside.flat[-1] = True
    image = (100 + spread * rng.normal(size=shape)).astype(kind)
    image, inside = cut(image, inside)
    if sum(n > 1 for n in inside.shape) < 2:
        return
    assert unexplained(image, inside, options) == []


def test_rare_levels_that_stand_apart_keep_their_correlation():
    """Where PyRadiomics' summand in the divisor moves MCC, it is computed by its own formula."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(40, 40, 40)) * 3
    # Pairs of levels that have no other neighbours: eigenvalues that are 1 but for the summand.
    for k in range(6):
        image[4 * k + 3, 3, 3:5] = 1000 + 100 * k, 1050 + 100 * k
    inside = np.ones(image.shape, bool)
    for k in range(6):
        inside[4 * k + 2 : 4 * k + 5, 2:5, 2:6] = False
        inside[4 * k + 3, 3, 3:5] = True
    assert unexplained(image.astype(np.float32), inside, {"binWidth": 5.0}) == []


@pytest.mark.parametrize("levels", [50, 400])
def test_levels_that_follow_one_another_keep_their_correlation(levels):
    """A ramp, as a bias field makes it: its eigenvalues lie close together."""
    image = np.broadcast_to(np.arange(levels) + 0.5, (2, 2, levels)).copy()
    assert unexplained(image, np.ones(image.shape, bool), {"binWidth": 1.0}) == []


def test_a_ramp_of_thousands_of_levels_is_nearly_perfectly_correlated():
    """Each level has its neighbours only."""
    image = np.broadcast_to(np.arange(2400) + 0.5, (1, 2, 2400)).copy()
    found = by_us(image, np.ones(image.shape, bool), {"binWidth": 1.0})
    assert 1 - 1e-5 < found["glcm_MCC"] <= 1 + 1e-12


def test_a_width_below_the_spacing_of_numbers_is_that_of_pyradiomics():
    """Single precision knows no such edges."""
    image = (1e7 + np.arange(64)).astype(np.float32).reshape(4, 4, 4)
    assert unexplained(image, np.ones(image.shape, bool), {"binWidth": 0.4}) == []


def test_intensities_that_are_no_number_count_as_in_pyradiomics():
    """LBP-3D gives NaN as kurtosis of a flat surrounding: the highest level, and left out of statistics."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(6, 6, 6)) * 20
    image[2:4, 2:4, 2:4] = np.nan
    assert unexplained(image, np.ones(image.shape, bool), {"binWidth": 5.0}) == []


def test_a_first_intensity_that_is_no_number_is_refused():
    """PyRadiomics stops as well."""
    image = np.arange(27.0).reshape(3, 3, 3)
    image[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="not a number"):
        Region.of(np.ones(image.shape, bool)).levels(image.ravel(), {"binWidth": 1.0})


def test_lines_of_voxels_that_do_not_touch_count_as_runs():
    """A direction counts when one of its lines has two voxels, with others between them or not."""
    image = np.arange(125.0).reshape(5, 5, 5)
    inside = np.zeros(image.shape, bool)
    inside[0, 0, 0] = inside[0, 4, 4] = inside[4, 0, 4] = inside[2, 2, 2] = True
    assert unexplained(image, inside, {"binWidth": 5.0}) == []


def test_thousands_of_grey_levels_fit():
    """No matrix of all levels and directions: 12 GB as PyRadiomics lays it out."""
    rng = np.random.default_rng(0)
    image = rng.gamma(1.2, 3000, size=(24, 24, 24))
    found = by_us(image, np.ones(image.shape, bool), {"binWidth": 5.0})
    assert all(np.isfinite(value) for value in found.values())
    assert 0 < found["glcm_MCC"] <= 1
