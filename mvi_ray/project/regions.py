"""Rows of the table `masks`: made at the end of ingest, and again when a definition changed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StoreError
from mvi_ray.ingest.problem import Problem
from mvi_ray.project.problems import add_problems
from mvi_ray.regions.derive import definition_text, derive_regions
from mvi_ray.store.tables import now
from mvi_ray.store.volumes import StoredVolume, save_volume
from mvi_ray.study import DRAWN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mvi_ray.errors import MviError
    from mvi_ray.project.progress import Progress
    from mvi_ray.project.project import Project
    from mvi_ray.regions.derive import Region
    from mvi_ray.study import Ring

_COMMIT_EVERY = 64
_VOI = ("patient_id", "session", "phase", "lesion", "reader")


def input_digest(image: str, mask: str) -> str:
    """SHA-256 of the digests of image and mask: what a row was computed from."""
    return hashlib.sha256(f"{image}:{mask}".encode()).hexdigest()


def region_row(root: Path, region: Region, image: str) -> dict[str, Any]:
    """Save a region's mask and describe it; the caller adds patient, lesion and reader."""
    stored = save_volume(root, region.mask)
    return {
        "region": region.name,
        "mask_digest": stored.digest,
        "image_digest": image,
        "input_digest": input_digest(image, stored.digest),
        **stored.columns(),
        "voxels": region.facts.voxels,
        "volume_mm3": region.facts.volume_mm3,
        "largest_diameter_mm": region.facts.largest_diameter_mm,
        "clipped_organ_mm3": region.clipped_organ_mm3,
        "clipped_image_mm3": region.clipped_image_mm3,
        "definition": region.definition,
    }


def derive_again(project: Project, progress: Progress) -> list[Problem]:
    """Make the regions whose definition in the study is not the one they were made by.

    Returns:
        Regions that cannot be made any more; their old rows are removed. They stand in the
        quarantine, and those that could be made now do not any longer.
    """
    rings = project.study.regions
    table = project.store.tables["masks"]
    rows = table.read().to_pylist()
    made = {(*(r[k] for k in _VOI), r["region"]): r["definition"] for r in rows}
    problems: list[Problem] = []
    fresh: list[dict[str, Any]] = []
    quarantine = project.store.tables["quarantine"]
    listed = set(quarantine.read(["region"]).column(0).to_pylist())
    root = project.store.root
    todo: list[tuple[dict[str, Any], dict[str, Ring]]] = []
    for row in rows:
        wanted = {
            name: ring
            for name, ring in rings.items()
            if made.get((*(row[k] for k in _VOI), name)) != definition_text(ring)
        }
        if row["region"] == DRAWN and wanted:
            todo.append((row, wanted))
    for number, (row, changed) in enumerate(todo, start=1):
        key = {k: row[k] for k in _VOI}
        stored = StoredVolume.of_row(row, "mask_digest")
        regions: list[Region] = []
        failed: Mapping[str, MviError] = {}
        try:
            organ = None
            if row["organ_path"] is not None:
                organ = replace(stored, path=row["organ_path"], digest=row["organ_digest"]).load_mask(root)
            regions, failed = derive_regions(stored.load_mask(root), changed, organ)
        except StoreError as unreadable:
            failed = dict.fromkeys(changed, unreadable)
        fresh.extend(
            {
                **region_row(root, region, row["image_digest"]),
                **key,
                "organ_digest": row["organ_digest"],
                "organ_path": row["organ_path"],
                "ingested_at": now(),
            }
            for region in regions
        )
        for name, error in failed.items():
            problems.append(Problem.of(error, region=name, **key))
            table.delete({**key, "region": name})
        for region in regions:
            if region.name in listed:
                quarantine.delete({**key, "region": region.name, "stage": "ingest"})
        if len(fresh) >= _COMMIT_EVERY:
            table.write(fresh)
            fresh.clear()
        progress("regions", number, len(todo), f"{number} of {len(todo)} masks")
    table.write(fresh)
    add_problems(quarantine, problems)
    return problems
