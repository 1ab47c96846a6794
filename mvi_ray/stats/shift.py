"""How far two groups of patients differ in each of many features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.errors import ModelError
from mvi_ray.stats.deviations import deviations
from mvi_ray.stats.ks import adjusted, kolmogorov_smirnov

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """Differences between the groups a and b; every array has the shape (features,).

    A feature with fewer than two finite values in a group has numbers of values only, and NaN
    in all the rest.

    Args:
        standardized_difference: mean of b minus mean of a, in pooled standard deviations;
            0 when all values are equal, infinite with its sign when each group has one
            value and they differ.
        ks: largest distance of the two distribution functions, 0 to 1.
        p: of the two-sided Kolmogorov-Smirnov test; too large rather than too small when
            values are tied.
        q: `p` adjusted for the number of features tested (false discovery rate).
        median_a: in the feature's unit.
        median_b: in the feature's unit.
        n_a: number of finite values.
        n_b: number of finite values.
    """

    standardized_difference: npt.NDArray[np.float64]
    ks: npt.NDArray[np.float64]
    p: npt.NDArray[np.float64]
    q: npt.NDArray[np.float64]
    median_a: npt.NDArray[np.float64]
    median_b: npt.NDArray[np.float64]
    n_a: npt.NDArray[np.int_]
    n_b: npt.NDArray[np.int_]


def shift(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> Shift:
    """Compare two groups of patients feature by feature.

    p is exact while the product of the numbers of values is at most `ks.EXACT`, and asymptotic
    above. A test finds ever smaller differences in larger groups; read the standardized
    difference for their size.

    Args:
        a: shape (patients, features); NaN and infinity are missing.
        b: shape (other patients, features).

    Raises:
        ModelError: the groups do not have the same features.

    References:
        Standardized difference: Austin, Statistics in Medicine 2009, doi:10.1002/sim.3697.
        Exact test: Hodges, Arkiv för Matematik 1958, 3:469. Adjustment: Benjamini and
        Hochberg, Journal of the Royal Statistical Society B 1995,
        doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ModelError(f"the groups have shapes {a.shape} and {b.shape}; give both the same features")
    n_a, n_b = (np.isfinite(group).sum(axis=0) for group in (a, b))
    tested = (n_a >= 2) & (n_b >= 2)
    found = np.full((6, tested.size), np.nan)
    if tested.any():
        found[:, tested] = _compare(*(np.where(np.isfinite(g), g, np.nan)[:, tested] for g in (a, b)))
    difference, ks, p, q, median_a, median_b = found
    return Shift(difference, ks, p, q, median_a, median_b, n_a, n_b)


def _compare(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """The six statistics of features that can be tested, in the order of `Shift`."""
    ks, p = kolmogorov_smirnov(a, b)
    return [
        _standardized_difference(a, b),
        ks,
        p,
        adjusted(p),
        np.nanmedian(a, axis=0),
        np.nanmedian(b, axis=0),
    ]


def _standardized_difference(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Difference of the means over the root of the mean of both variances."""
    # Where each group has one value, these are exactly 0 and -1, 0 or 1: nothing is rounded.
    groups = np.split(deviations(np.concatenate([a, b])), [len(a)])
    mean_a, mean_b = (np.nanmean(group, axis=0) for group in groups)
    variances = [np.nanvar(group, axis=0, ddof=1) for group in groups]
    difference, deviation = mean_b - mean_a, np.sqrt(np.mean(variances, axis=0))
    without = np.where(difference == 0, 0, np.copysign(np.inf, difference))
    np.divide(difference, deviation, out=without, where=deviation > 0)
    return without
