"""The two scanners differ in grid, brightness and noise."""

from __future__ import annotations

import numpy as np
import pytest

from mvi_ray.demo.scanner import SCANNERS


def test_centres_differ_in_orientation_and_spacing():
    """Both grids are anisotropic; A is RAS, B is a slightly oblique LPS."""
    first, second = (SCANNERS[name].grid((0.0, 0.0, 0.0)) for name in ("A", "B"))
    assert (first.orientation, second.orientation) == ("RAS", "LPS")
    assert first.spacing != second.spacing
    assert all(grid.spacing[2] > 1.5 * grid.spacing[0] for grid in (first, second))
    assert 0.9 < np.abs(second.matrix).max(axis=0).min() < 0.999


@pytest.mark.parametrize("name", ["A", "B"])
def test_grid_is_centred_where_asked(name):
    """The middle of the grid lies at the given point in LPS millimetres."""
    grid = SCANNERS[name].grid((3.0, -2.0, 5.0))
    middle = grid.point((np.array(grid.size) - 1) / 2)
    assert middle == pytest.approx((3.0, -2.0, 5.0))


def test_air_shows_the_mean_of_the_noise_of_a_magnitude_image():
    """Without signal the magnitude follows Rayleigh's distribution, wider by the smooth noise."""
    scanner = SCANNERS["A"]
    shape = (20, 40, 40)
    grey = scanner.acquire(np.zeros(shape), np.zeros((3, 32_000)), np.random.default_rng(0))
    # One channel holds the grain as well, so the second moment is the sum of three variances.
    expected = 2 * scanner.noise**2 + scanner.grain**2
    assert np.mean(grey.astype(float) ** 2) == pytest.approx(expected * scanner.gain**2, rel=0.15)
    assert grey.dtype == np.int16
    assert grey.min() >= 0
