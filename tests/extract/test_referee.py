"""The referee between engines: what counts as a difference."""

from __future__ import annotations

import math

from mvi_ray.extract.referee import differences


def test_equal_values_and_values_that_are_both_undefined_agree():
    """NaN of both engines is one value, and so is none."""
    row = {"glcm_Contrast": 2.0, "shape_Flatness": None, "glcm_MCC": math.nan}
    assert differences(row, dict(row)) == []


def test_what_is_far_apart_has_no_reason():
    """The largest first."""
    expected = {"glcm_Contrast": 2.0, "glcm_Id": 1.0}
    found = differences({"glcm_Contrast": 2.1, "glcm_Id": 1.2}, expected)
    assert [(one.feature, one.reason) for one in found] == [("glcm_Id", None), ("glcm_Contrast", None)]


def test_rounding_of_an_ill_conditioned_feature_has_a_reason():
    """But not more than rounding, and not of a feature that is well-conditioned."""
    (tiny,) = differences({"firstorder_Skewness": 0.0}, {"firstorder_Skewness": -1e-16})
    assert "cancels" in (tiny.reason or "")
    (large,) = differences({"firstorder_Skewness": 0.1}, {"firstorder_Skewness": 0.2})
    assert large.reason is None
    (other,) = differences({"firstorder_Mean": 0.0}, {"firstorder_Mean": -1e-16})
    assert other.reason is None


def test_a_value_that_only_one_engine_has_is_a_difference():
    """NaN or nothing on one side."""
    for value, wanted in ((math.nan, 1.0), (1.0, math.nan), (None, 1.0), (1.0, None)):
        (found,) = differences({"glcm_Id": value}, {"glcm_Id": wanted})
        assert found.reason is None
    assert len(differences({}, {"glcm_Id": 1.0})) == 1


def test_an_infinite_value_and_one_that_only_we_have_are_differences():
    """Infinity is within no tolerance."""
    assert len(differences({"glcm_Contrast": 1.0}, {"glcm_Contrast": math.inf})) == 1
    (surplus,) = differences({"glcm_Id": 0.0}, {})
    assert (surplus.value, surplus.reason) == (0.0, None)


def test_what_cancels_in_a_shade_is_as_large_as_its_terms():
    """Thousands of levels make larger numbers, and larger rounding."""
    expected = {"glcm_ClusterTendency": 1e6, "glcm_ClusterShade": 0.0}
    (found,) = differences({**expected, "glcm_ClusterShade": 1e-6}, expected)
    assert found.reason is not None
    (found,) = differences({**expected, "glcm_ClusterShade": 1.0}, expected)
    assert found.reason is None


def test_the_root_of_an_eigenvalue_near_one_is_not_rounding():
    """Where there is a correlation nothing is ill-conditioned."""
    (found,) = differences({"glcm_MCC": 0.9999999}, {"glcm_MCC": 1.0})
    assert found.reason is None
