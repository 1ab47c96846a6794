"""What the quality page is to show: every lesion on every image, from the rows of the store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from mvi_ray.report.quality.drawing import VERSION
from mvi_ray.report.quality.tile import Reading, Tile
from mvi_ray.study import DRAWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mvi_ray.study import Study

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """A lesion on an image: rows of the store.

    Args:
        tile: what is known without looking at voxels.
        image: of the table images.
        drawn: rows of masks, one for each reader, that of the picture first.
        regions: derived from the first of them.
    """

    tile: Tile
    image: Row | None
    drawn: tuple[Row, ...]
    regions: tuple[Row, ...]

    @property
    def name(self) -> str | None:
        """Name of its picture: a hash of everything that it shows; None without an image."""
        if self.image is None:
            return None
        masks = [[r["mask_digest"] for r in rows] for rows in (self.drawn, self.regions)]
        organ = self.drawn[0]["organ_digest"] if self.drawn else None
        content = repr((VERSION, self.image["image_digest"], masks, organ))
        return hashlib.sha256(content.encode()).hexdigest()[:32]


def find_cases(
    study: Study, images: Sequence[Row], masks: Sequence[Row], quarantine: Sequence[Row]
) -> list[Case]:
    """Every lesion on every image, and every image that a patient lacks, in the order of the page.

    Args:
        study: which phases there are, and whose masks come first.
        images: rows of this table.
        masks: of this one, stale ones as well.
        quarantine: of this one: why something is missing.
    """
    reasons = _reasons(quarantine)
    by_image = {(r["patient_id"], r["session"], r["phase"]): r for r in images}
    drawn: dict[tuple[str, str, str, str], list[Row]] = {}
    derived: dict[tuple[str, str, str, str, str], list[Row]] = {}
    for row in masks:
        key = (row["patient_id"], row["session"], row["phase"], row["lesion"])
        if row["region"] == DRAWN:
            drawn.setdefault(key, []).append(row)
        else:
            derived.setdefault((*key, row["reader"]), []).append(row)
    places = list(study.phases)
    places += sorted({phase for _, _, phase in by_image} - set(places))
    lesions: dict[tuple[str, str], set[str]] = {}
    for patient, session, _ in by_image:
        lesions.setdefault((patient, session), set())
    for patient, session, _, lesion in drawn:
        lesions.setdefault((patient, session), set()).add(lesion)
    found = []
    for patient, session in sorted(lesions):
        for lesion in sorted(lesions[patient, session] or {"1"}):
            for phase in places:
                key = (patient, session, phase, lesion)
                image = by_image.get(key[:3])
                if image is None and phase not in study.phases:
                    continue
                readings = sorted(drawn.get(key, ()), key=lambda r: _first(r["reader"], study))
                rows = {r["reader"]: derived.get((*key, r["reader"]), []) for r in readings}
                found.append(_case(key, image, readings, rows, reasons))
    return found


def _first(reader: str, study: Study) -> tuple[bool, str]:
    return reader != study.readers.model, reader


def _case(
    key: tuple[str, str, str, str],
    image: Row | None,
    readings: Sequence[Row],
    derived: Mapping[str, Sequence[Row]],
    reasons: Mapping[tuple[str, ...], str],
) -> Case:
    # As in the views: a mask counts only with the image that it was drawn on.
    current = [r for r in readings if image is not None and r["image_digest"] == image["image_digest"]]
    regions = sorted(derived[current[0]["reader"]], key=lambda r: str(r["region"])) if current else []
    missing = "image" if image is None else "" if current else "mask"
    tile = Tile(
        *key,
        readings=tuple(_reading(row, derived[row["reader"]]) for row in current),
        regions=tuple(r["region"] for r in regions),
        organ=bool(current) and current[0]["organ_path"] is not None,
        problem=reasons.get(key, reasons.get(key[:3], "")) if missing else "",
        missing=missing,
        stale=tuple(r["reader"] for r in readings if r not in current),
    )
    return Case(tile, image, tuple(current), tuple(regions))


def _reading(row: Row, derived: Sequence[Row]) -> Reading:
    return Reading(
        row["reader"],
        row["voxels"],
        row["volume_mm3"],
        row["largest_diameter_mm"],
        {r["region"]: share for r in derived if (share := _clipped(r)) is not None},
        resampled=row["resampled_from"] is not None,
        carried=_carried(row),
    )


def _carried(row: Row) -> str:
    """Where a mask was taken from, and how far it was moved."""
    if row["carried_from"] is None:
        return ""
    moved = [row[f"shift_{axis}_mm"] for axis in "xyz"]
    shift = sqrt(sum(value**2 for value in moved if value is not None))
    if not shift and not row["rotation_deg"]:
        return f"drawn on {row['carried_from']}"
    return f"drawn on {row['carried_from']}, shifted by {shift:.1f} mm, turned by {row['rotation_deg']:.1f}°"


def _clipped(row: Row) -> float | None:
    """Share of a derived region that was cut off; None where nothing is recorded."""
    names = ("clipped_organ_mm3", "clipped_image_mm3", "clipped_threshold_mm3")
    cut = [row[name] for name in names if row[name] is not None]
    if not cut or row["volume_mm3"] is None:
        return None
    whole = sum(cut) + row["volume_mm3"]
    return float(sum(cut) / whole) if whole else None


def _reasons(quarantine: Sequence[Row]) -> dict[tuple[str, ...], str]:
    """Why an image or a mask was left out at ingest: by lesion, and by image where it is all of it."""
    found: dict[tuple[str, ...], str] = {}
    for row in quarantine:
        if row["stage"] == "ingest" and row["reason"]:
            key = (row["patient_id"], row["session"], row["phase"])
            if row["region"] == DRAWN:
                found.setdefault((*key, row["lesion"]), row["reason"])
            found.setdefault(key, row["reason"])
    return found
