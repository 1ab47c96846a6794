"""Numbers and lists as a reader expects them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mvi_ray.stats.estimate import Estimate

MISSING = "–"
"""Stands where a number is not defined."""


def interval(estimate: Estimate) -> str:
    """Value with its interval, for example `0.81 (0.75–0.86)`."""
    if not estimate.defined:
        return MISSING
    if math.isnan(estimate.width):
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.lower:.2f}–{estimate.upper:.2f})"


def count(number: int, noun: str) -> str:
    """Number and noun, for example `1 event` or `3,562 candidate columns`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(share: float) -> str:
    """A share as whole percent."""
    return f"{100 * share:.0f} %"
