"""Columns moved and scaled so that their squares are safe to take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def deviations(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Each column's distance from its first value, divided by the largest of these distances.

    Ratios of variances stay the same, but a spread of a thousandth around 1e12 keeps its
    digits, and squares of 1e200 do not overflow. Columns of equal values become exactly 0.

    Args:
        values: shape (rows, columns); NaN and infinity are missing.

    Returns:
        Shape (rows, columns), within [-1, 1]; NaN where missing.
    """
    there = np.isfinite(values)
    known = np.where(there, values, np.nan)
    if not len(values):
        return known
    first = np.take_along_axis(known, there.argmax(axis=0)[None], axis=0)
    away = known - first
    widest = np.max(np.abs(away), axis=0, where=there, initial=0)
    scaled: npt.NDArray[np.float64] = away / np.where(widest > 0, widest, 1)
    return scaled
