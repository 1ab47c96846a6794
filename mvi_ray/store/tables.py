"""Delta tables: created with their schema version, written by keyed merge, read as Arrow."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mvi_ray.errors import StoreError
from mvi_ray.store.schemas import SCHEMA_VERSION, TableSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from deltalake import DeltaTable

_VERSION_KEY = "mvi.schemaVersion"
_ATTEMPTS = 8


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table at one moment.

    Args:
        version: of the Delta table; None when nothing was ever written.
        files: absolute paths of its live Parquet files, sorted.
    """

    version: int | None
    files: tuple[str, ...]


class Table:
    """One Delta table of the store.

    Rows go in by keyed merge: writing the same row twice, by a repeated run or by two at once,
    leaves one row. (A merge of 64 VOIs takes 0.3–0.5 s, an append 0.03 s; the features in it
    took minutes.)

    Args:
        folder: the table's folder.
        spec: its columns and keys.
    """

    def __init__(self, folder: Path, spec: TableSpec) -> None:
        self.folder = folder
        self.spec = spec

    @property
    def _location(self) -> str:
        """The folder as Delta wants it: a plain path with a space or an umlaut is not found again."""
        return self.folder.absolute().as_uri()

    @property
    def exists(self) -> bool:
        """Whether anything was ever written."""
        # A log without an entry is what a full disk or a kill left of the table's creation.
        return self.log_version is not None

    def open(self) -> DeltaTable:
        """The Delta table, created when it does not exist.

        Raises:
            StoreError: it was written under another schema version.
        """
        from deltalake import DeltaTable

        if not self.exists:
            return self._create()
        table = DeltaTable(self._location)
        version = table.metadata().configuration.get(_VERSION_KEY)
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"table {self.spec.name} has schema version {version}, this program writes "
                f"{SCHEMA_VERSION}; use the version of mvi that wrote it"
            )
        return table

    def _create(self, schema: pa.Schema | None = None) -> DeltaTable:
        from deltalake import DeltaTable

        self.folder.parent.mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(
            self._location,
            schema or self.spec.schema,
            mode="ignore",
            partition_by=list(self.spec.partition_by),
            name=self.spec.name,
            description=self.spec.comment,
            configuration={
                # Statistics of the keys prune; those of a hundred values only cost space.
                "delta.dataSkippingNumIndexedCols": str(len(self.spec.keys)),
                _VERSION_KEY: SCHEMA_VERSION,
            },
            raise_if_key_not_exists=False,
        )

    @property
    def log_version(self) -> int | None:
        """Newest version by the names in the log: quick, and without loading deltalake."""
        names = (self.folder / "_delta_log").glob("*.json")
        return max((int(n.stem) for n in names if n.stem.isdigit()), default=None)

    def snapshot(self) -> Snapshot:
        """Version and live files of one moment.

        A glob over the folder would also find files that a merge or a compaction replaced.
        """
        if not self.exists:
            return Snapshot(None, ())
        table = self.open()
        # Not `file_uris()`, which escapes spaces and umlauts of the folder.
        paths = pa.table(table.get_add_actions()).column("path").to_pylist()
        return Snapshot(table.version(), tuple(sorted(str(self.folder / path) for path in paths)))

    def files(self) -> list[str]:
        """Absolute paths of the live Parquet files, sorted."""
        return list(self.snapshot().files)

    def scan(self, files: Sequence[str]) -> str:
        """SQL over live files, or over nothing with the right columns."""
        if not files:
            columns = ", ".join(
                f'CAST(NULL AS {_sql_type(kind)}) AS "{name}"'
                for name, (kind, _) in self.spec.columns.items()
            )
            return f"SELECT {columns} WHERE false"
        # The clinical table has the columns of the study; all others have their own.
        open_ended = self.spec.name == "clinical"
        names = "*" if open_ended else ", ".join(f'"{name}"' for name in self.spec.columns)
        paths = ", ".join("'" + path.replace("'", "''") + "'" for path in files)
        # Only the table's own folders are partitions, not a folder of the user's named centre=A.
        partitioned = "hive_partitioning = false"
        if self.spec.partition_by:
            kinds = ", ".join(f"'{column}': VARCHAR" for column in self.spec.partition_by)
            partitioned = f"hive_partitioning = true, hive_types = {{{kinds}}}"
        return f"SELECT {names} FROM read_parquet([{paths}], union_by_name = true, {partitioned})"  # noqa: S608

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, or replace those with the same keys; of two given rows the last one stays."""
        if rows:
            # A merge would insert both.
            by_key = {tuple(row[key] for key in self.spec.keys): dict(row) for row in rows}
            self.write_arrow(pa.Table.from_pylist(list(by_key.values()), schema=self.spec.schema))

    def write_arrow(self, data: pa.Table) -> None:
        """Insert rows of an Arrow table, or replace those with the same keys."""
        # Sorted rows let the statistics of row groups find a patient.
        data = data.sort_by([(key, "ascending") for key in self.spec.keys])
        match = " AND ".join(f"t.{key} = s.{key}" for key in self.spec.keys)

        def merge() -> None:
            merger = self.open().merge(data, match, source_alias="s", target_alias="t")
            merger.when_matched_update_all().when_not_matched_insert_all().execute()

        self._commit(merge)

    def replace_all(self, data: pa.Table) -> None:
        """Replace content and columns of a small table whose columns follow the study."""
        from deltalake import write_deltalake

        if not self.exists:
            self._create(data.schema)

        def overwrite() -> None:
            write_deltalake(self.open(), data, mode="overwrite", schema_mode="overwrite")

        self._commit(overwrite)

    def delete(self, where: Mapping[str, str | Sequence[str]]) -> None:
        """Delete rows whose columns have the given values."""
        if not self.exists:
            return
        terms = []
        for column, value in where.items():
            if column not in self.spec.columns:
                raise StoreError(f"table {self.spec.name} has no column {column!r}")
            values = [value] if isinstance(value, str) else list(value)
            if not values:
                return
            # Delta takes predicates as text only; a doubled quote is all that ends a literal.
            quoted = ", ".join("'" + v.replace("'", "''") + "'" for v in values)
            terms.append(f"{column} IN ({quoted})")
        self._commit(lambda: self.open().delete(" AND ".join(terms)))

    def compact(self) -> None:
        """Join small files; the old ones stay for readers until they are vacuumed."""
        if self.exists and len(self.files()) > len(self.open().partitions() or [{}]):
            self._commit(self._compact)

    def _compact(self) -> None:
        self.open().optimize.compact()

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The live rows as an Arrow table."""
        import duckdb

        files = self.files()
        if not files:
            empty = self.spec.schema.empty_table()
            return empty if columns is None else empty.select(list(columns))
        chosen = "*" if columns is None else ", ".join(f'"{c}"' for c in columns)
        # Reading through DuckDB: deltalake's own reader aborted the interpreter at exit.
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.sql(f"SELECT {chosen} FROM ({self.scan(files)})").to_arrow_table()  # noqa: S608

    def _commit(self, action: Any) -> None:
        """Run a commit; when another writer was quicker, wait and try again."""
        from deltalake.exceptions import CommitFailedError, DeltaError

        for attempt in range(_ATTEMPTS):
            try:
                action()
            except CommitFailedError:
                if attempt == _ATTEMPTS - 1:
                    raise StoreError(
                        f"table {self.spec.name} is written by others all the time; try again later"
                    ) from None
                time.sleep(random.uniform(0.05, 0.1) * 2**attempt)  # noqa: S311 - spreads writers
            except DeltaError as error:
                reason = str(error).splitlines()[0]
                raise StoreError(
                    f"table {self.spec.name} cannot be written ({reason}); "
                    "check the disk's free space and permissions"
                ) from None
            else:
                return


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    simple = {
        pa.string(): "VARCHAR",
        pa.float64(): "DOUBLE",
        pa.float32(): "FLOAT",
        pa.int64(): "BIGINT",
        pa.bool_(): "BOOLEAN",
    }
    return "TIMESTAMPTZ" if pa.types.is_timestamp(kind) else simple[kind]
