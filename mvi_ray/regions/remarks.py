"""What is worth a look in an image and its masks: plain values, and a sentence where one is due."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import dist, floor
from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mvi_ray.regions.derive import Region
    from mvi_ray.regions.facts import MaskFacts
    from mvi_ray.volume import Mask, Volume

TINY_VOXELS = 64
"""Below this LIFEx computes no texture (Nioche et al., Cancer Res 78:4786, 2018)."""
CLIPPED_SHARE = 0.5
FEW_LEVELS, MANY_LEVELS = 8, 500
"""Well outside the 30 to 130 levels that PyRadiomics' documentation finds reproducible."""
APART_MM = 20.0
DIAMETER_RATIO = 2.0

_SIDES = (("right", "left"), ("front", "back"), ("foot", "head"))
"""Where the first and the last voxel along x, y and z lie in a canonical (LPS) grid."""

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something worth a look; nothing is left out for it.

    Args:
        kind: short name, the same for every remark of its sort.
        value: what was measured, in the unit that the text names.
        text: what was found, with the value.
        way_out: what to do about it.
    """

    kind: str
    value: float
    text: str
    way_out: str


@dataclass(frozen=True, slots=True)
class Intensities:
    """Intensities inside a mask and the grey levels they will become.

    Args:
        minimum, maximum: inside the mask, in units of the image.
        levels: grey levels of a fixed bin width; predicted on the native grid, before resampling.
    """

    minimum: float
    maximum: float
    levels: int


def tiny(facts: MaskFacts, least_voxels: int = TINY_VOXELS, least_mm3: float = 0.0) -> Remark | None:
    """A tumour of fewer voxels, or less volume, than texture can be measured on."""
    if facts.voxels < least_voxels:
        text = f"tumour has {facts.voxels} voxels, fewer than {least_voxels}"
        return Remark("tiny", facts.voxels, text, "texture of so few voxels means little; check the mask")
    if facts.volume_mm3 < least_mm3:
        text = f"tumour has {facts.volume_mm3:.4g} mm³, less than {least_mm3:g} mm³"
        return Remark("tiny", facts.volume_mm3, text, "texture of so small a tumour means little")
    return None


def border_sides(mask: Mask) -> tuple[str, ...]:
    """Sides of the patient on which a canonical mask reaches the outermost voxel of its grid.

    An axis of a single voxel has no sides.
    """
    found = []
    for span, n, sides in zip(reversed(mask.box), mask.geometry.size, _SIDES, strict=True):
        if n > 1:
            found += [side for side, at in zip(sides, (span.start == 0, span.stop == n), strict=True) if at]
    return tuple(found)


def at_border(mask: Mask) -> Remark | None:
    """A tumour that reaches the edge of the image and may go on beyond it."""
    sides = border_sides(mask)
    if not sides:
        return None
    text = f"tumour touches the border of the image ({', '.join(sides)})"
    return Remark("border", len(sides), text, "its size, shape and ring are those of a part")


def clipped_share(region: Region) -> float:
    """Share of a region's volume that was cut off by organ, intensities and image, 0 to 1."""
    cuts = (region.clipped_organ_mm3, region.clipped_threshold_mm3, region.clipped_image_mm3)
    cut = sum(volume for volume in cuts if volume is not None)
    return cut / (cut + region.facts.volume_mm3)


def mostly_clipped(region: Region, limit: float = CLIPPED_SHARE) -> Remark | None:
    """A derived region of which more than half was cut off."""
    share = clipped_share(region)
    if share <= limit:
        return None
    text = f"region {region.name} lost {share:.0%} of its volume to organ, intensities or image"
    return Remark("clipped", share, text, "what is left may stand for another tissue; check the organ mask")


def intensities(image: Volume, mask: Mask, bin_width: float) -> Intensities:
    """Range inside a mask, and the grey levels that PyRadiomics makes of it with a bin width.

    Bins start at multiples of the width: ⌊max/width⌋ − ⌊min/width⌋ + 1 levels.

    Raises:
        GeometryError: image and mask lie on different grids.
    """
    difference = image.geometry.difference(mask.geometry)
    if difference is not None:
        raise GeometryError(f"image and mask differ: {difference}; draw the mask on this image")
    inside = image.array[mask.array != 0]
    low, high = float(inside.min()), float(inside.max())
    return Intensities(low, high, floor(high / bin_width) - floor(low / bin_width) + 1)


def grey_levels(found: Intensities, few: int = FEW_LEVELS, many: int = MANY_LEVELS) -> Remark | None:
    """A bin width that leaves too few grey levels for texture, or too many for the voxels."""
    if few <= found.levels <= many:
        return None
    span = f"intensities from {found.minimum:.4g} to {found.maximum:.4g}"
    text = f"{span} make {found.levels} grey levels"
    way_out = "lower bin_width" if found.levels < few else "raise bin_width"
    return Remark("grey levels", found.levels, text, f"{way_out}, or check the scale of the image")


def centroid_mm(mask: Mask) -> Point:
    """Mean of the voxel centres inside, in LPS millimetres."""
    box = mask.box
    z, y, x = (
        float(at) + span.start
        for at, span in zip(np.argwhere(mask.array[box]).mean(axis=0), box, strict=True)
    )
    return mask.geometry.point((x, y, z))


def apart(centroids: Mapping[str, Point], limit_mm: float = APART_MM) -> Remark | None:
    """One lesion whose middle lies at different places in two phases, farther apart than a limit.

    Args:
        centroids: phase to `centroid_mm`.
        limit_mm: distance up to which nothing is said.
    """
    pairs = [(dist(centroids[a], centroids[b]), a, b) for a, b in combinations(centroids, 2)]
    if not pairs or max(pairs)[0] <= limit_mm:
        return None
    distance, first, second = max(pairs)
    text = f"the tumour lies {distance:.0f} mm apart in {first} and {second}"
    return Remark("apart", distance, text, "check that both masks show the same lesion of one patient")


def diameters_differ(mask_mm: float, clinical_mm: float, ratio: float = DIAMETER_RATIO) -> Remark | None:
    """A clinical diameter that the mask's largest diameter does not bear out.

    Args:
        mask_mm: `MaskFacts.largest_diameter_mm`.
        clinical_mm: what the clinical table says.
        ratio: how many times larger the one may be than the other.
    """
    if mask_mm <= 0 or clinical_mm <= 0 or max(mask_mm / clinical_mm, clinical_mm / mask_mm) <= ratio:
        return None
    text = f"diameter is {clinical_mm:.4g} mm in the clinical table and {mask_mm:.4g} mm in the mask"
    # Ten times with as much play as is allowed to the diameters themselves.
    if 10 / ratio <= mask_mm / clinical_mm <= 10 * ratio:
        return Remark("diameter", mask_mm / clinical_mm, text, "is the clinical one in centimetres?")
    return Remark("diameter", mask_mm / clinical_mm, text, "are two patients or lesions swapped?")
