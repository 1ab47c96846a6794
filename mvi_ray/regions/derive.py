"""Every region of a study from one drawn mask: the only place where regions are made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvi_ray.errors import MaskError
from mvi_ray.regions.facts import MaskFacts, mask_facts
from mvi_ray.regions.ring import ring_around

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mvi_ray.study import Ring
    from mvi_ray.volume import Mask


@dataclass(frozen=True, slots=True)
class Region:
    """A named mask with its size and what was cut off it.

    Args:
        name: region of the study.
        mask: voxels, on the grid of the drawn mask.
        facts: its size.
        definition: how it was made, as JSON with sorted keys; None for the drawn mask.
        clipped_organ_mm3: volume cut off outside the organ; None when nothing was to clip.
        clipped_image_mm3: volume that would lie beyond the image; None for the drawn mask.
    """

    name: str
    mask: Mask
    facts: MaskFacts
    definition: str | None = None
    clipped_organ_mm3: float | None = None
    clipped_image_mm3: float | None = None


def definition_text(ring: Ring) -> str:
    """A ring's definition as JSON: equal texts make equal regions."""
    return json.dumps(ring.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def derive_regions(
    drawn: Mask, rings: Mapping[str, Ring], organ: Mask | None = None
) -> tuple[list[Region], dict[str, MaskError]]:
    """Make the derived regions of one drawn mask.

    Args:
        drawn: mask of the tumour on the native grid.
        rings: region name to definition.
        organ: mask on the same grid, for definitions that clip to it.

    Returns:
        The regions, and the error of each that could not be made: one empty ring must not
        cost its siblings.
    """
    made: list[Region] = []
    failed: dict[str, MaskError] = {}
    for name, ring in rings.items():
        try:
            clipped = ring_around(drawn, ring, organ)
        except MaskError as error:
            failed[name] = error
            continue
        made.append(
            Region(
                name,
                clipped.mask,
                mask_facts(clipped.mask),
                definition_text(ring),
                clipped.clipped_organ_mm3,
                clipped.clipped_image_mm3,
            )
        )
    return made, failed
