"""Agreement of readers: intraclass correlation of many features at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from mvi_ray.errors import ModelError
from mvi_ray.stats.deviations import deviations

if TYPE_CHECKING:
    import numpy.typing as npt

Form = Literal["2,1", "3,1"]
"""Absolute agreement with readers drawn at random, or consistency of just these readers."""


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Intraclass correlations with their intervals; every array has the shape (features,).

    Args:
        value: the correlation, at most 1; NaN where it is not defined.
        low: lower end of the interval; NaN where `value` is.
        high: upper end of the interval; NaN where `value` is.
        targets: number of targets that all readers measured.
    """

    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    targets: npt.NDArray[np.int_]


class _MeanSquares(NamedTuple):
    """Of a two-way analysis of variance without repeats, shape (features,) each."""

    targets: npt.NDArray[np.float64]
    raters: npt.NDArray[np.float64]
    error: npt.NDArray[np.float64]


def icc(values: npt.NDArray[np.float64], *, form: Form = "2,1", level: float = 0.95) -> Agreement:
    """Intraclass correlation of single measurements, by two-way analysis of variance.

    A target counts for a feature when all raters have a finite value of it. The correlation
    is not defined, and NaN, with fewer than two such targets, when all values of a feature
    are equal, and for consistency when raters differ by constants only: without any
    difference between targets nobody can agree on one.

    The interval of absolute agreement rests on an approximate number of degrees of freedom.
    With two raters whose constant offset is most of their disagreement it is too narrow.
    For a negative correlation the published formula may give almost no degrees of freedom, and
    an interval beside the value; never fewer than raters - 1 are used, which changes no interval
    of a positive correlation.

    Args:
        values: shape (targets, raters, features), such as lesions × readers × features.
        form: "2,1" for absolute agreement, which a rater's constant offset lowers; "3,1" for
            consistency, which it does not.
        level: of the interval, between 0 and 1.

    Raises:
        ModelError: the array does not have three axes, there are fewer than two raters, or the
            form or the level is not one of those above.

    References:
        Shrout and Fleiss, Psychological Bulletin 1979, doi:10.1037/0033-2909.86.2.420; intervals
        of ICC(A,1) and ICC(C,1): McGraw and Wong, Psychological Methods 1996,
        doi:10.1037/1082-989X.1.1.30.
    """
    from scipy.special import fdtri

    values = np.asarray(values, np.float64)
    _check(values, form, level)
    k = values.shape[1]
    complete = np.asarray(np.isfinite(values).all(axis=1))
    targets: npt.NDArray[np.int_] = complete.sum(axis=0)
    # Undefined features are computed as if of two targets, and become NaN at the end.
    n = np.maximum(targets, 2)
    ms = _mean_squares(values, complete, n)
    if form == "2,1":
        other = k * ms.raters + (k * n - k - n) * ms.error
        freedom = _approximate_freedom(ms, k, n)
    else:
        other = n * (k - 1) * ms.error
        freedom = (n - 1.0) * (k - 1)
    total = n * ms.targets + other
    # Means of n × k numbers within [-1, 1] are rounded; what is smaller is no variance.
    defined = (targets >= 2) & (total > n * (n * k * np.finfo(np.float64).eps) ** 2)

    def at(ratio: npt.NDArray[np.floating] | float) -> npt.NDArray[np.float64]:
        """The correlation if the ratio of mean squares were this many times larger."""
        found = np.full(n.shape, np.nan)
        above, below = n * (ratio * ms.targets - ms.error), n * ratio * ms.targets + other
        np.divide(above, below, out=found, where=defined)
        return found

    tail = (1 - level) / 2
    low, high = (at(fdtri(freedom, n - 1.0, end)) for end in (tail, 1 - tail))
    return Agreement(at(1.0), low, high, targets)


def _check(values: npt.NDArray[np.float64], form: str, level: float) -> None:
    """Refuse what has no intraclass correlation."""
    if values.ndim != 3:
        raise ModelError(f"the values have shape {values.shape}; give targets × raters × features")
    if values.shape[1] < 2:
        raise ModelError(f"agreement of {values.shape[1]} raters was asked for; give two or more")
    if form not in get_args(Form):
        raise ModelError(f"the form of the ICC is {form!r}; use one of {', '.join(get_args(Form))}")
    if not 0 < level < 1:
        raise ModelError(f"the level of the interval is {level}; give a number between 0 and 1")


def _mean_squares(
    values: npt.NDArray[np.float64], complete: npt.NDArray[np.bool_], n: npt.NDArray[np.int_]
) -> _MeanSquares:
    """Mean squares of each feature over its complete targets, in units of its own spread."""
    targets, k, features = values.shape
    known = np.where(complete[:, None], values, np.nan)
    scaled = np.nan_to_num(deviations(known.reshape(targets * k, features)).reshape(values.shape))
    of_target = scaled.mean(axis=1)
    of_rater = scaled.sum(axis=0) / n
    mean = of_rater.mean(axis=0)
    rest = np.where(complete[:, None], scaled - of_target[:, None] - of_rater + mean, 0)
    return _MeanSquares(
        targets=k * (np.where(complete, of_target - mean, 0) ** 2).sum(axis=0) / (n - 1),
        raters=n * ((of_rater - mean) ** 2).sum(axis=0) / (k - 1),
        error=(rest**2).sum(axis=(0, 1)) / ((n - 1) * (k - 1)),
    )


def _approximate_freedom(ms: _MeanSquares, k: int, n: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
    """Satterthwaite's degrees of freedom of absolute agreement, at least k - 1.

    Both parts of McGraw and Wong's a·MSC + b·MSE are multiplied by n(1 - ρ), and by the
    denominator of ρ, so that perfect agreement divides by nothing.
    """
    other = k * ms.raters + (k * n - k - n) * ms.error
    above, below = n * (ms.targets - ms.error), n * ms.targets + other
    of_raters = k * above * ms.raters
    of_error = (n * below + (k * n - k - n) * above) * ms.error
    spread = of_raters**2 + of_error**2 / (n - 1)
    freedom = np.full(n.shape, k - 1.0)
    np.divide((k - 1) * (of_raters + of_error) ** 2, spread, out=freedom, where=spread > 0)
    at_least: npt.NDArray[np.float64] = np.maximum(freedom, k - 1)
    return at_least
