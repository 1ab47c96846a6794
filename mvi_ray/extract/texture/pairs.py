"""Pairs of grey levels in neighbouring voxels, counted for one direction at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mvi_ray.extract.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from mvi_ray.extract.texture.levels import Levels


class Pairs(NamedTuple):
    """Unordered pairs that occur, sorted by `second` and `first`.

    Args:
        first, second: positions of the two levels, first ≤ second.
        often: how often the two are neighbours.
        levels: number of levels.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    often: NDArray[np.int64]
    levels: int


def counted_pairs(levels: Levels) -> Iterator[Pairs]:
    """Of each direction in which there is a pair, at distance 1."""
    n = levels.grey.size
    counts = np.zeros(n * (n + 1) // 2 + 1, np.int32)
    codes = np.empty(min(levels.where.size, counts.size), np.uint64)
    for step in levels.steps:
        found = _count(levels.field, levels.where, step, counts, codes)
        if found:
            yield Pairs(*_taken(counts, codes[:found]), n)


@compiled
def _count(
    field: NDArray[np.uint32],
    where: NDArray[np.uint64],
    step: np.uint64,
    counts: NDArray[np.int32],
    codes: NDArray[np.uint64],
) -> int:
    """Count into the packed upper triangle, from 1; how many different pairs there are."""
    found = 0
    for here in where:
        other = field[here + step]
        if other:
            one = field[here]
            low, high = (one, other) if one < other else (other, one)
            # Column by column, so that the number of levels does not matter.
            code = np.uint64(high) * np.uint64(high - np.uint32(1)) // np.uint64(2) + np.uint64(low)
            if counts[code] == 0:
                codes[found] = code
                found += 1
            counts[code] += 1
    return found


@compiled
def _taken(
    counts: NDArray[np.int32], codes: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """First level, second level and number of each pair, in order; the counts are 0 again."""
    codes.sort()
    first = np.empty(codes.size, np.int64)
    second = np.empty(codes.size, np.int64)
    often = np.empty(codes.size, np.int64)
    high = 0
    for i in range(codes.size):
        place = np.int64(codes[i]) - 1
        while (high + 1) * (high + 2) // 2 <= place:
            high += 1
        first[i] = place - high * (high + 1) // 2
        second[i] = high
        often[i] = counts[codes[i]]
        counts[codes[i]] = 0
    return first, second, often
