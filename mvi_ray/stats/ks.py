"""Kolmogorov-Smirnov tests of many features at once."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.float64]

EXACT: Final = 250_000
"""Product of the numbers of values up to which p is exact: two groups of 500, for example.

One exact p of such groups takes a millisecond, and large groups hardly share a distance. Above,
the asymptotic p was within 6 % of the exact one for p > 0.05, within 13 % down to 1e-8.
"""

# Columns at a time: temporary arrays of 3,000 patients stay below 100 MB.
_COLUMNS = 512


def kolmogorov_smirnov(a: Values, b: Values) -> tuple[Values, Values]:
    """Largest distance of two distribution functions and its two-sided p, feature by feature.

    p depends on the numbers of values and the distance only, so it is computed once for all
    features that share them. With tied values it is too large rather than too small.

    Args:
        a: shape (patients, features), NaN where missing, without infinity.
        b: shape (other patients, features).

    Returns:
        Distance and p, each of shape (features,); NaN where a group has no value.

    References:
        Exact distribution: Hodges, Arkiv för Matematik 1958, 3:469; it and the asymptotic one
        as SciPy computes them.
    """
    counts = np.stack([np.isfinite(group).sum(axis=0) for group in (a, b)])
    parts = [
        _distance(a[:, at : at + _COLUMNS], b[:, at : at + _COLUMNS]) for at in range(0, a.shape[1], _COLUMNS)
    ]
    distance = np.concatenate([np.empty(0), *parts])
    p = np.full(distance.shape, np.nan)
    tested = np.flatnonzero((counts > 0).all(axis=0))
    few = counts[0, tested] * counts[1, tested] <= EXACT
    p[tested[few]] = _exact(a, b, counts, distance, tested[few])
    p[tested[~few]] = _asymptotic(counts[:, tested[~few]], distance[tested[~few]])
    return distance, p


def adjusted(p: Values) -> Values:
    """Adjust p for the number of tests (false discovery rate); NaN was no test.

    References:
        Benjamini and Hochberg, Journal of the Royal Statistical Society B 1995,
        doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    from scipy.stats import false_discovery_control

    q = np.full(p.shape, np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    return q


def chance(n: int, m: int, p: float = 0.05) -> float:
    """Distance that groups of these sizes exceed with this probability without any difference."""
    from scipy.stats import kstwo

    return float(kstwo.isf(p, round(n * m / (n + m)) or 1))


def _distance(a: Values, b: Values) -> Values:
    """Distance of each column of a few."""
    both = np.concatenate([a, b])
    if not both.size:
        return np.full(both.shape[1], np.nan)
    # NaN comes last.
    order = np.argsort(both, axis=0)
    ranked = np.take_along_axis(both, order, axis=0)
    there, of_a = ~np.isnan(ranked), order < len(a)
    below = [(there & of_a).cumsum(axis=0), (there & ~of_a).cumsum(axis=0)]
    n, m = below[0][-1], below[1][-1]
    # In whole numbers: features that are equally far apart are so to the last bit.
    apart = np.abs(below[0] * m - below[1] * n)
    # Between equal values a distribution function has no value of its own.
    apart[:-1][ranked[1:] == ranked[:-1]] = 0
    found = np.full(both.shape[1], np.nan)
    np.divide(apart.max(axis=0) // np.gcd(n, m).clip(1), np.lcm(n, m), out=found, where=(n > 0) & (m > 0))
    return found


def _exact(
    a: Values,
    b: Values,
    counts: npt.NDArray[np.int_],
    distance: Values,
    tested: npt.NDArray[np.intp],
) -> Values:
    """Exact p of the features that are tested, one test for each set of equals."""
    from scipy.stats import ks_2samp

    n, m = counts[:, tested]
    alike = np.stack([n, m, np.rint(distance[tested] * n * m).astype(np.int64)])
    _, first, which = np.unique(alike, axis=1, return_index=True, return_inverse=True)
    found = np.empty(first.size)
    with warnings.catch_warnings():
        # Groups of equal size that alternate: p is 1, SciPy gets 1 + 2e-16 and uses its other method.
        warnings.filterwarnings("ignore", "ks_2samp: Exact calculation unsuccessful", RuntimeWarning)
        for at, column in enumerate(tested[first]):
            x, y = (group[np.isfinite(group[:, column]), column] for group in (a, b))
            found[at] = ks_2samp(x, y, method="exact").pvalue
    return found[which.ravel()]


def _asymptotic(counts: npt.NDArray[np.int_], distance: Values) -> Values:
    """Compute p as of a test of one sample of the size that both groups amount to."""
    if not distance.size:
        return distance
    from scipy.stats import kstwo

    n, m = counts.astype(np.float64)
    found: Values = np.asarray(kstwo.sf(distance, np.rint(n * m / (n + m))))
    return found
