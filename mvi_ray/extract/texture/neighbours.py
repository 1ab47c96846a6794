"""Dependence (GLDM) and grey tone difference (NGTDM): what the 26 neighbours of each voxel are like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.extract.compiled import compiled
from mvi_ray.extract.texture.emphases import emphases

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mvi_ray.extract.texture.levels import Levels

# In the order of `emphases`; None where PyRadiomics leaves one out.
GLDM_NAMES = (
    "SmallDependenceEmphasis",
    "LargeDependenceEmphasis",
    "GrayLevelNonUniformity",
    None,
    "DependenceNonUniformity",
    "DependenceNonUniformityNormalized",
    None,
    "GrayLevelVariance",
    "DependenceVariance",
    "DependenceEntropy",
    "LowGrayLevelEmphasis",
    "HighGrayLevelEmphasis",
    "SmallDependenceLowGrayLevelEmphasis",
    "SmallDependenceHighGrayLevelEmphasis",
    "LargeDependenceLowGrayLevelEmphasis",
    "LargeDependenceHighGrayLevelEmphasis",
)
NGTDM_NAMES = ("Coarseness", "Contrast", "Busyness", "Complexity", "Strength")


def neighbour_features(levels: Levels) -> tuple[dict[str, float], dict[str, float]]:
    """Of the dependence matrix with α = 0, and of the grey tone difference matrix, at distance 1."""
    dependent, difference = _around(levels.field, levels.where, levels.steps, levels.grey)
    grey = levels.grey.astype(np.float64)
    values = emphases(grey, np.arange(1.0, dependent.shape[1] + 1), dependent)
    gldm = {name: value for name, value in zip(GLDM_NAMES, values.tolist(), strict=True) if name}
    return gldm, dict(zip(NGTDM_NAMES, _tones(levels.counts, difference, grey), strict=True))


@compiled
def _around(
    field: NDArray[np.uint32], where: NDArray[np.uint64], steps: NDArray[np.uint64], grey: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """By level: voxels by their neighbours of the same level; summed distance to the neighbours' mean."""
    dependent = np.zeros((grey.size + 1, 2 * steps.size + 1), np.int64)
    difference = np.zeros(grey.size + 1)
    # 0 outside the region: it adds nothing.
    tones = np.zeros(grey.size + 1, np.int64)
    tones[1:] = grey
    for here in where:
        own = field[here]
        alike = np.uint32(0)
        count = 0
        total = 0
        for step in steps:
            after, before = field[here + step], field[here - step]
            total += tones[after] + tones[before]
            count += (after != 0) + (before != 0)
            alike += np.uint32(after == own) + np.uint32(before == own)
        dependent[own, alike] += 1
        if count:
            difference[own] += abs(tones[own] - total / count)
    return dependent[1:], difference[1:]


@compiled
def _tones(
    voxels: NDArray[np.int64], difference: NDArray[np.float64], grey: NDArray[np.float64]
) -> tuple[float, float, float, float, float]:
    n = voxels.size
    total = voxels.sum()
    p = voxels / total
    coarse = 0.0
    summed = 0.0
    for i in range(n):
        coarse += p[i] * difference[i]
        summed += difference[i]
    contrast = apart = complexity = strength = 0.0
    for i in range(n):
        for j in range(i):
            away = grey[i] - grey[j]
            contrast += p[i] * p[j] * away * away
            apart += abs(grey[i] * p[i] - grey[j] * p[j])
            complexity += away * (p[i] * difference[i] + p[j] * difference[j]) / (p[i] + p[j])
            strength += (p[i] + p[j]) * away * away
    # Each pair counts in both orders.
    contrast = 2 * contrast * summed / total
    return (
        1.0e6 if coarse == 0 else 1 / coarse,
        contrast / (n * (n - 1)) if n > 1 else 0.0,
        0.0 if apart == 0 else coarse / (2 * apart),
        2 * complexity / total,
        0.0 if summed == 0 else 2 * strength / summed,
    )
