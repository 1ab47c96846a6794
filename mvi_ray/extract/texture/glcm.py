"""Grey level co-occurrence matrix: features of the pairs of levels in neighbouring voxels.

Names and definitions are PyRadiomics', whose sums run over dense matrices of all levels; here they
run over the pairs that occur, and over sums and differences of two levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mvi_ray.extract.compiled import compiled
from mvi_ray.extract.texture.correlation import second_eigenvalue
from mvi_ray.extract.texture.pairs import counted_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mvi_ray.extract.texture.levels import Levels
    from mvi_ray.extract.texture.pairs import Pairs

NAMES = (
    "Autocorrelation",
    "JointAverage",
    "ClusterProminence",
    "ClusterShade",
    "ClusterTendency",
    "Contrast",
    "Correlation",
    "DifferenceAverage",
    "DifferenceEntropy",
    "DifferenceVariance",
    "JointEnergy",
    "JointEntropy",
    "Imc1",
    "Imc2",
    "Idm",
    "MCC",
    "Idmn",
    "Id",
    "Idn",
    "InverseVariance",
    "MaximumProbability",
    "SumAverage",
    "SumEntropy",
    "SumSquares",
)
_EPS = np.spacing(1)
_NOTHING = 1e-13


def glcm_features(levels: Levels) -> dict[str, float]:
    """Mean over directions of each feature of the symmetrical matrix at distance 1; NaN without a pair."""
    grey = levels.grey
    found = [{**_features(pairs, grey), "MCC": _mcc(pairs)} for pairs in counted_pairs(levels)]
    means = {name: _mean([one[name] for one in found]) for name in NAMES}
    # By definition of PyRadiomics, also without a pair.
    return {**means, "MCC": 1.0} if grey.size < 2 else means


def _mean(values: list[float]) -> float:
    """Without those that are not defined."""
    defined = [value for value in values if value == value]  # noqa: PLR0124 - not NaN
    return sum(defined) / len(defined) if defined else np.nan


def _mcc(pairs: Pairs) -> float:
    return float(np.sqrt(second_eigenvalue(pairs)))


def _features(pairs: Pairs, grey: NDArray[np.int64]) -> dict[str, float]:
    """All but MCC, of one direction."""
    px, of_sum, of_difference = _marginals(pairs.first, pairs.second, pairs.often, grey)
    joint = _Joint(*_over_pairs(pairs.first, pairs.second, pairs.often, grey, px))
    names = "ClusterTendency", "ClusterShade", "ClusterProminence", "SumAverage", "SumEntropy"
    found = dict(zip(names, _over_sums(of_sum, joint.mean), strict=True))
    names_of_differences = (
        *("Contrast", "DifferenceAverage", "DifferenceEntropy", "DifferenceVariance"),
        *("Idm", "Idmn", "Id", "Idn", "InverseVariance"),
    )
    found |= zip(names_of_differences, _over_differences(of_difference), strict=True)
    sigma = np.sqrt(joint.variance) * np.sqrt(joint.variance)
    hxy1, hxy2 = joint.entropy_1, joint.entropy_2
    return found | {
        "Autocorrelation": joint.product,
        "JointAverage": joint.mean,
        "Correlation": 1.0 if sigma == 0 else joint.covariance / (sigma + _EPS),
        "JointEnergy": joint.energy,
        "JointEntropy": joint.entropy,
        "Imc1": (joint.entropy - hxy1) / joint.entropy_x if joint.entropy_x else 0.0,
        "Imc2": _root(1 - np.exp(-2 * (hxy2 - joint.entropy))),
        "MaximumProbability": joint.most,
        "SumSquares": joint.variance,
    }


def _root(value: float) -> float:
    """Of a difference; what is rounding counts as 0, where PyRadiomics' is 0, a root of it, or NaN."""
    return float(np.sqrt(value)) if value > _NOTHING else 0.0


class _Joint(NamedTuple):
    """Sums over pairs: moments of the two levels; entropies (HX, HXY1, HXY2 of Haralick et al., 1973)."""

    mean: float
    variance: float
    product: float
    covariance: float
    energy: float
    most: float
    entropy: float
    entropy_x: float
    entropy_1: float
    entropy_2: float


@compiled
def _marginals(
    first: NDArray[np.int64], second: NDArray[np.int64], often: NDArray[np.int64], grey: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities of each level, of each sum and of each difference of two."""
    px = np.zeros(grey.size)
    of_sum = np.zeros(2 * grey[-1] + 1)
    of_difference = np.zeros(grey[-1])
    total = often.sum()
    for k in range(often.size):
        i, j = first[k], second[k]
        px[i] += often[k]
        px[j] += often[k]
        of_sum[grey[i] + grey[j]] += often[k]
        of_difference[grey[j] - grey[i]] += often[k]
    return px / (2 * total), of_sum / total, of_difference / total


@compiled
def _over_pairs(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    often: NDArray[np.int64],
    grey: NDArray[np.int64],
    px: NDArray[np.float64],
) -> tuple[float, ...]:
    mean = 0.0
    for i in range(grey.size):
        mean += px[i] * grey[i]
    variance = entropy_x = alone = 0.0
    used = 0
    for i in range(grey.size):
        variance += px[i] * (grey[i] - mean) ** 2
        if px[i] > 0:
            used += 1
            entropy_x -= px[i] * np.log2(px[i] + _EPS)
            alone -= px[i] * np.log2(px[i])
    both = 2 * often.sum()
    product = covariance = energy = most = entropy = beyond = 0.0
    for k in range(often.size):
        i, j = first[k], second[k]
        # Each of two different levels is once the first.
        twice = 1.0 if i == j else 2.0
        p = 2.0 / twice * often[k] / both
        most = max(most, p)
        product += twice * p * (grey[i] * grey[j])
        covariance += twice * p * ((grey[i] - mean) * (grey[j] - mean))
        energy += twice * p * p
        entropy -= twice * p * np.log2(p + _EPS)
        ratio = _EPS / (px[i] * px[j])
        beyond += twice * p * (np.log1p(ratio) if ratio > 1e-8 else ratio)
    # log2(px py + eps) is log2 px + log2 py + log2(1 + eps / (px py)), and sums of p and of px py over
    # either axis are px: no sum over all pairs of levels is needed.
    entropy_1 = entropy_2 = entropy
    if used > 1:
        entropy_1 = 2 * alone - beyond / np.log(2.0)
        entropy_2 = 2 * alone - used * used * _EPS / np.log(2.0)
    return (
        mean, variance, product, covariance, energy, most, entropy, entropy_x, entropy_1, entropy_2
    )  # fmt: skip


@compiled
def _over_sums(of_sum: NDArray[np.float64], mean: float) -> tuple[float, ...]:
    tendency = shade = prominence = average = entropy = 0.0
    for k in range(of_sum.size):
        p = of_sum[k]
        if p > 0:
            away = k - 2 * mean
            square = away * away
            tendency += p * square
            shade += p * square * away
            prominence += p * square * square
            average += p * k
            entropy -= p * np.log2(p + _EPS)
    return tendency, shade, prominence, average, entropy


@compiled
def _over_differences(of_difference: NDArray[np.float64]) -> tuple[float, ...]:
    highest = of_difference.size
    contrast = average = entropy = variance = 0.0
    idm = idmn = inverse = idn = inverse_variance = 0.0
    for k in range(highest):
        p = of_difference[k]
        if p > 0:
            square = float(k) * k
            contrast += p * square
            average += p * k
            entropy -= p * np.log2(p + _EPS)
            idm += p / (1 + square)
            idmn += p / (1 + square / (float(highest) * highest))
            inverse += p / (1 + k)
            idn += p / (1 + k / highest)
            if k:
                inverse_variance += p / square
    for k in range(highest):
        variance += of_difference[k] * (k - average) ** 2
    return contrast, average, entropy, variance, idm, idmn, inverse, idn, inverse_variance
