"""Upkeep of one table: join files, remove dead ones, mend what was damaged."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa

from mvi_ray.errors import StoreError
from mvi_ray.store.tables import is_parquet, writer_properties

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mvi_ray.store.tables import Table


def compact(table: Table, more_than: int = 1) -> None:
    """Join the files of each partition and sort their rows by the first key.

    Rows of one patient lie together then, and a query for one reads a few thousand rows of each
    partition. The old files stay for readers until they are vacuumed.

    Args:
        table: which one.
        more_than: files; a partition with no more of them is left alone.
    """
    if not table.exists:
        return
    counts = Counter(str(Path(path).parent) for path in table.files())
    if not counts:
        return
    names = table.spec.partition_by
    for partition in table.open().partitions() or [{}]:
        folder = table.folder.joinpath(*(f"{name}={partition[name]}" for name in names))
        if counts[str(folder)] > more_than:
            _sort(table, [(name, "=", str(partition[name])) for name in names])


def _sort(table: Table, partition: list[tuple[str, str, Any]]) -> None:
    def order() -> None:
        table.open().optimize.z_order(
            [table.spec.keys[0]],
            partition_filters=partition or None,
            writer_properties=writer_properties(),
        )

    table.commit(order)


def dead_files(table: Table, retention_hours: int, keep_versions: Sequence[int] = ()) -> list[Path]:
    """Files that no version needs which may still be read.

    Args:
        table: which one.
        retention_hours: files that died later are left.
        keep_versions: whose files stay as well.
    """
    return _vacuum(table, retention_hours, keep_versions, dry_run=True)


def vacuum(table: Table, retention_hours: int, keep_versions: Sequence[int] = ()) -> list[Path]:
    """Remove `dead_files`."""
    return _vacuum(table, retention_hours, keep_versions, dry_run=False)


def _vacuum(table: Table, retention_hours: int, keep_versions: Sequence[int], *, dry_run: bool) -> list[Path]:
    if not table.exists:
        return []
    kept = [version for version in keep_versions if _is_in_log(table, version)]
    found = table.open().vacuum(
        retention_hours,
        dry_run=dry_run,
        enforce_retention_duration=False,
        full=True,
        keep_versions=kept or None,
    )
    return [table.folder / unquote(path) for path in found]


def _is_in_log(table: Table, version: int) -> bool:
    try:
        table.at(version)
    except StoreError:
        return False
    return True


def forget_broken_files(table: Table) -> None:
    """Take files out of the table that are missing or are no Parquet files; their rows are lost."""
    for path in map(Path, table.files()):
        if path.exists() and not is_parquet(path):
            path.unlink()
    table.commit(lambda: table.open().repair())


def keep_newest(table: Table, keys: Sequence[Mapping[str, Any]]) -> None:
    """Of rows that share one of the keys keep the one made last."""
    times = [name for name, (kind, _) in table.spec.columns.items() if pa.types.is_timestamp(kind)]
    rows = table.read().to_pylist()
    for key in keys:
        own = [row for row in rows if all(row[name] == value for name, value in key.items())]
        own.sort(key=lambda row: [(row[name] is not None, str(row[name])) for name in times])
        table.delete(key)
        table.write(own[-1:])
