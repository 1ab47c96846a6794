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


_ROOTS, _SMALL = frozenset({"glcm_Imc2", "glcm_MCC"}), 1e-2

_OF_ONE = "-log2(1 + eps), all rounding where there is one level, sum, run or zone"
ILL_CONDITIONED |= dict.fromkeys(
    (
        "firstorder_Entropy",
        "glcm_DifferenceEntropy",
        "glcm_JointEntropy",
        "glcm_SumEntropy",
        "gldm_DependenceEntropy",
        "glrlm_RunEntropy",
        "glszm_ZoneEntropy",
    ),
    (_OF_ONE, 1e-12),
)


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
    for feature in {**expected, **values}:
        value, wanted = values.get(feature), expected.get(feature)
        if value == wanted or (_is_nan(value) and _is_nan(wanted)):
            continue
        if value is None or wanted is None or not (math.isfinite(value) and math.isfinite(wanted)):
            mine, stock = (math.nan if one is None else one for one in (value, wanted))
            found.append(Difference(feature, mine, stock, math.inf, None))
            continue
        apart = abs(value - wanted)
        if apart <= TOLERANCE * abs(wanted):
            continue
        reason, floor = ILL_CONDITIONED.get(feature, (None, 0.0))
        if feature == "glcm_ClusterShade":
            # Its terms are that large.
            floor = max(floor, 1e-13 * (expected.get("glcm_ClusterTendency") or 0.0) ** 1.5)
        relative = apart / abs(wanted) if wanted else math.inf
        # A root of rounding is large only where there is nothing else.
        small = feature not in _ROOTS or abs(wanted) < _SMALL
        found.append(
            Difference(feature, value, wanted, relative, reason if apart <= floor and small else None)
        )
    return sorted(found, key=lambda one: -one.relative)


def _is_nan(value: float | None) -> bool:
    return value is not None and math.isnan(value)
