"""Grey level run length matrix: runs of voxels of one level, for each direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.extract.compiled import compiled
from mvi_ray.extract.texture.emphases import emphases
from mvi_ray.extract.texture.levels import DIRECTIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mvi_ray.extract.texture.levels import Levels

# In the order of `emphases`.
NAMES = (
    "ShortRunEmphasis",
    "LongRunEmphasis",
    "GrayLevelNonUniformity",
    "GrayLevelNonUniformityNormalized",
    "RunLengthNonUniformity",
    "RunLengthNonUniformityNormalized",
    "RunPercentage",
    "GrayLevelVariance",
    "RunVariance",
    "RunEntropy",
    "LowGrayLevelRunEmphasis",
    "HighGrayLevelRunEmphasis",
    "ShortRunLowGrayLevelEmphasis",
    "ShortRunHighGrayLevelEmphasis",
    "LongRunLowGrayLevelEmphasis",
    "LongRunHighGrayLevelEmphasis",
)


def glrlm_features(levels: Levels) -> dict[str, float]:
    """Mean over directions of each feature; directions in which no line has two voxels are left out."""
    longest = max(levels.shape) - 2
    counts = np.empty((levels.grey.size + 1, longest), np.uint32)
    so_far = np.zeros(levels.field.size, np.uint32)
    grey = levels.grey.astype(np.float64)
    lengths = np.arange(1.0, longest + 1)
    values = []
    for direction, step in zip(DIRECTIONS, levels.steps, strict=True):
        together = _count_runs(levels.field, levels.where, step, counts, so_far)
        if together or _shares_a_line(levels, direction):
            values.append(emphases(grey, lengths, counts[1:]))
    if not values:
        return dict.fromkeys(NAMES, np.nan)
    return dict(zip(NAMES, np.mean(np.array(values), axis=0).tolist(), strict=True))


@compiled
def _count_runs(
    field: NDArray[np.uint32],
    where: NDArray[np.uint64],
    step: np.uint64,
    counts: NDArray[np.uint32],
    so_far: NDArray[np.uint32],
) -> bool:
    """Count runs by level and length; whether two voxels are neighbours.

    Steps lead forwards, so the voxel before was seen already. Nothing is branched on: in noise
    each guess of the processor would be wrong every other time.
    """
    counts[:] = 0
    together = np.uint32(0)
    one, none = np.uint32(1), np.uint32(0)
    for here in where:
        level = field[here]
        before = field[here - step]
        together |= before
        length = so_far[here - step] if before == level else none
        so_far[here] = np.uint32(length + one)
        counts[level, length] += one if field[here + step] != level else none
    return bool(together != 0)


def _shares_a_line(levels: Levels, direction: tuple[int, int, int]) -> bool:
    """Whether two voxels of the region lie on one line of this direction, with others between them."""
    places = np.array(np.unravel_index(levels.where, levels.shape))
    axis = int(np.flatnonzero(direction)[0])
    along = places[axis] * direction[axis]
    lines = places - np.outer(direction, along)
    return bool(np.unique(lines, axis=1).shape[1] < levels.where.size)
