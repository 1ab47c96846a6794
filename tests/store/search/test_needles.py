"""Needles: which numbers point at one patient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.store.search.needles import Needles, is_distinctive, neighbours, significant_digits


@pytest.mark.parametrize(
    ("number", "digits"),
    [("0.5", 1), ("1200", 2), ("-0.00123", 3), ("1.2300e+17", 3), ("0.7390851332151607", 16), ("0.0", 0)],
)
def test_zeros_at_the_ends_are_not_significant(number, digits):
    """Neither is the exponent."""
    assert significant_digits(number) == digits


@pytest.mark.parametrize("value", [0.0, 0.5, 1e300, 100.25, 12345678901.0, float("nan"), float("inf")])
def test_round_values_are_everybodys(value):
    """And what is no number is no needle."""
    assert not is_distinctive(value)


def test_values_are_kept_once_sorted_and_without_those_of_other_patients():
    """A third and log2(6) come from small regions of anybody."""
    values = [[0.7390851332151607, 1 / 3, 0.5], [-1.2345678901234, 0.7390851332151607, np.nan]]
    needles = Needles.of(["P1"], values, shared=[1 / 3])
    assert needles.values.tolist() == [-1.2345678901234, 0.7390851332151607]


def test_texts_are_kept_once_and_others_never_hold_the_patient():
    """Else its own name would hide it."""
    needles = Needles.of(["P1", " ", "P1", "ab" * 32], others=["P2", "P1", "P2"])
    assert needles.texts == ("P1", "ab" * 32)
    assert needles.others == ("P2",)


def test_two_neighbours_are_the_eight_bytes_they_fill():
    """Zeros of a ReLU and halves make no pair."""
    floats = np.array([0.1, 0.7, 0.0, 0.3, 0.5, np.nan, 0.9], np.float32)
    pairs = neighbours(floats)
    assert pairs[0].tobytes() == floats[:2].tobytes()
    assert pairs[1:].tolist() == [0] * 5


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_distinctive_value_stays_so_with_another_sign(value):
    """The sign is no digit."""
    assert is_distinctive(value) == is_distinctive(-value)
