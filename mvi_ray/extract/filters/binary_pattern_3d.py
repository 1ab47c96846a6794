"""Local binary pattern in 3D: how the intensities on a sphere around each voxel compare with its own.

As PyRadiomics has it (Banerjee et al., 2013): the image is interpolated by cubic splines at the vertices of
an icosphere; which of them are at least as bright as the centre is expanded in spherical harmonics; each
level of the expansion, and the kurtosis of the interpolated values, is an image.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.ndimage import spline_filter
from scipy.stats import kurtosis

from mvi_ray.extract.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


# Voxels whose numbers fit into the cache.
_TOGETHER = 4096


class Sphere(NamedTuple):
    """Vertices [n, 3], and the spherical harmonics at them [n, harmonics] with the level of each."""

    vertices: NDArray[np.float64]
    harmonics: NDArray[np.complex128]
    level: NDArray[np.int64]


@cache
def sphere(levels: int, radius: float, subdivision: int) -> Sphere:
    """The sampling points of PyRadiomics' filter with these settings."""
    from scipy.special import sph_harm_y
    from trimesh.creation import icosphere

    vertices = np.array(icosphere(subdivision, radius).vertices)
    # PyRadiomics hands over polar angle and azimuth in each other's place.
    theta = np.arccos(np.true_divide(vertices[:, 2], radius))
    phi = np.arctan2(vertices[:, 1], vertices[:, 0])
    degrees = [(n, m) for n in range(levels) for m in range(-n, n + 1)]
    columns = [sph_harm_y(n, m, phi, theta) for n, m in degrees]
    return Sphere(vertices, np.column_stack(columns), np.array([n for n, _ in degrees]))


def binary_patterns_3d(
    image: NDArray[Any], inside: NDArray[np.bool_], levels: int, radius: float, subdivision: int
) -> list[NDArray[np.float64]]:
    """One value for each voxel of the VOI, in order, of each level and of the kurtosis.

    Args:
        image: intensities [z, y, x].
        inside: the VOI on the grid of `image`.
        levels: `lbp3DLevels` of PyRadiomics.
        radius: `lbp3DIcosphereRadius`, in voxels.
        subdivision: `lbp3DIcosphereSubdivision`.
    """
    points = sphere(levels, radius, subdivision)
    # As scipy.ndimage.map_coordinates does it for mode "constant"; it gives what type it gets.
    coefficients = spline_filter(image, 3, output=np.float64, mode="constant")
    margin = int(np.ceil(radius)) + 3
    wider = np.pad(coefficients, margin, mode="reflect")
    starts, weights, valid = _taps(image.shape, points.vertices, margin)
    around = np.empty((np.count_nonzero(inside), len(points.vertices)), image.dtype)
    _sample(wider, inside, starts, weights, valid, around)
    bright = np.greater_equal(around, image[inside][:, None])
    return [*_levels(bright, points), kurtosis(around, axis=1)]


def _taps(
    shape: tuple[int, ...], vertices: NDArray[np.float64], margin: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """First coefficient, four weights, and whether the point is in the image: [axis, vertex, place].

    In the arithmetic of scipy.ndimage, so that a value equal to its neighbour's stays so.
    """
    longest = max(shape)
    place = vertices.T[:, :, None] + np.arange(longest)[None, None, :]
    below = np.floor(place)
    y = place - below
    z = 1.0 - y
    weights = np.empty((*place.shape, 4))
    weights[..., 1] = (y * y * (y - 2.0) * 3.0 + 4.0) / 6.0
    weights[..., 2] = (z * z * (z - 2.0) * 3.0 + 4.0) / 6.0
    weights[..., 0] = z * z * z / 6.0
    weights[..., 3] = 1.0 - weights[..., 0] - weights[..., 1] - weights[..., 2]
    valid = (place >= 0) & (place <= np.array(shape)[:, None, None] - 1)
    return below.astype(np.int64) - 1 + margin, weights, valid


@compiled
def _sample(
    coefficients: NDArray[np.float64],
    inside: NDArray[np.bool_],
    starts: NDArray[np.int64],
    weights: NDArray[np.float64],
    valid: NDArray[np.bool_],
    around: NDArray[Any],
) -> None:
    """Fill in the intensity at each point around each voxel of the VOI: [voxel, vertex]."""
    depth, height, width = inside.shape
    points = starts.shape[1]
    # Along x the same for all lines: turned, so that neighbours lie together.
    along = np.empty((points, 4, width))
    for v in range(points):
        for k in range(4):
            for x in range(width):
                along[v, k, x] = weights[2, v, x, k]
    line = np.empty(width)
    voxel = 0
    for z in range(depth):
        for y in range(height):
            first, last, count = width, -1, 0
            for x in range(width):
                if inside[z, y, x]:
                    first = min(first, x)
                    last = x
                    count += 1
            if last < 0:
                continue
            for v in range(points):
                _along_line(coefficients, starts, weights, along, valid, v, z, y, first, last, line)
                at = voxel
                for x in range(first, last + 1):
                    if inside[z, y, x]:
                        around[at, v] = line[x]
                        at += 1
            voxel += count


@compiled
def _along_line(
    coefficients: NDArray[np.float64],
    starts: NDArray[np.int64],
    weights: NDArray[np.float64],
    along: NDArray[np.float64],
    valid: NDArray[np.bool_],
    v: int,
    z: int,
    y: int,
    first: int,
    last: int,
    line: NDArray[np.float64],
) -> None:
    """Interpolate at one vertex around the voxels first to last of a line."""
    count = last - first + 1
    out = line[first : last + 1]
    out[:] = 0.0
    if not (valid[0, v, z] and valid[1, v, y]):
        return
    base = starts[2, v, 0] + first
    for i in range(4):
        in_z = weights[0, v, z, i]
        for j in range(4):
            in_y = weights[1, v, y, j]
            row = coefficients[starts[0, v, z] + i, starts[1, v, y] + j]
            for k in range(4):
                part = row[base + k : base + k + count]
                in_x = along[v, k, first : last + 1]
                for x in range(count):
                    out[x] += part[x] * in_z * in_y * in_x[x]
    for x in range(count):
        if not valid[2, v, first + x]:
            out[x] = 0.0


def _levels(bright: NDArray[np.bool_], points: Sphere) -> Iterator[NDArray[np.float64]]:
    """Strength of each level of the expansion."""
    terms = _summed(bright, points.harmonics)
    for level in range(points.level[-1] + 1):
        yield _strength(terms[points.level == level], points.harmonics[:, points.level == level])


@compiled
def _summed(bright: NDArray[np.bool_], harmonics: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Sum of the harmonics at the bright points: [harmonic, voxel]."""
    voxels, points = bright.shape
    terms = np.zeros((harmonics.shape[1], voxels), np.complex128)
    for k in range(harmonics.shape[1]):
        for n in range(voxels):
            total = 0j
            for v in range(points):
                if bright[n, v]:
                    total += harmonics[v, k]
            terms[k, n] = total
    return terms


def _strength(terms: NDArray[np.complex128], harmonics: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Root of the summed squares of the expansion at all points.

    By NumPy's products and in PyRadiomics' order: many voxels share a value to the last bit, and
    percentiles and grey levels depend on its staying so.
    """
    result = np.empty(terms.shape[1])
    for start in range(0, result.size, _TOGETHER):
        part = np.ascontiguousarray(terms[:, start : start + _TOGETHER])
        total = np.zeros(part.shape[1], np.complex128)
        for at_point in harmonics:
            back = np.multiply(part[0], at_point[0])
            for term, harmonic in zip(part[1:], at_point[1:], strict=True):
                back += np.multiply(term, harmonic)
            total += np.square(back)
        result[start : start + _TOGETHER] = np.sqrt(total).real
    return result
