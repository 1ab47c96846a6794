"""First-order statistics of the intensities in one VOI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_EPS = np.spacing(1)


def first_order_features(
    intensities: NDArray[Any], counts: NDArray[np.int64], voxel_mm3: float, settings: Mapping[str, Any]
) -> dict[str, float]:
    """Of the VOI's voxels; NaN is left out, but for the counts of levels.

    Args:
        intensities: in any order.
        counts: voxels of each grey level that occurs.
        voxel_mm3: volume of a voxel.
        settings: of PyRadiomics; `voxelArrayShift`.
    """
    values = np.sort(intensities[~np.isnan(intensities)]).astype(np.float64)
    p = counts / counts.sum()
    shifted = values + settings.get("voxelArrayShift", 0)
    energy = float(np.sum(shifted * shifted))
    p10, p25, median, p75, p90 = np.percentile(values, (10, 25, 50, 75, 90)).tolist()
    mean = values.mean()
    away = values - mean
    square = away * away
    m2, m3, m4 = square.mean(), (square * away).mean(), (square * square).mean()
    low, high = np.searchsorted(values, p10, "left"), np.searchsorted(values, p90, "right")
    robust = values[low:high]
    return {
        "Energy": energy,
        "TotalEnergy": energy * voxel_mm3,
        "Entropy": float(-np.sum(p * np.log2(p + _EPS))),
        "Minimum": float(values[0]),
        "10Percentile": p10,
        "90Percentile": p90,
        "Maximum": float(values[-1]),
        "Mean": float(mean),
        "Median": median,
        "InterquartileRange": p75 - p25,
        "Range": float(values[-1] - values[0]),
        "MeanAbsoluteDeviation": float(np.abs(away).mean()),
        "RobustMeanAbsoluteDeviation": float(np.abs(robust - robust.mean()).mean()),
        "RootMeanSquared": float(np.sqrt(energy / values.size)),
        "Skewness": float(m3 / m2**1.5) if m2 else 0.0,
        "Kurtosis": float(m4 / m2**2) if m2 else 0.0,
        "Variance": float(m2),
        "Uniformity": float(np.sum(p * p)),
    }
