"""Features that run lengths, zone sizes and dependences share: moments of a matrix of level and size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.extract.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EPS = np.spacing(1)


@compiled
def emphases(
    level: NDArray[np.float64], size: NDArray[np.float64], counts: NDArray[Any]
) -> NDArray[np.float64]:
    """Of a matrix that counts by level and size.

    Args:
        level: grey level of each row.
        size: length, number of voxels or dependence of each column.
        counts: [level, size].

    Returns:
        small, large; non-uniformity of levels, normalised; of sizes, normalised; parts of the
        whole (number of entries / voxels); variances of level and size; entropy; low, high level;
        small low, small high, large low, large high.
    """
    rows, columns = counts.shape
    by_size = np.zeros(columns, np.int64)
    by_level = np.zeros(rows, np.int64)
    entries = 0
    for i in range(rows):
        for j in range(columns):
            by_level[i] += counts[i, j]
        entries += by_level[i]
    out = np.zeros(16)
    for i in range(rows):
        i2 = level[i] * level[i]
        left = by_level[i]
        small = large = 0.0
        for j in range(columns):
            if left == 0:
                break
            if counts[i, j] == 0:
                continue
            left -= counts[i, j]
            c = float(counts[i, j])
            j2 = size[j] * size[j]
            by_size[j] += counts[i, j]
            p = c / entries
            out[9] -= p * np.log2(p + _EPS)
            small += c / j2
            large += c * j2
        c = float(by_level[i])
        out[0] += small
        out[1] += large
        out[2] += c * c
        out[10] += c / i2
        out[11] += c * i2
        out[12] += small / i2
        out[13] += small * i2
        out[14] += large / i2
        out[15] += large * i2
    voxels = 0.0
    for j in range(columns):
        c = float(by_size[j])
        out[4] += c * c
        voxels += c * size[j]
    out[7] = _variance(level, by_level, entries)
    out[8] = _variance(size, by_size, entries)
    for k in (0, 1, 2, 4, 10, 11, 12, 13, 14, 15):
        out[k] /= entries
    out[3] = out[2] / entries
    out[5] = out[4] / entries
    out[6] = entries / voxels
    return out


@compiled
def _variance(value: NDArray[np.float64], often: NDArray[np.int64], total: int) -> float:
    mean = 0.0
    for k in range(value.size):
        mean += value[k] * often[k]
    mean /= total
    result = 0.0
    for k in range(value.size):
        result += often[k] * (value[k] - mean) ** 2
    return result / total
