"""Checks of images and masks: each file is what its row says."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, Protocol

from mvi_ray.errors import MviError, UnreachableError
from mvi_ray.store.finding import Finding
from mvi_ray.store.garbage import orphan_volumes
from mvi_ray.store.volumes import StoredVolume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mvi_ray.store.store import Store


_State = Literal["intact", "changed", "missing", "unreadable"]


class Told(Protocol):
    """Hears how many of all volumes are read."""

    def __call__(self, done: int, total: int) -> None:
        """Take the count."""


def check_volumes(store: Store, told: Told) -> Iterator[Finding]:
    """Read every volume and compare its digest with the one recorded at ingest.

    Entries are only taken out for what is wrong with their own file. Files that cannot be opened,
    or more than half of a kind gone at once, speak of a disk or a folder that is not mounted.
    """
    images = store.tables["images"].read().to_pylist()
    masks = store.tables["masks"].read().to_pylist()
    tasks = [("images", row, _image) for row in images] + [("masks", row, _mask) for row in masks]

    def state(task: tuple[str, dict[str, Any], Any]) -> _State:
        _, row, read = task
        try:
            read(store, row)
        except (MviError, TypeError):  # TypeError: the row itself lacks its geometry
            return _why(store, row)
        return "intact"

    broken: dict[str, list[tuple[_State, dict[str, Any]]]] = {"images": [], "masks": []}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = pool.map(state, tasks)
        for number, (found, (name, row, _)) in enumerate(zip(results, tasks, strict=True), start=1):
            if found != "intact":
                broken[name].append((found, {key: row[key] for key in store.tables[name].spec.keys}))
            told(number, len(tasks))
    for name, known in (("images", images), ("masks", masks)):
        if broken[name]:
            yield _broken(store, name, broken[name], len(known))
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


def _why(store: Store, row: dict[str, Any]) -> _State:
    """Why a volume could not be loaded, as far as its files tell."""
    for path in filter(None, (row["path"], row.get("organ_path"))):
        try:
            with (store.place / path).open("rb") as file:
                file.read(1)
        except FileNotFoundError:
            return "missing"
        except (OSError, UnreachableError):
            return "unreadable"
    return "changed"


def _broken(store: Store, name: str, broken: list[tuple[_State, dict[str, Any]]], known: int) -> Finding:
    rows = tuple(row for _, row in broken)
    patients = sorted({row["patient_id"] for row in rows})
    shown = ", ".join(patients[:5]) + (" …" if len(patients) > 5 else "")
    whose = f"of {len(patients)} patients ({shown})"
    states = Counter(state for state, _ in broken)
    lost = states["missing"] + states["unreadable"]
    if states["unreadable"] or 2 * lost > known or not (store.place / name).is_dir():
        return Finding(
            "volumes",
            "error",
            f"{lost} of {known} {name} cannot be opened, {whose}: "
            f"the folder store/{name} seems to be absent or unreadable",
            "mount or restore it and check again; what is lost for good must be ingested again",
            name,
            rows,
        )
    return Finding(
        "volumes",
        "error",
        f"{len(rows)} {name} are missing or were changed, {whose}",
        "ingest these patients again; --repair takes the entries out until then",
        name,
        rows,
        "volumes",
    )


def _image(store: Store, row: dict[str, Any]) -> None:
    StoredVolume.of_row(row).load_image(store.place)


def _mask(store: Store, row: dict[str, Any]) -> None:
    stored = StoredVolume.of_row(row, "mask_digest")
    stored.load_mask(store.place)
    if row["organ_path"] is not None:
        organ = StoredVolume(row["organ_path"], row["organ_digest"], stored.geometry, stored.reorientation)
        organ.load_mask(store.place)
