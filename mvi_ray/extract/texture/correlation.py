"""Second eigenvalue of a co-occurrence matrix, of which the maximal correlation coefficient is the root.

PyRadiomics takes all eigenvalues of Q(i, j) = sum over k of p(i, k) p(j, k) / (px(i) py(k)), which is
not symmetric. With p symmetric it is similar to the square of S(i, j) = p(i, j) / sqrt(px(i) px(j)), whose
largest eigenvalue is 1 with the eigenvector sqrt(px): what is wanted is the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, eigs, eigsh

from mvi_ray.extract.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mvi_ray.extract.texture.pairs import Pairs

_EPS = np.spacing(1)
# A full solver is quicker up to here.
_SMALL = 96
_STEPS = 300
# Beyond this a dense matrix of all levels takes too long: symmetric, and not.
_FULL, _DENSE = 2_000, 700
_NOTHING = 1e-14
# Share by which PyRadiomics' own summand of the divisor may move the value before all is done its way.
_MOVED = 1e-6


def second_eigenvalue(pairs: Pairs) -> float:
    """Of Q, for the pairs of one direction; 0 where only one level has a neighbour."""
    margin = np.bincount(pairs.first, pairs.often, pairs.levels)
    margin += np.bincount(pairs.second, pairs.often, pairs.levels)
    px = margin / margin.sum()
    if np.count_nonzero(px) < 2:
        return 0.0
    p = np.where(pairs.first == pairs.second, 2, 1) * pairs.often / margin.sum()
    scaled = p / np.sqrt(px[pairs.first] * px[pairs.second])
    value, vector = _largest(pairs, scaled, np.sqrt(px))
    exact = _with_summand(pairs.first, pairs.second, scaled, px, value, vector)
    if abs(exact - value * value) > _MOVED * exact:
        return _as_pyradiomics(pairs, p, px)
    # Rounding of 0 would have a root of its own.
    return exact if exact > _NOTHING else 0.0


def _largest(
    pairs: Pairs, scaled: NDArray[np.float64], top: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Eigenvalue of S of largest size besides the known one, and its vector."""
    if pairs.levels > _SMALL:
        value, vector, found = _lanczos(pairs.first, pairs.second, scaled, top)
        if found:
            return value, vector
    # Levels that follow one another, as in a ramp, have eigenvalues close together.
    if pairs.levels <= _FULL:
        return _full(pairs.first, pairs.second, scaled, top)
    shape = pairs.levels, pairs.levels
    half = scaled * np.where(pairs.first == pairs.second, 0.5, 1.0)
    ends = np.concatenate([pairs.first, pairs.second]), np.concatenate([pairs.second, pairs.first])
    s = csr_array((np.tile(half, 2), ends), shape)
    without = LinearOperator(shape, matvec=lambda x: s @ x - top * (top @ x), dtype=np.float64)
    values, vectors = eigsh(without, k=1, which="LM", v0=vector, ncv=100, tol=1e-12, maxiter=100_000)
    return float(values[0]), np.ascontiguousarray(vectors[:, 0])


def _full(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    scaled: NDArray[np.float64],
    top: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """By a dense matrix."""
    dense = np.zeros((top.size, top.size))
    dense[first, second] = scaled
    dense[second, first] = scaled
    dense -= np.outer(top, top)
    values, vectors = np.linalg.eigh(dense)
    best = 0 if -values[0] > values[-1] else -1
    return float(values[best]), np.ascontiguousarray(vectors[:, best])


@compiled
def _times(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    scaled: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> None:
    """Set y to S x."""
    y[:] = 0.0
    for k in range(scaled.size):
        i, j = first[k], second[k]
        y[i] += scaled[k] * x[j]
        if i != j:
            y[j] += scaled[k] * x[i]


@compiled
def _lanczos(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    scaled: NDArray[np.float64],
    top: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64], bool]:
    """By Lanczos' method, each new direction orthogonal to all before it; whether it was found."""
    n = top.size
    limit = min(_STEPS, n)
    basis = np.zeros((limit + 1, n))
    small = np.zeros((limit + 1, limit + 1))
    # Nothing like any eigenvector, and the same each time.
    start = (np.arange(1.0, n + 1) * 0.6180339887498949) % 1.0 - 0.5
    start = np.where(top > 0, start, 0.0)
    start -= top * np.sum(top * start)
    basis[0] = start / np.sqrt(np.sum(start * start))
    y = np.empty(n)
    for step in range(limit):
        _times(first, second, scaled, basis[step], y)
        small[step, step] = np.sum(y * basis[step])
        # Twice is enough (Parlett, 1980).
        for _ in range(2):
            y -= top * np.sum(top * y)
            for k in range(step + 1):
                y -= basis[k] * np.sum(basis[k] * y)
        norm = np.sqrt(np.sum(y * y))
        used = step + 1
        last = norm < 1e-13 or used == limit
        if last or (used >= 12 and used % 6 == 0):
            values, vectors = np.linalg.eigh(np.ascontiguousarray(small[:used, :used]))
            best = 0 if -values[0] > values[used - 1] else used - 1
            # The error of the value is the square of this over the gap to the next one.
            found = norm < 1e-13 or norm * abs(vectors[step, best]) < 1e-9 * abs(values[best])
            if last or found:
                break
        small[step, used] = small[used, step] = norm
        basis[used] = y / norm
    vector = np.zeros(n)
    for k in range(used):
        vector += vectors[k, best] * basis[k]
    return values[best], vector, found


@compiled
def _with_summand(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    scaled: NDArray[np.float64],
    px: NDArray[np.float64],
    value: float,
    vector: NDArray[np.float64],
) -> float:
    """Rayleigh's quotient of PyRadiomics' Q, whose divisor is px(i) py(k) + eps."""
    total = 0.0
    for k in range(scaled.size):
        i, j = first[k], second[k]
        part = vector[i] * vector[j] * scaled[k] / (1.0 + _EPS / (px[i] * px[j]))
        total += part if i == j else 2 * part
    return value * total / np.sum(vector * vector)


def _as_pyradiomics(pairs: Pairs, p: NDArray[np.float64], px: NDArray[np.float64]) -> float:
    """By its own formula: where rare levels stand apart, its summand counts.

    Both factors of Q = A P are symmetric, A(i, k) = p(i, k) / (px(i) px(k) + eps).
    """
    n = pairs.levels
    ends = np.concatenate([pairs.first, pairs.second]), np.concatenate([pairs.second, pairs.first])
    half = np.where(pairs.first == pairs.second, 0.5, 1.0)
    shape = n, n
    whole = csr_array((np.tile(p * half, 2), ends), shape)
    divided = csr_array((np.tile(p * half / (px[pairs.first] * px[pairs.second] + _EPS), 2), ends), shape)
    if n <= _DENSE:
        values = np.linalg.eigvals(divided.toarray() @ whole.toarray())
        return float(np.sort(values)[-2].real)
    start = np.linspace(1.0, 2.0, n)
    both = LinearOperator(shape, matvec=lambda x: divided @ (whole @ x), dtype=np.float64)
    values = eigs(both, k=4, which="LR", v0=start, return_eigenvectors=False)
    return float(np.sort(values.real)[-2])
