"""The plan: what the study wants minus what the store has, as units of one image and family."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from importlib.resources import files
from math import prod
from typing import TYPE_CHECKING, Any, Literal

from mvi_ray.cluster.unit import Unit, Voi
from mvi_ray.store.volumes import StoredVolume

if TYPE_CHECKING:
    from collections.abc import Collection

    from mvi_ray.project.project import Project
    from mvi_ray.store.declarations import Declarations
    from mvi_ray.study import Study

VOI_KEY = ("patient_id", "session", "phase", "lesion", "region", "reader")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be computed.

    Args:
        units: by family; one image each.
        quarantined: VOIs not tried again, because they failed with the same input and settings.
        solved: keys of earlier failures that nothing is missing for any more, because the study
            or the masks changed.
    """

    units: dict[Literal["CR", "DLR"], list[Unit]]
    quarantined: int
    solved: tuple[dict[str, str], ...] = ()

    @property
    def vois(self) -> int:
        """Number of VOIs, counted once for each family."""
        return sum(len(unit.vois) for units in self.units.values() for unit in units)


def settings_digests(study: Declarations) -> dict[tuple[str, str], str]:
    """(family, phase) to a digest of the feature sets that the study wants there."""
    wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for family, phase, _, identifier in study.current:
        wanted[family, phase].append(identifier)
    return {
        key: hashlib.sha256(",".join(sorted(ids)).encode()).hexdigest()[:16] for key, ids in wanted.items()
    }


def make_plan(
    project: Project, study: Declarations, families: Collection[str], *, retry_failed: bool
) -> Plan:
    """Anti-join of the study with the store, on the catalog that was just published."""
    query = files("mvi_ray.store").joinpath("sql/missing.sql").read_text(encoding="utf-8")
    missing: dict[tuple[str, ...], dict[str | None, str]] = defaultdict(dict)
    for row in project.store.query(query).to_pylist():
        if row["family"] in families:
            key = (row["family"], *(row[k] for k in VOI_KEY))
            missing[key][row["image_type"]] = row["feature_set_id"]
    failures = [
        row
        for row in project.store.tables["quarantine"].read().to_pylist()
        if row["stage"] == "extract" and row["family"] in families
    ]
    solved = tuple(
        {k: row[k] for k in ("stage", "family", *VOI_KEY)}
        for row in failures
        if (row["family"], *(row[k] for k in VOI_KEY)) not in missing
    )
    if not missing:
        return Plan({}, 0, solved)
    skipped = set() if retry_failed else _unchanged(failures, study)
    images = _by_key(project, "images", VOI_KEY[:3])
    masks = _by_key(project, "masks", VOI_KEY)
    plan: dict[Literal["CR", "DLR"], dict[tuple[str, ...], list[Voi]]] = {}
    quarantined = 0
    for (family, *rest), wanted in missing.items():
        key = tuple(rest)
        mask = masks[key]
        if (family, *key, mask["input_digest"]) in skipped:
            quarantined += 1
            continue
        voi = Voi(
            tuple(zip(VOI_KEY, key, strict=True)),
            mask["input_digest"],
            StoredVolume.of_row(mask, "mask_digest"),
            wanted,
            _cost(mask, len(wanted), project.study),
        )
        plan.setdefault("CR" if family == "CR" else "DLR", {}).setdefault(key[:3], []).append(voi)
    units = {
        family: [
            Unit(family, project.store.root, StoredVolume.of_row(images[key]), tuple(vois))
            for key, vois in by_image.items()
        ]
        for family, by_image in plan.items()
    }
    return Plan(units, quarantined, solved)


def _by_key(project: Project, table: str, key: tuple[str, ...]) -> dict[tuple[str, ...], dict[str, Any]]:
    rows = project.store.tables[table].read().to_pylist()
    return {tuple(row[k] for k in key): row for row in rows}


def _unchanged(failures: list[dict[str, Any]], study: Declarations) -> set[tuple[str, ...]]:
    """Failures that nothing has changed for since: neither image and mask nor settings."""
    digests = settings_digests(study)
    return {
        (row["family"], *(row[k] for k in VOI_KEY), row["input_digest"])
        for row in failures
        if row["settings_digest"] == digests.get((row["family"], row["phase"]))
    }


def _cost(mask: dict[str, Any], rows: int, study: Study) -> float:
    """Voxels of the VOI after resampling, times the images they are measured on."""
    spacing = None if study.families.cr is None else study.families.cr.spacing_mm
    voxels = mask["voxels"] if spacing is None else mask["volume_mm3"] / prod(spacing)
    return float(max(voxels, 1.0) * rows)
