"""Small bar charts of the page, as numbers that its template draws."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from mvi_ray.report.quality.warnings import FEW_LEVELS, MANY_LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEVELS = (8, FEW_LEVELS, 32, 64, MANY_LEVELS + 1, 257)
_MILLILITRES = (0.1, 0.3, 1, 3, 10, 30, 100, 300)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Args:
        label: the values that it counts.
        count: how many there are.
        share: of the highest bar, 0 to 1.
        doubtful: whether these values bear a warning.
    """

    label: str
    count: int
    share: float
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Histogram:
    """Bars from low to high values.

    Args:
        title: what is counted.
        bars: all of them, empty ones as well.
    """

    title: str
    bars: tuple[Bar, ...]

    @property
    def total(self) -> int:
        """Number of values."""
        return sum(bar.count for bar in self.bars)

    @property
    def words(self) -> str:
        """The same as a sentence, for who cannot see it."""
        said = ", ".join(f"{bar.count} of {bar.label}" for bar in self.bars if bar.count)
        return f"{self.title}: {said or 'none'}"


def level_histogram(title: str, levels: Sequence[int]) -> Histogram:
    """Numbers of grey levels; bars outside the aim are doubtful."""
    labels = [f"< {_LEVELS[0]}"]
    labels += [f"{a}–{b - 1}" for a, b in pairwise(_LEVELS)]
    labels += [f"≥ {_LEVELS[-1]}"]
    doubtful = [not FEW_LEVELS <= low <= MANY_LEVELS for low in (0, *_LEVELS)]
    return _histogram(title, levels, _LEVELS, labels, doubtful)


def volume_histogram(title: str, volumes_mm3: Sequence[float]) -> Histogram:
    """Volumes in millilitres, on a scale of powers."""
    labels = [f"< {_MILLILITRES[0]:g} mL"]
    labels += [f"{a:g}–{b:g} mL" for a, b in pairwise(_MILLILITRES)]
    labels += [f"≥ {_MILLILITRES[-1]:g} mL"]
    return _histogram(title, [v / 1000 for v in volumes_mm3], _MILLILITRES, labels, [False] * len(labels))


def _histogram(
    title: str,
    values: Sequence[float],
    edges: Sequence[float],
    labels: Sequence[str],
    doubtful: Sequence[bool],
) -> Histogram:
    counts = [0] * len(labels)
    for value in values:
        counts[bisect_right(edges, value)] += 1
    most = max(1, *counts)
    return Histogram(
        title,
        tuple(Bar(label, n, n / most, bad) for label, n, bad in zip(labels, counts, doubtful, strict=True)),
    )
