"""Grey level size zone matrix: zones of neighbouring voxels of one level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.extract.compiled import compiled
from mvi_ray.extract.texture.emphases import emphases

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mvi_ray.extract.texture.levels import Levels

# In the order of `emphases`.
NAMES = (
    "SmallAreaEmphasis",
    "LargeAreaEmphasis",
    "GrayLevelNonUniformity",
    "GrayLevelNonUniformityNormalized",
    "SizeZoneNonUniformity",
    "SizeZoneNonUniformityNormalized",
    "ZonePercentage",
    "GrayLevelVariance",
    "ZoneVariance",
    "ZoneEntropy",
    "LowGrayLevelZoneEmphasis",
    "HighGrayLevelZoneEmphasis",
    "SmallAreaLowGrayLevelEmphasis",
    "SmallAreaHighGrayLevelEmphasis",
    "LargeAreaLowGrayLevelEmphasis",
    "LargeAreaHighGrayLevelEmphasis",
)


def glszm_features(levels: Levels) -> dict[str, float]:
    """Of zones under 26 neighbours."""
    level, size = _zones(levels.field.copy(), levels.where, levels.steps)
    # Sizes reach the number of voxels: those that occur, in place of a column for each.
    sizes, column = np.unique(size, return_inverse=True)
    counts = np.bincount((level - 1) * sizes.size + column, minlength=levels.grey.size * sizes.size)
    values = emphases(
        levels.grey.astype(np.float64), sizes.astype(np.float64), counts.reshape(-1, sizes.size)
    )
    return dict(zip(NAMES, values.tolist(), strict=True))


@compiled
def _zones(
    field: NDArray[np.uint32], where: NDArray[np.uint64], steps: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Level and number of voxels of each zone; the field is used up."""
    level = np.empty(where.size, np.int64)
    size = np.empty(where.size, np.int64)
    stack = np.empty(where.size, np.uint64)
    zones = 0
    for start in where:
        same = field[start]
        if same == 0:
            continue
        field[start] = np.uint32(0)
        stack[0] = start
        top = 1
        taken = 0
        while top:
            top -= 1
            here = stack[top]
            taken += 1
            for step in steps:
                if field[here + step] == same:
                    field[here + step] = 0
                    stack[top] = here + step
                    top += 1
                if field[here - step] == same:
                    field[here - step] = 0
                    stack[top] = here - step
                    top += 1
        level[zones] = same
        size[zones] = taken
        zones += 1
    return level[:zones], size[:zones]
