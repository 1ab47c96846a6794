"""Checks of images and masks: each file is what its row says."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from mvi_ray.errors import MviError
from mvi_ray.store.finding import Finding
from mvi_ray.store.garbage import orphan_volumes
from mvi_ray.store.volumes import StoredVolume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mvi_ray.store.store import Store


class Told(Protocol):
    """Hears how many of all volumes are read."""

    def __call__(self, done: int, total: int) -> None:
        """Take the count."""


def check_volumes(store: Store, told: Told) -> Iterator[Finding]:
    """Read every volume and compare its digest with the one recorded at ingest."""
    images = store.tables["images"].read().to_pylist()
    masks = store.tables["masks"].read().to_pylist()
    tasks = [("images", row, _image) for row in images] + [("masks", row, _mask) for row in masks]

    def intact(task: tuple[str, dict[str, Any], Any]) -> bool:
        _, row, read = task
        try:
            read(store, row)
        except MviError:
            return False
        return True

    broken: dict[str, list[dict[str, Any]]] = {"images": [], "masks": []}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = pool.map(intact, tasks)
        for number, (whole, (name, row, _)) in enumerate(zip(results, tasks, strict=True), start=1):
            if not whole:
                broken[name].append({key: row[key] for key in store.tables[name].spec.keys})
            told(number, len(tasks))
    for name, rows in broken.items():
        if rows:
            patients = sorted({row["patient_id"] for row in rows})
            shown = ", ".join(patients[:5]) + (" …" if len(patients) > 5 else "")
            yield Finding(
                "volumes",
                "error",
                f"{len(rows)} {name} are missing or were changed, of {len(patients)} patients ({shown})",
                "ingest these patients again; --repair takes the entries out until then",
                name,
                tuple(rows),
                "volumes",
            )
    digests = {(r["patient_id"], r["session"], r["phase"]): r["image_digest"] for r in images}
    lost = [r for r in masks if digests.get((r["patient_id"], r["session"], r["phase"])) != r["image_digest"]]
    if lost:
        yield Finding(
            "volumes",
            "note",
            f"{len(lost)} masks were drawn on an image that has since been replaced or left out",
            "ingest them again with the new image; until then they count for nothing",
            "masks",
        )
    orphans = sum(1 for _ in orphan_volumes(store))
    if orphans:
        yield Finding("volumes", "note", f"{orphans} volumes belong to no row", "`mvi store gc` removes them")


def _image(store: Store, row: dict[str, Any]) -> None:
    StoredVolume.of_row(row).load_image(store.root)


def _mask(store: Store, row: dict[str, Any]) -> None:
    stored = StoredVolume.of_row(row, "mask_digest")
    stored.load_mask(store.root)
    if row["organ_path"] is not None:
        organ = StoredVolume(row["organ_path"], row["organ_digest"], stored.geometry, stored.reorientation)
        organ.load_mask(store.root)
