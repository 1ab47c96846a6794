"""What no longer belongs to anything: dead table files, orphan volumes, leftovers of kills."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from mvi_ray.errors import StoreError
from mvi_ray.store.place import Bucket, files_below, relative
from mvi_ray.store.upkeep import dead_files, vacuum

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mvi_ray.store.place import Place
    from mvi_ray.store.store import Store

_DAY_S = 86_400.0
# What a command that runs now may have begun is younger.
_LEFTOVER_S = _DAY_S
# A lock on one machine says nothing about what another one has written and not committed.
_BUCKET_DAYS = 1.0


@dataclass(frozen=True, slots=True)
class Garbage:
    """Files that may go.

    Args:
        files: paths by what they are: ``table files``, ``volumes``, ``leftovers``.
        size: bytes of each kind.
    """

    files: Mapping[str, tuple[Place, ...]]
    size: Mapping[str, int]


def check_days(store: Store, keep_days: float) -> None:
    """Refuse to look at what may be in the hands of another machine.

    Raises:
        StoreError: less than a day of what lies in a bucket would stay.
    """
    if isinstance(store.place, Bucket) and keep_days < _BUCKET_DAYS:
        raise StoreError(
            f"keep {keep_days:g} days: what another machine writes into the bucket now is younger than "
            f"{_BUCKET_DAYS:g} days and cannot be told from garbage; keep {_BUCKET_DAYS:g} days or more"
        )


def find_garbage(store: Store, keep_days: float, pinned: Mapping[str, Sequence[int]], runs: Path) -> Garbage:
    """List what `remove_garbage` would remove.

    Args:
        store: which one.
        runs: folder of the trainings, for those that never ended.
        keep_days: what died or was written later than so many days ago stays.
        pinned: table to versions that must stay readable.
    """
    check_days(store, keep_days)
    hours = ceil(keep_days * 24)
    files = {
        "table files": tuple(
            path
            for name, table in store.tables.items()
            for path in dead_files(table, hours, pinned.get(name, ()))
            if path.exists()
        ),
        "volumes": tuple(_older(orphan_volumes(store), keep_days * _DAY_S)),
        "leftovers": tuple(_older(_leftovers(store, runs), _LEFTOVER_S)),
    }
    return Garbage(files, {kind: sum(map(_size, paths)) for kind, paths in files.items()})


def remove_garbage(
    store: Store, keep_days: float, pinned: Mapping[str, Sequence[int]], runs: Path
) -> Garbage:
    """Remove what `find_garbage` lists; the caller holds the store's lock."""
    found = find_garbage(store, keep_days, pinned, runs)
    for name, table in store.tables.items():
        vacuum(table, ceil(keep_days * 24), pinned.get(name, ()))
    for path in (*found.files["volumes"], *found.files["leftovers"]):
        if not isinstance(path, Bucket) and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return found


def orphan_volumes(store: Store) -> Iterator[Place]:
    """Volumes that no row of `images` or `masks` names."""
    named = set(store.tables["images"].read(["path"]).column(0).to_pylist())
    masks = store.tables["masks"].read(["path", "organ_path"])
    for column in masks.columns:
        named.update(column.to_pylist())
    for kind in ("images", "masks"):
        for path in files_below(store.place / kind):
            place = relative(path, store.place)
            # What a kill left half written is no volume yet, but a leftover.
            if place not in named and "/.write-" not in place:
                yield path


def _leftovers(store: Store, runs: Path) -> Iterator[Path]:
    """Catalogs and volumes that were never put into place, and trainings that never ended."""
    for kind in ("images", "masks"):
        yield from sorted((store.root / kind).glob("*/.write-*"))
    yield from sorted(path for path in store.root.glob(".publish-*") if path.is_dir())
    yield from sorted(path for path in runs.glob(".*") if path.is_dir())


def _older(paths: Iterable[Place], seconds: float) -> Iterator[Place]:
    limit = time.time() - seconds
    for path in paths:
        if path.stat().st_mtime <= limit:
            yield path


def _size(path: Place) -> int:
    if not isinstance(path, Bucket) and path.is_dir():
        return sum(_size(inner) for inner in path.iterdir())
    return path.stat().st_size
