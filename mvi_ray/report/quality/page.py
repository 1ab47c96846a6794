"""The ingest quality page as HTML: pictures in a folder or in the page, nothing from outside."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from math import floor, log10
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from mvi_ray.report.quality.histogram import Histogram, level_histogram, volume_histogram
from mvi_ray.report.quality.outline import STYLES
from mvi_ray.report.quality.picture import SIDE, WINDOW
from mvi_ray.report.quality.warnings import (
    APART_MM,
    CLIPPED,
    FEW_LEVELS,
    FEW_SLICES,
    KINDS,
    MANY_LEVELS,
    THICK_MM,
    TINY_VOXELS,
    QualityWarning,
)
from mvi_ray.report.text import MISSING, count, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from mvi_ray.report.quality.tile import Tile


@dataclass(frozen=True, slots=True)
class QualitySummary:
    """Everything that the page says.

    Args:
        study: name of the study.
        created: when it was made, in UTC.
        synthetic: the images were made by a program.
        phases: in the order of the study.
        tiles: sorted by patient, session, lesion and phase.
        centres: patient to centre.
        warnings: as `find_warnings` gives them.
        binning: discretisation of each phase in words; empty without texture.
        images, masks: stored, derived regions included.
        sources: file name of a picture to the address that the page shows it from.
    """

    study: str
    created: datetime
    synthetic: bool
    phases: tuple[str, ...]
    tiles: tuple[Tile, ...]
    centres: Mapping[str, str | None]
    warnings: tuple[QualityWarning, ...]
    binning: Mapping[str, str]
    images: int
    masks: int
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Row:
    """The tiles of one lesion in one session, in the order of the phases."""

    title: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class _Patient:
    patient_id: str
    centre: str
    rows: tuple[_Row, ...]
    warnings: int


def quality_page(summary: QualitySummary) -> str:
    """The page as text; the same summary gives the same text."""
    environment = Environment(
        loader=PackageLoader("mvi_ray.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number, span=span, millilitres=millilitres, percent=percent, count=count
    )
    warned: dict[tuple[str, str, str, str], list[QualityWarning]] = {}
    for warning in summary.warnings:
        key = (warning.patient_id, warning.session, warning.phase, warning.lesion)
        warned.setdefault(key, []).append(warning)
    return environment.get_template("quality.html").render(
        page=summary,
        created=f"{summary.created:%d %B %Y, %H:%M} UTC",
        patients=_patients(summary, warned),
        warned=warned,
        kinds=_kinds(summary.warnings),
        kind_titles=KINDS,
        centres=sorted({c for c in summary.centres.values() if c}),
        readers=sorted({r.reader for tile in summary.tiles for r in tile.readings}),
        regions=sorted({region for tile in summary.tiles for region in tile.regions}),
        organ=any(tile.organ for tile in summary.tiles),
        levels=_levels(summary),
        volumes=_volumes(summary.tiles),
        styles=STYLES,
        side=SIDE,
        window=WINDOW,
        missing=MISSING,
        rules={
            "tiny": TINY_VOXELS,
            "slices": FEW_SLICES,
            "clipped": CLIPPED,
            "few": FEW_LEVELS,
            "many": MANY_LEVELS,
            "apart": APART_MM,
            "thick": THICK_MM,
        },
    )


def number(value: float | None) -> str:
    """Three significant digits, whole numbers in full."""
    if value is None:
        return MISSING
    short = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return short.replace("-", "−")


def span(ends: tuple[float, float]) -> str:
    """Two numbers from low to high, with as many decimals as their distance is worth."""
    low, high = ends
    scale = high - low or abs(high) or 1.0
    whole = low.is_integer() and high.is_integer()
    digits = 0 if whole else min(max(1 - floor(log10(scale / 2)), 0), 9)
    texts = [f"{value:,.{digits}f}" for value in ends]
    return (" to " if low < 0 else "–").join(texts).replace("-", "−")


def millilitres(volume_mm3: float | None) -> str:
    """A volume without its unit."""
    return number(None if volume_mm3 is None else volume_mm3 / 1000)


def _patients(
    summary: QualitySummary, warned: Mapping[tuple[str, str, str, str], Sequence[QualityWarning]]
) -> list[_Patient]:
    found = []
    for patient, tiles in groupby(summary.tiles, key=lambda tile: tile.patient_id):
        own = list(tiles)
        rows = tuple(_rows(own))
        number_of = sum(len(warned.get(tile.key, ())) for tile in own)
        found.append(_Patient(patient, summary.centres.get(patient) or "", rows, number_of))
    return found


def _rows(tiles: Sequence[Tile]) -> Iterable[_Row]:
    """One row for each session and lesion; what distinguishes them is said."""
    sessions, lesions = ({getattr(tile, name) for tile in tiles} for name in ("session", "lesion"))
    for (session, lesion), row in groupby(tiles, key=lambda tile: (tile.session, tile.lesion)):
        said = [session] if len(sessions) > 1 or session != "baseline" else []
        said += [f"lesion {lesion}"] if len(lesions) > 1 or lesion != "1" else []
        yield _Row(", ".join(said), tuple(row))


def _kinds(warnings: Iterable[QualityWarning]) -> list[tuple[str, str, int, int]]:
    """Name, title, number of warnings and of patients of each kind that there is."""
    found = Counter(w.kind for w in warnings)
    patients = Counter(kind for kind, _ in {(w.kind, w.patient_id) for w in warnings})
    return [(kind, title, found[kind], patients[kind]) for kind, title in KINDS.items() if found[kind]]


def _levels(summary: QualitySummary) -> list[Histogram]:
    """Predicted grey levels of each phase, over all readers; none where the study says their number."""
    found: dict[str, list[int]] = {phase: [] for phase in summary.phases}
    for tile in summary.tiles:
        for reading in tile.readings:
            if reading.levels is not None and not reading.fixed_levels:
                found.setdefault(tile.phase, []).append(reading.levels)
    return [level_histogram(phase, levels) for phase, levels in found.items() if levels]


def _volumes(tiles: Iterable[Tile]) -> Histogram:
    volumes = [r.volume_mm3 for tile in tiles for r in tile.readings if r.volume_mm3 is not None]
    return volume_histogram("All phases", volumes)
