"""What is worth a look before features are extracted."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import dist
from typing import TYPE_CHECKING

from mvi_ray.report.text import count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mvi_ray.report.quality.tile import Reading, Tile

TINY_VOXELS = 64
"""A cube of four voxels: below it texture has hardly any pairs of neighbours to count."""
FEW_SLICES = 3
"""On fewer slices a tumour has next to no shape in the third direction."""
CLIPPED = 0.5
"""Share of a derived region that was cut off."""
FEW_LEVELS, MANY_LEVELS = 16, 128
"""Order of numbers of grey levels that the example settings of PyRadiomics aim at."""
APART_MM = 20.0
"""Distance between the centroids of one lesion in two phases; breathing moves a liver by about as much."""
THICK_MM = 5.0
"""Millimetres from slice to slice."""

KINDS = {
    "no-image": "Image missing",
    "no-mask": "No tumour drawn",
    "unreadable": "Stored file unreadable",
    "stale": "Mask drawn on an image that was replaced",
    "tiny": "Tiny tumour",
    "few-slices": "Tumour on few slices",
    "border": "Tumour at the border of the image",
    "clipped": "Ring mostly clipped",
    "levels": "Few or many grey levels",
    "apart": "Phases misregistered",
    "resampled": "Mask resampled",
    "thick": "Slices thick",
}
"""Short name of each kind of warning to its title, in the order of the page."""

_MISSING = {
    "image": ("no-image", "no image"),
    "mask": ("no-mask", "no tumour drawn"),
    "file": ("unreadable", "no picture"),
}


@dataclass(frozen=True, slots=True)
class QualityWarning:
    """One thing that is worth a look; it does not stop anything.

    Args:
        kind: a key of `KINDS`.
        patient_id, session, phase, lesion: whose.
        text: what was found, with the value.
    """

    kind: str
    patient_id: str
    session: str
    phase: str
    lesion: str
    text: str


def find_warnings(tiles: Sequence[Tile]) -> list[QualityWarning]:
    """Every warning about the tiles, in their order and in that of `KINDS`."""
    found = [QualityWarning(kind, *tile.key, text) for tile in tiles for kind, text in _of_tile(tile)]
    found += _apart(tiles)
    order = {tile.key: n for n, tile in enumerate(tiles)}
    kinds = list(KINDS)
    return sorted(
        found, key=lambda w: (order[w.patient_id, w.session, w.phase, w.lesion], kinds.index(w.kind))
    )


def _of_tile(tile: Tile) -> Iterator[tuple[str, str]]:
    if tile.missing:
        kind, text = _MISSING[tile.missing]
        yield kind, f"{text}: {tile.problem}" if tile.problem else text
    for reader in tile.stale:
        yield "stale", f"{reader} drew on an image that was replaced since"
    several = len(tile.readings) > 1
    for reading in tile.readings:
        who = f"{reading.reader}: " if several else ""
        for kind, text in _of_reading(reading):
            yield kind, who + text
    if tile.drawn is not None and tile.drawn.step_mm > THICK_MM:
        yield "thick", f"slices {tile.drawn.step_mm:.3g} mm apart"


def _of_reading(reading: Reading) -> Iterator[tuple[str, str]]:
    if reading.voxels is not None and reading.voxels < TINY_VOXELS:
        yield "tiny", f"tumour of {count(reading.voxels, 'voxel')}"
    inside = reading.inside
    if inside is not None and inside.slices < FEW_SLICES:
        yield "few-slices", f"tumour on {count(inside.slices, 'slice')}"
    if inside is not None and inside.at_border:
        yield "border", "tumour at the border of the image"
    for region, share in (reading.clipped or {}).items():
        if share > CLIPPED:
            yield "clipped", f"{percent(share)} of {region} cut off"
    levels = reading.levels
    if levels is not None and not reading.fixed_levels and not FEW_LEVELS <= levels <= MANY_LEVELS:
        yield "levels", count(levels, "grey level")
    if reading.resampled:
        yield "resampled", "mask resampled onto the image"


def _apart(tiles: Iterable[Tile]) -> Iterator[QualityWarning]:
    """Phases in which one lesion lies elsewhere, by the mask of the picture's reader."""
    lesions: dict[tuple[str, str, str, str], list[Tile]] = {}
    for tile in tiles:
        if tile.readings and tile.readings[0].inside is not None:
            place = (tile.patient_id, tile.session, tile.lesion, tile.readings[0].reader)
            lesions.setdefault(place, []).append(tile)
    for phases in lesions.values():
        for one, other in combinations(phases, 2):
            a, b = one.readings[0].inside, other.readings[0].inside
            if a is None or b is None:
                continue
            apart = dist(a.centroid_mm, b.centroid_mm)
            if apart > APART_MM:
                for here, there in ((one, other), (other, one)):
                    yield QualityWarning(
                        "apart", *here.key, f"centroid {apart:.0f} mm from that in {there.phase}"
                    )
