"""Upkeep of one table: join files, remove dead ones, mend what was damaged."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa

from mvi_ray.errors import StoreError, UnreachableError
from mvi_ray.store.clauses import condition, reading
from mvi_ray.store.parquet import is_parquet, writer_properties
from mvi_ray.store.place import placed
from mvi_ray.store.tables import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deltalake import DeltaTable

    from mvi_ray.store.place import Place


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
    counts = Counter(path.rpartition("/")[0] for path in table.files())
    if not counts:
        return
    names = table.spec.partition_by
    for partition in table.open().partitions() or [{}]:
        folder = "/".join([str(table.folder), *(f"{name}={partition[name]}" for name in names)])
        if counts[folder] > more_than:
            _sort(table, [(name, "=", str(partition[name])) for name in names])


def _sort(table: Table, partition: list[tuple[str, str, Any]]) -> None:
    def order() -> None:
        table.open().optimize.z_order(
            [table.spec.keys[0]],
            partition_filters=partition or None,
            writer_properties=writer_properties(),
        )

    table.commit(order)


def dead_files(table: Table, retention_hours: int, keep_versions: Sequence[int] = ()) -> list[Place]:
    """Files that no version needs which may still be read.

    Args:
        table: which one.
        retention_hours: files that died later are left.
        keep_versions: whose files stay as well.
    """
    return _vacuum(table, retention_hours, keep_versions, dry_run=True)


def vacuum(table: Table, retention_hours: int, keep_versions: Sequence[int] = ()) -> list[Place]:
    """Remove `dead_files`."""
    return _vacuum(table, retention_hours, keep_versions, dry_run=False)


def _vacuum(
    table: Table, retention_hours: int, keep_versions: Sequence[int], *, dry_run: bool
) -> list[Place]:
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
    except UnreachableError:
        raise
    except StoreError:
        return False
    return True


def forget_broken_files(table: Table) -> None:
    """Take files out of the table that are missing or are no Parquet files; their rows are lost.

    Raises:
        StoreError: a file cannot be read; nothing was removed then.
    """
    # All are read before one goes: an error that holds for one file may hold for all.
    for path in [path for path in map(placed, table.files()) if not is_parquet(path)]:
        path.unlink(missing_ok=True)
    table.commit(lambda: table.open().repair())


def keep_newest(table: Table, keys: Sequence[Mapping[str, Any]]) -> None:
    """Of rows that share one of the keys keep the one made last, in one commit.

    The times in the table's columns decide; where they say nothing, the file that was written last.

    Args:
        table: which one.
        keys: values of the key columns.

    Raises:
        StoreError: the table is damaged, or the disk refuses it.
    """
    names = dict.fromkeys((table.spec.keys[0], *table.spec.partition_by))
    # More rows than those that stand twice, yet a short condition, which skips files and folders.
    where = condition({name: sorted({key[name] for key in keys}) for name in names})

    def overwrite() -> None:
        from deltalake import write_deltalake

        opened = table.open()
        write_deltalake(
            opened,
            _newest(table, opened, where),
            mode="overwrite",
            predicate=where,
            writer_properties=writer_properties(),
        )

    if keys:
        table.commit(overwrite)


def _newest(table: Table, opened: DeltaTable, where: str) -> pa.Table:
    """One row for each key that the condition covers, with all columns that the table has."""
    schema = pa.schema(opened.schema().to_arrow())
    own = Table(table.folder, replace(table.spec, columns={f.name: (f.type, "") for f in schema}))
    added = pa.table(opened.get_add_actions()).sort_by([("modification_time", "ascending")])
    files = [str(table.folder / path) for path in added.column("path").to_pylist()]
    keys = ", ".join(table.spec.keys)
    times = "".join(f'"{f.name}" DESC NULLS LAST, ' for f in schema if pa.types.is_timestamp(f.type))
    with reading(table.spec.name), own.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.sql(
            f"SELECT * EXCLUDE (mvi_place) FROM (SELECT *, row_number() OVER () AS mvi_place "  # noqa: S608
            f"FROM ({own.scan(files)}) WHERE {where}) "
            f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {times}mvi_place DESC) = 1 "
            f"ORDER BY {keys}"
        ).to_arrow_table()
    return found.select(schema.names).cast(schema)
