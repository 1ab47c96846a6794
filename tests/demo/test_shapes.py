"""Shapes are functions of space."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.demo.shapes import Texture, in_ellipsoid, in_vessel, rotation


def test_ellipsoid_with_an_infinite_radius_is_a_cylinder():
    """Points are judged by the finite radii only."""
    points = np.array([[1.9, 2.1, 0.0], [0.0, 0.0, 2.9], [500.0, 500.0, -500.0]])
    inside = in_ellipsoid(points, (0, 0, 0), (2.0, 3.0, float("inf")))
    assert inside.tolist() == [True, False, True]


def test_vessel_ends_in_half_spheres():
    """Beyond its ends a vessel reaches as far as its radius."""
    points = np.array([[0.0, 5.0, 5.0, 10.9, 11.1], [0.0, 0.9, 1.1, 0.0, 0.0], [0.0] * 5])
    inside = in_vessel(points, (0, 0, 0), (10, 0, 0), 1.0)
    assert inside.tolist() == [True, True, False, True, False]


@given(st.integers(0, 2**32 - 1))
def test_rotation_keeps_lengths_and_handedness(seed):
    """The matrix is orthonormal with determinant 1."""
    matrix = rotation(np.random.default_rng(seed))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)


def test_texture_has_unit_variance_and_its_length():
    """Values a tenth of the length apart are alike, values far apart are not."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-500, 500, (3, 20_000))
    texture = Texture.draw(rng, length_mm=2.0)
    here = texture.at(points)
    assert here.mean() == pytest.approx(0.0, abs=0.05)
    assert here.std() == pytest.approx(1.0, abs=0.1)
    assert np.corrcoef(here, texture.at(points + 0.1))[0, 1] > 0.95
    assert abs(np.corrcoef(here, texture.at(points + 60.0))[0, 1]) < 0.6
