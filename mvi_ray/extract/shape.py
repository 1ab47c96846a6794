"""Shape features of a VOI, from the mesh that PyRadiomics lays around its voxels.

Its C code also measures every pair of mesh points, which takes minutes where there are many. What a
cube of eight voxels adds to surface and volume depends on nothing but which of the eight are
inside; the same C code says what, once for each of the 256 cases, and the rest is counting.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import ConvexHull

from mvi_ray.extract.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CORNERS = tuple(itertools.product((0, 1), repeat=3))


class _Cases(NamedTuple):
    """What each of the 256 cubes adds, (z, y, x), for voxels of 1 mm."""

    volume: NDArray[np.float64]
    per_step: NDArray[np.float64]


def shape_features(inside: NDArray[np.bool_], spacing: tuple[float, float, float]) -> dict[str, float]:
    """Of a mask cut to the VOI.

    Args:
        inside: [z, y, x].
        spacing: mm, (z, y, x).
    """
    mask = np.pad(inside, 1)
    often, places = _counted(_cubes(mask))
    cases = _cases()
    volume = float((often @ cases.volume + np.sum(places * cases.per_step)) * np.prod(spacing))
    surface = float(often @ _surfaces(spacing))
    flat = _mesh_diameters(mask, spacing)
    count = int(np.count_nonzero(inside))
    least, minor, major = _axes(mask, np.asarray(spacing), count)
    return {
        "MeshVolume": volume,
        "VoxelVolume": count * float(spacing[0] * spacing[2] * spacing[1]),
        "SurfaceArea": surface,
        "SurfaceVolumeRatio": surface / volume,
        "Sphericity": (36 * np.pi * volume**2) ** (1.0 / 3.0) / surface,
        "Maximum3DDiameter": flat[3],
        "Maximum2DDiameterSlice": flat[0],
        "Maximum2DDiameterColumn": flat[1],
        "Maximum2DDiameterRow": flat[2],
        "MajorAxisLength": float(np.sqrt(major) * 4),
        "MinorAxisLength": float(np.sqrt(minor) * 4),
        "LeastAxisLength": float(np.sqrt(least) * 4),
        "Elongation": float(np.sqrt(minor / major)),
        "Flatness": float(np.sqrt(least / major)),
    }


def _axes(mask: NDArray[np.bool_], spacing: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Eigenvalues of the covariance of the voxels' places, in order; rounded to 0 as PyRadiomics does."""
    places = np.argwhere(mask) * spacing[None, :]
    places -= np.mean(places, axis=0)
    places /= np.sqrt(count)
    values = np.linalg.eigvals(places.T.copy() @ places)
    values[(values < 0) & (values > -1e-10)] = 0
    return np.sort(values)


def _cubes(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Which of the eight corners are inside, one bit each, of all cubes of neighbouring voxels."""
    bits = mask.view(np.uint8)
    depth, height, width = (n - 1 for n in mask.shape)
    cubes = np.zeros((depth, height, width), np.uint8)
    for bit, (z, y, x) in enumerate(_CORNERS):
        cubes |= bits[z : z + depth, y : y + height, x : x + width] << np.uint8(bit)
    return cubes


@compiled
def _counted(cubes: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cubes of each case, and the sums of their places (z, y, x)."""
    often = np.zeros(256, np.int64)
    places = np.zeros((256, 3), np.int64)
    depth, height, width = cubes.shape
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                case = cubes[z, y, x]
                if 0 < case < 255:
                    often[case] += 1
                    places[case, 0] += z
                    places[case, 1] += y
                    places[case, 2] += x
    return often, places


def _corners(case: int) -> NDArray[np.bool_]:
    inside = np.zeros((2, 2, 2), bool)
    for bit, corner in enumerate(_CORNERS):
        inside[corner] = bool(case >> bit & 1)
    return inside


@cache
def _cases() -> _Cases:
    from radiomics import cShape

    unit = np.ones(3)
    volume = np.zeros(256)
    per_step = np.zeros((256, 3))
    for case in range(1, 255):
        cube = _corners(case)
        volume[case] = cShape.calculate_coefficients(cube, unit)[1]
        for axis in range(3):
            # The cube one step further, behind one whose two layers are its own first.
            first = cube.take([0], axis)
            before = cShape.calculate_coefficients(np.concatenate([first, first], axis), unit)[1]
            both = cShape.calculate_coefficients(np.concatenate([first, cube], axis), unit)[1]
            per_step[case, axis] = both - before - volume[case]
    return _Cases(volume, per_step)


@cache
def _surfaces(spacing: tuple[float, float, float]) -> NDArray[np.float64]:
    from radiomics import cShape

    steps = np.array(spacing)
    of_case = [cShape.calculate_coefficients(_corners(case), steps)[0] for case in range(1, 255)]
    return np.array([0.0, *of_case, 0.0])


def _mesh_diameters(mask: NDArray[np.bool_], spacing: tuple[float, float, float]) -> list[float]:
    """Farthest mesh points that share z, y, x, and of all: half-way between voxels inside and outside.

    Of the points on one line only the first and the last can be the farthest ones.
    """
    steps = np.asarray(spacing)
    twice = np.concatenate([2 * np.argwhere(np.diff(mask, axis=axis)) + _half(axis) for axis in range(3)])
    flat = []
    for axis in range(3):
        other = (axis + 1) % 3
        ends = _ends(twice, (axis, other), (axis + 2) % 3)
        flat.append(_farthest_together(ends[:, axis], ends * 0.5 * steps))
    points = _ends(twice, (0, 1), 2) * 0.5 * steps
    hull = points[ConvexHull(points).vertices]
    return [*flat, _farthest_together(np.zeros(len(hull), np.int64), hull)]


def _half(axis: int) -> NDArray[np.int64]:
    half: NDArray[np.int64] = np.eye(3, dtype=np.int64)[axis]
    return half


def _ends(points: NDArray[np.int64], of: tuple[int, int], along: int) -> NDArray[np.int64]:
    """First and last point of each line along an axis, sorted by the first of the other two."""
    order = np.lexsort((points[:, along], points[:, of[1]], points[:, of[0]]))
    points = np.asarray(points[order], np.int64)
    new = np.any(np.diff(points[:, of], axis=0) != 0, axis=1)
    first, last = np.append(True, new), np.append(new, True)
    ends: NDArray[np.int64] = points[first | last]
    return ends


@compiled
def _farthest_together(group: NDArray[np.int64], points: NDArray[np.float64]) -> float:
    """Largest distance of two points of one group; groups lie together."""
    best = 0.0
    for i in range(len(points)):
        for j in range(i - 1, -1, -1):
            if group[j] != group[i]:
                break
            z, y, x = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1], points[i, 2] - points[j, 2]
            best = max(best, z * z + y * y + x * x)
    return float(np.sqrt(best))
