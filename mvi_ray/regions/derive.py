"""Every region of a study from one drawn mask: the only place where regions are made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import CaseError, GeometryError, MaskError
from mvi_ray.regions.combine import combine
from mvi_ray.regions.facts import MaskFacts, mask_facts
from mvi_ray.regions.ring import ring_around
from mvi_ray.study import DRAWN, ByHand, Ring, derivation_order
from mvi_ray.volume import Mask

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mvi_ray.regions.clip import ClippedMask
    from mvi_ray.study import Definition
    from mvi_ray.volume import Volume

GIVEN = '{"kind":"drawn"}'
"""Definition of a region that was a file of its own: nothing was derived."""


@dataclass(frozen=True, slots=True)
class Region:
    """A named mask with its size and what was cut off it.

    Args:
        name: region of the study.
        mask: voxels, on the grid of the drawn mask.
        facts: its size.
        definition: how it was made, as JSON with sorted keys; None for the drawn mask.
        clipped_organ_mm3: volume cut off outside the organ; None when nothing was to clip.
        clipped_image_mm3: volume that would lie beyond the image; None where none can.
        clipped_threshold_mm3: volume cut off outside the intensities; None without a threshold.
    """

    name: str
    mask: Mask
    facts: MaskFacts
    definition: str | None = None
    clipped_organ_mm3: float | None = None
    clipped_image_mm3: float | None = None
    clipped_threshold_mm3: float | None = None

    @property
    def is_given(self) -> bool:
        """Whether it was a file of its own."""
        return self.definition == GIVEN


def definition_text(name: str, definitions: Mapping[str, Definition], given: Collection[str] = ()) -> str:
    """How a region is made, as JSON: equal texts make equal regions.

    A region that another is made from stands in the text with its own definition, so that a
    change of the one is a change of the other.

    Args:
        name: a region of ``definitions``.
        definitions: of this region and of those that it is made from.
        given: regions that are files of their own in this case.
    """
    return json.dumps(_content(name, definitions, given), sort_keys=True, separators=(",", ":"))


def _content(name: str, definitions: Mapping[str, Definition], given: Collection[str]) -> Any:
    if name == DRAWN:
        return name
    if name in given:
        return json.loads(GIVEN)
    definition = definitions[name]
    content = definition.model_dump(mode="json")
    if definition.sources:
        sources = [_content(source, definitions, given) for source in definition.sources]
        content["of"] = sources[0] if isinstance(definition, Ring) else sources
    return content


def derive_regions(
    drawn: Mask,
    definitions: Mapping[str, Definition],
    organ: Mask | None = None,
    image: Volume | None = None,
    given: Mapping[str, Mask] | None = None,
    refused: Collection[str] = (),
    without_organ: CaseError | None = None,
) -> tuple[list[Region], dict[str, CaseError]]:
    """Make the regions of one drawn mask.

    Args:
        drawn: mask of the tumour on the native grid.
        definitions: region name to definition; with those of all regions that these are made from.
        organ: mask on the same grid, for definitions that clip to it.
        image: intensities on the same grid, for definitions with a threshold.
        given: regions that are files of their own in this case, on the same grid: they are taken
            as they are, whatever the definition says.
        refused: regions whose own file could not be used: nothing else takes their place, and nothing
            is made from them; the caller tells why.
        without_organ: why the organ's file cannot be used: regions that are cut to it fail with that
            reason, for uncut they would be other regions.

    Returns:
        The regions in the order of the definitions, and the error of each that could not be
        made: one empty ring must not cost its siblings.
    """
    given = given or {}
    made: dict[str, Region] = {}
    # What others are made from lies on the grid of the drawn mask to the last bit.
    masks = {DRAWN: drawn}
    failed: dict[str, CaseError] = {
        name: MaskError(
            f"the study has no region {name!r}; add it under regions: {{{name}: {{kind: drawn}}}}"
        )
        for name in given
        if name not in definitions
    }
    for name in derivation_order(definitions):
        if name in refused:
            continue
        try:
            if name in given:
                masks[name] = _on_grid(given[name], drawn)
                made[name] = Region(name, given[name], mask_facts(given[name]), GIVEN)
                continue
            if without_organ is not None and is_cut_to_organ(definitions[name]):
                raise without_organ
            cut = _derive(name, definitions[name], masks, organ, image)
        except CaseError as error:
            failed[name] = error
            continue
        masks[name] = cut.mask
        made[name] = Region(
            name,
            cut.mask,
            mask_facts(cut.mask),
            definition_text(name, definitions, given),
            cut.clipped_organ_mm3,
            cut.clipped_image_mm3,
            cut.clipped_threshold_mm3,
        )
    return [made[name] for name in definitions if name in made], failed


def is_cut_to_organ(definition: Definition) -> bool:
    """Whether a definition cuts to the organ mask."""
    return not isinstance(definition, ByHand) and definition.to_organ


def _derive(
    name: str, definition: Definition, masks: Mapping[str, Mask], organ: Mask | None, image: Volume | None
) -> ClippedMask:
    if isinstance(definition, ByHand):
        raise MaskError(f"region {name} is drawn by hand, and this case has no file of it; add its row")
    for source in definition.sources:
        if source not in masks:
            raise MaskError(f"region {source}, which it is made from, could not be made; see its own problem")
    if isinstance(definition, Ring):
        return ring_around(masks[definition.of], definition, organ, image)
    return combine([masks[source] for source in definition.of], definition, organ, image)


def _on_grid(mask: Mask, drawn: Mask) -> Mask:
    difference = drawn.geometry.difference(mask.geometry)
    if difference is not None:
        raise GeometryError(
            f"the region's file and the drawn mask differ: {difference}; draw both on the same image"
        )
    return Mask(mask.array, drawn.geometry, drawn.reorientation)
