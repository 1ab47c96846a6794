"""Referee: whether two engines agree on the features of one image, and by how much they differ."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLERANCE = 1e-9
"""Relative; what differs by more is ill-conditioned or wrong."""

# What rounding alone may do, absolutely: features that are a small difference of larger numbers.
ILL_CONDITIONED: dict[str, tuple[str, float]] = {
    "firstorder_Skewness": ("the third moment of symmetrical intensities cancels", 1e-9),
    "firstorder_Kurtosis": ("a quotient of moments, all rounding where intensities are equal", 1e-9),
    "glcm_ClusterShade": ("the third moment of symmetrical sums of levels cancels", 1e-8),
    "glcm_ClusterTendency": ("all rounding where sums of levels are equal", 1e-9),
    "glcm_ClusterProminence": ("all rounding where sums of levels are equal", 1e-9),
    "glcm_Correlation": ("a covariance of independent neighbours cancels", 1e-9),
    "glcm_DifferenceVariance": ("all rounding where differences of levels are equal", 1e-9),
    "glcm_Imc1": ("a difference of two entropies", 1e-9),
    "glcm_Imc2": ("the root of a difference of two entropies: rounding of 1e-14 becomes 1e-7", 1e-6),
    "glcm_MCC": ("the root of an eigenvalue: rounding of 1e-16 becomes 1e-8", 1e-6),
    "glcm_SumSquares": ("all rounding where levels are equal", 1e-9),
    "firstorder_Variance": ("all rounding where intensities are equal", 1e-9),
    "firstorder_MeanAbsoluteDeviation": ("all rounding where intensities are equal", 1e-9),
}


class Difference(NamedTuple):
    """A feature on which two engines differ.

    Args:
        feature: as ``glcm_Contrast``.
        value, expected: of the engine in question and of the stock one.
        relative: their distance over the size of the expected one.
        reason: why rounding may do that; None where nothing explains it.
    """

    feature: str
    value: float
    expected: float
    relative: float
    reason: str | None


def differences(values: Mapping[str, float | None], expected: Mapping[str, float | None]) -> list[Difference]:
    """What differs by more than `TOLERANCE`, the largest first.

    Args:
        values: of the engine in question by feature, for one image; None where one is not defined.
        expected: of the stock engine.
    """
    found = []
    for feature, wanted in expected.items():
        value = values.get(feature)
        if wanted is None or value is None:
            if wanted is not value:
                nan = math.nan
                found.append(Difference(feature, value or nan, wanted or nan, math.inf, None))
            continue
        if wanted == value or (math.isnan(wanted) and math.isnan(value)):
            continue
        apart = abs(value - wanted)
        # A comparison with NaN is False, so one NaN is a difference.
        if apart <= TOLERANCE * abs(wanted):
            continue
        reason, floor = ILL_CONDITIONED.get(feature, (None, 0.0))
        relative = apart / abs(wanted) if wanted else math.inf
        found.append(Difference(feature, value, wanted, relative, reason if apart <= floor else None))
    return sorted(found, key=lambda one: -one.relative)
