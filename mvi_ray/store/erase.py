"""How one patient goes from a store: rows, volumes, statistics, earlier versions and the log."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from mvi_ray.errors import StoreError
from mvi_ray.store.parquet import writer_properties
from mvi_ray.store.patient import data_files, patient_tables, volumes_without
from mvi_ray.store.place import local
from mvi_ray.store.statistics import is_current, refresh_statistics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mvi_ray.store.store import Store
    from mvi_ray.store.tables import Table

_ERASED_KEY = "mvi.erasedAt"
_LOG = "_delta_log"


def erase_from_tables(store: Store, patient: str, publish: Callable[[], None]) -> None:
    """Remove rows, volumes, statistics, dead files and the log before now; the caller holds the lock.

    The order lets a second call finish after a kill: files that hold the rows go when the volumes
    are gone, and the log, which names the patient, goes last.

    Args:
        store: which one.
        patient: its pseudonym.
        publish: writes the catalog anew.

    Raises:
        StoreError: a table is damaged, the disk refuses it, or the store lies in a bucket.
    """
    local(store.place)
    for table in patient_tables(store).values():
        _delete(table, patient)
    for path in volumes_without(store, patient):
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    if not is_current(store):
        publish()
        # Minimum and maximum of a feature are values of somebody.
        refresh_statistics(store)
    for table in store.tables.values():
        drop_dead_files(table)
    for name in ("feature_statistics", *patient_tables(store)):
        end_log(store.tables[name])


def _delete(table: Table, patient: str) -> None:
    if not table.exists:
        return
    quoted = patient.replace("'", "''")
    table.commit(
        lambda: table.open().delete(f"patient_id = '{quoted}'", writer_properties=writer_properties())
    )


def drop_dead_files(table: Table) -> None:
    """Remove every file that the newest version does not need, whoever pinned it or began to write it.

    Raises:
        StoreError: a file that it needs is missing; nothing was removed then.
    """
    if not table.exists:
        return
    live = set(table.files())
    there = data_files(table)
    lost = len(live - set(map(str, there)))
    if lost:
        raise StoreError(
            f"table {table.spec.name} lacks {lost} of its files; run `mvi store check --repair`, "
            "then erase again"
        )
    for path in there:
        if str(path) not in live:
            path.unlink()


def end_log(table: Table) -> None:
    """Let the history of a table begin now.

    Entries and checkpoints hold bounds of the keys and conditions of deletions, so both name
    patients. What stays is a commit that says nothing but its number, and a checkpoint of it.
    Versions go on counting: a number that a snapshot has noted never means another state.
    """
    if not table.exists:
        return
    mark = {_ERASED_KEY: str((table.log_version or 0) + 1)}
    table.commit(lambda: table.open().alter.set_table_properties(mark, raise_if_not_exists=False))
    opened = table.open()
    opened.create_checkpoint()
    log = local(table.folder) / _LOG
    version = opened.version()
    kept = {log / f"{version:020}.json", log / f"{version:020}.checkpoint.parquet", log / "_last_checkpoint"}
    if not all(path.is_file() for path in kept) or _last_checkpoint(log) != version:
        raise StoreError(
            f"the log of table {table.spec.name} was not closed at version {version}; "
            "check the disk's free space and erase again"
        )
    for path in sorted(log.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        elif path not in kept:
            path.unlink()


def _last_checkpoint(log: Path) -> object:
    return json.loads((log / "_last_checkpoint").read_text(encoding="utf-8"))["version"]


def remove_unpublished(store: Store) -> None:
    """Remove catalogs that a killed command left beside the one in use."""
    from filelock import FileLock

    # Held by whoever publishes, so what is there then belongs to nobody.
    with FileLock(store.root / ".publish.lock"):
        for folder in store.root.glob(".publish-*"):
            shutil.rmtree(folder, ignore_errors=True)
