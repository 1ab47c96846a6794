"""Grey levels of one VOI: the discretised region that all texture matrices are counted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.extract.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# One of each pair of opposite directions to the 26 neighbours, (z, y, x).
DIRECTIONS = tuple(
    (z, y, x) for z in (1, 0, -1) for y in (1, 0, -1) for x in (1, 0, -1) if (z, y, x) > (0, 0, 0)
)


@dataclass(frozen=True, slots=True)
class Levels:
    """A discretised region.

    Args:
        field: uint32 [z, y, x], flat, one voxel wider than the region on each side: 0 outside it,
            else 1 + the position of the voxel's grey level in `grey`.
        where: positions of the region's voxels in `field`, in order. They bear no sign: compiled code
            would look at each index whether it counts from the end.
        shape: of `field` before it was made flat.
        grey: the grey levels that occur, from 1, in order.
        counts: voxels of each.
    """

    field: NDArray[np.uint32]
    where: NDArray[np.uint64]
    shape: tuple[int, int, int]
    grey: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def steps(self) -> NDArray[np.uint64]:
        """What each of `DIRECTIONS` adds to a position in `field`; all lead forwards."""
        _, height, width = self.shape
        return np.array([(z * height + y) * width + x for z, y, x in DIRECTIONS], np.uint64)


@dataclass(frozen=True, slots=True)
class Region:
    """Where the voxels of a VOI lie, whatever image is looked at.

    Args:
        inside: bool [z, y, x], cut to the VOI.
        where: positions of its voxels in a field that is one voxel wider on each side.
        shape: of that field.
    """

    inside: NDArray[np.bool_]
    where: NDArray[np.uint64]
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, inside: NDArray[np.bool_]) -> Region:
        """Of a mask that was cut to the VOI."""
        wider = np.pad(inside, 1)
        return cls(inside, np.flatnonzero(wider).astype(np.uint64), wider.shape)

    def levels(self, values: NDArray[Any], settings: Mapping[str, Any]) -> Levels:
        """Discretise the intensities of the VOI's voxels, in order, as PyRadiomics' `binImage` does."""
        edges = np.asarray(bin_edges(values, settings), np.float64)
        numbers = _digitised(values, edges)
        counts = np.bincount(numbers)
        grey = np.flatnonzero(counts)
        position = np.zeros(counts.size, np.uint32)
        position[grey] = np.arange(1, grey.size + 1, dtype=np.uint32)
        field = np.zeros(int(np.prod(self.shape)), np.uint32)
        field[self.where] = position[numbers]
        return Levels(field, self.where, self.shape, grey, counts[grey])


def bin_edges(values: NDArray[Any], settings: Mapping[str, Any]) -> NDArray[Any]:
    """Edges of grey levels, in the arithmetic of PyRadiomics' `getBinEdges` and its types."""
    count = settings.get("binCount")
    if count is not None:
        edges = np.histogram(values, count)[1]
        edges[-1] += 1
        return edges
    width = settings.get("binWidth", 25)
    if np.isnan(values[0]):
        # Python's `min`, which PyRadiomics takes, passes over NaN unless it comes first.
        msg = "the first intensity of the VOI is not a number"
        raise ValueError(msg)
    lowest, highest = np.nanmin(values), np.nanmax(values)
    edges = np.arange(lowest - lowest % width, highest + 2 * width, width)
    if len(edges) == 1:
        edges = np.array([edges[0] - 0.5, edges[0] + 0.5])
    return edges


@compiled
def _digitised(values: NDArray[Any], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """`numpy.digitize` of rising edges that are all but evenly spaced."""
    numbers = np.empty(values.size, np.int64)
    last = edges.size - 1
    # A width below the spacing of single-precision numbers makes equal edges, or none.
    span = edges[last] - edges[0] if last > 0 else 0.0
    per_width = last / span if span > 0 else 0.0
    for i in range(values.size):
        value = np.float64(values[i])
        if np.isnan(value):
            numbers[i] = edges.size
            continue
        # A guess, put right by the edges themselves.
        number = int(min(max((value - edges[0]) * per_width, 0.0), float(last))) if last >= 0 else 0
        while number <= last and edges[number] <= value:
            number += 1
        while number > 0 and edges[number - 1] > value:
            number -= 1
        numbers[i] = number
    return numbers
