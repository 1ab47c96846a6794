"""Compiled loops where nothing can be kept."""

from __future__ import annotations

import numpy as np
import pytest

from mvi_ray.extract import compiled


def _half(values):
    return values / 2


def test_where_no_folder_can_be_written_each_process_compiles(monkeypatch):
    """A container without a home and with a program that may only be read."""
    kept = []
    njit = compiled.njit

    def without_a_cache(**options):
        kept.append(options.get("cache", False))
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(compiled, "njit", without_a_cache)
    made = compiled.compiled(_half)
    assert made(np.ones(3)).tolist() == [0.5] * 3
    assert kept == [True, False]


def test_division_by_zero_is_that_of_numpy():
    """Not an exception of Python."""
    divided = compiled.compiled(lambda value, by: value / by)
    assert divided(1.0, 0.0) == np.inf
    assert divided(0.0, 0.0) == pytest.approx(np.nan, nan_ok=True)


def test_a_full_disk_costs_the_time_of_compiling_only(monkeypatch):
    """A home over its quota is no fault of a VOI."""
    made = compiled.njit(cache=True)(_half)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(made._cache, "save_overload", full)
    compiled._keep_if_possible(made)
    assert made(np.ones(2)).tolist() == [0.5] * 2
