"""What would end a process inside C code, or fill its memory, refused before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from mvi_ray.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def check_mask(inside: Any, settings: Mapping[str, Any]) -> None:
    """Refuse a mask, boolean [z, y, x], that is empty, one voxel or a line."""
    spacing = settings.get("resampledPixelSpacing")
    after = "" if spacing is None else f" after resampling to {_millimetres(spacing)}"
    way_out = "check the label" if spacing is None else "lower `spacing_mm` or check the label"
    count = int(np.count_nonzero(inside))
    if count == 0:
        msg = f"mask is empty{after}; {way_out}"
        raise ExtractionError(msg)
    extent = [int(np.ptp(axis)) + 1 for axis in np.nonzero(inside)][::-1]
    if sum(n > 1 for n in extent) < 2:
        size = " × ".join(str(n) for n in extent)
        what = "one voxel" if count == 1 else f"a line of {size} voxels (x, y, z)"
        msg = f"mask is {what}{after}, features need at least a surface; {way_out}"
        raise ExtractionError(msg)


def check_grey_levels(intensities: Any, image_type: str, settings: Mapping[str, Any], most: int) -> None:
    """Refuse a discretisation whose matrices would exhaust the memory."""
    # NaN is passed over by both engines, unless all are.
    low, high = float(np.nanmin(intensities)), float(np.nanmax(intensities))
    if settings.get("binCount") is not None:
        levels, way_out = settings["binCount"], "lower `bin_count`"
    elif not (math.isfinite(low) and math.isfinite(high)):
        return  # the engine itself refuses these before its C code
    else:
        width = settings.get("binWidth", 25)  # PyRadiomics' default
        levels = math.floor(high / width) - math.floor(low / width) + 1
        way_out = f"give a `bin_width` larger than {width:g}"
    if levels > most:
        msg = (
            f"image {image_type} has {levels:,} grey levels in the VOI "
            f"({low:.6g} to {high:.6g}), more than {most:,}; {way_out}"
        )
        raise ExtractionError(msg)


def _millimetres(spacing: Collection[float]) -> str:
    sides = [f"{side:g}" for side in spacing]
    return f"{sides[0]} mm" if len(set(sides)) == 1 else f"{' × '.join(sides)} mm"
