"""Delta tables: created with their schema version, written by key, read as Arrow."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mvi_ray.errors import StoreError, UnreachableError
from mvi_ray.store.clauses import condition, reading, sql_type
from mvi_ray.store.parquet import writer_properties
from mvi_ray.store.place import Bucket, let_read, reason
from mvi_ray.store.schemas import SCHEMA_VERSION, TableSpec
from mvi_ray.store.version import check_schema_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import duckdb
    from deltalake import DeltaTable

    from mvi_ray.store.place import Place

_VERSION_KEY, _MIXED_KEY = "mvi.schemaVersion", "mvi.columnsWereAdded"
_ATTEMPTS, _LONGEST_WAIT_S = 16, 3.0
# Every writer takes the next number under this name, so that of two at once one must look again.
_TURN = "mvi.write"
# Delta would drop entries of the log after 30 days, and with them what a training pinned.
_KEEP_LOG = {"delta.enableExpiredLogCleanup": "false"}
# Length at which Delta may have cut a bound in its log.
_CUT = 32


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table at one moment.

    Args:
        version: of the Delta table; None when nothing was ever written.
        files: absolute paths, or URLs, of its live Parquet files, sorted.
        mixed: whether some of them may be older than a column that was added since.
    """

    version: int | None
    files: tuple[str, ...]
    mixed: bool = False


class Table:
    """One Delta table of the store.

    Rows go in by key: writing the same row twice, by a repeated run or by two at once, leaves
    one row. Rows whose keys are new are appended, the others are merged; which of the two
    happens is decided on one version, and holds only if nobody else wrote since.

    Args:
        folder: the table's folder, or its place in a bucket.
        spec: its columns and keys.
    """

    def __init__(self, folder: Place, spec: TableSpec) -> None:
        self.folder = folder
        self.spec = spec

    @property
    def _location(self) -> str:
        """The folder as Delta wants it: a plain path with a space or an umlaut is not found again."""
        return str(self.folder) if isinstance(self.folder, Bucket) else self.folder.absolute().as_uri()

    @property
    def _options(self) -> dict[str, str] | None:
        return self.folder.options() if isinstance(self.folder, Bucket) else None

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A database in memory that can read the files of the table."""
        import duckdb

        connection = duckdb.connect()
        let_read(connection, self.folder)
        return connection

    @property
    def exists(self) -> bool:
        """Whether anything was ever written."""
        # A log without an entry is what a full disk or a kill left of the table's creation.
        return any(True for _ in self._log_entries())

    def _log_entries(self) -> Iterator[int]:
        """Versions by the names in the log: quick, and without loading deltalake."""
        log = self.folder / "_delta_log"
        for path in log.files(below=False) if isinstance(log, Bucket) else log.glob("*.json"):
            number, _, kind = path.name.partition(".")
            if kind == "json" and number.isdigit():
                yield int(number)

    def open(self) -> DeltaTable:
        """The Delta table, created when it does not exist.

        Raises:
            StoreError: it was written under another schema version, or its log is damaged.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        if not self.exists:
            return self._create()
        try:
            table = DeltaTable(self._location, storage_options=self._options)
        except OSError as error:
            if not isinstance(self.folder, Bucket):
                raise
            raise self._refused(error) from None
        except DeltaError as error:
            raise StoreError(
                f"the log of table {self.spec.name} is damaged ({reason(error)}); "
                "restore its folder from a backup"
            ) from None
        check_schema_version(table.metadata().configuration.get(_VERSION_KEY), f"table {self.spec.name}")
        return table

    def at(self, version: int) -> DeltaTable:
        """The Delta table as it was.

        Raises:
            StoreError: the log does not reach back that far.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            return DeltaTable(self._location, version=version, storage_options=self._options)
        except (DeltaError, OSError) as error:
            # Whoever is told that it is gone may remove its files.
            if isinstance(self.folder, Bucket) and version in set(self._log_entries()):
                raise self._refused(error) from None
            raise StoreError(
                f"version {version} of table {self.spec.name} is gone; "
                "`mvi store history` lists what can still be read"
            ) from None

    def _create(self, schema: pa.Schema | None = None) -> DeltaTable:
        from deltalake import DeltaTable

        if not isinstance(self.folder, Bucket):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(
            self._location,
            schema or self.spec.schema,
            mode="ignore",
            partition_by=list(self.spec.partition_by),
            name=self.spec.name,
            description=self.spec.comment,
            configuration={
                # Statistics of the keys prune; those of a hundred values only cost space, and
                # would write values of patients into the log. Columns that are folders do not count.
                "delta.dataSkippingNumIndexedCols": str(len(self.spec.keys) - len(self.spec.partition_by)),
                _VERSION_KEY: SCHEMA_VERSION,
                **_KEEP_LOG,
            },
            raise_if_key_not_exists=False,
            storage_options=self._options,
        )

    @property
    def log_version(self) -> int | None:
        """Newest version in the log."""
        return max(self._log_entries(), default=None)

    def snapshot(self, version: int | None = None) -> Snapshot:
        """Version and live files of one moment: now, or of an earlier version.

        A glob over the folder would also find files that a merge or a compaction replaced.

        Raises:
            StoreError: the version is gone from the log.
        """
        if not self.exists:
            return Snapshot(None, ())
        table = self.open() if version is None else self.at(version)
        mixed = table.metadata().configuration.get(_MIXED_KEY) == "true"
        return Snapshot(table.version(), tuple(self._paths(table)), mixed)

    def _paths(self, table: DeltaTable) -> list[str]:
        # Not `file_uris()`, which escapes spaces and umlauts of the folder.
        paths = pa.table(table.get_add_actions()).column("path").to_pylist()
        return sorted(str(self.folder / path) for path in paths)

    def files(self) -> list[str]:
        """Absolute paths, or URLs, of the live Parquet files, sorted."""
        return list(self.snapshot().files)

    def scan(self, files: Sequence[str], *, mixed: bool = True) -> str:
        """SQL over live files, or over nothing with the right columns.

        A column that a file does not have, because it is older, is NULL.

        Args:
            files: of one snapshot.
            mixed: whether some may be older than others; then every query opens all of them.
        """
        columns = {name: sql_type(kind) for name, (kind, _) in self.spec.columns.items()}
        nothing = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in columns.items())
        if not files:
            return f"SELECT {nothing} WHERE false"
        # The clinical table has the columns of the study; all others have their own.
        names = "*" if self.spec.name == "clinical" else ", ".join(f'"{name}"' for name in columns)
        every = self._read(files, "*", "union_by_name = true, " if mixed else "")
        return f"SELECT {names} FROM (SELECT {nothing} WHERE false UNION ALL BY NAME {every})"  # noqa: S608

    def _read(self, files: Sequence[str], columns: str, options: str = "") -> str:
        paths = ", ".join("'" + path.replace("'", "''") + "'" for path in files)
        # Only the table's own folders are partitions, not a folder of the user's named centre=A.
        partitioned = "hive_partitioning = false"
        if self.spec.partition_by:
            kinds = ", ".join(f"'{column}': VARCHAR" for column in self.spec.partition_by)
            partitioned = f"hive_partitioning = true, hive_types = {{{kinds}}}"
        return f"SELECT {columns} FROM read_parquet([{paths}], {options}{partitioned})"  # noqa: S608

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, or replace those with the same keys; of two given rows the last one stays."""
        if rows:
            # A merge would insert both.
            by_key = {tuple(row[key] for key in self.spec.keys): dict(row) for row in rows}
            self.write_arrow(pa.Table.from_pylist(list(by_key.values()), schema=self.spec.schema))

    def insert(self, row: Mapping[str, Any]) -> bool:
        """Insert a row unless its key is there, whoever wrote it; whether it was inserted."""
        data = pa.Table.from_pylist([dict(row)], schema=self.spec.schema)
        done: list[bool] = []
        self.commit(lambda: done.append(self._put(data, replace=False)))
        return done[-1]

    def write_arrow(self, data: pa.Table) -> None:
        """Insert rows of an Arrow table, or replace those with the same keys."""
        # Sorted rows let the statistics of row groups find a patient.
        data = data.sort_by([(key, "ascending") for key in self.spec.keys])
        for key in self.spec.keys:
            if data.column(key).null_count:
                raise StoreError(
                    f"table {self.spec.name} got a row with {key} NULL; a key may not be missing"
                )
        self.commit(lambda: self._put(data))

    def _put(self, data: pa.Table, *, replace: bool = True) -> bool:
        """Append, or merge when a key is there already: a merge reads the whole table."""
        from deltalake import CommitProperties, Transaction, write_deltalake

        table = self._with_all_columns(self.open())
        # Another commit under this name since the table was opened makes this one fail, so what
        # was found out about the keys still holds when the rows go in.
        turn = CommitProperties(
            app_transactions=[Transaction(_TURN, (table.transaction_version(_TURN) or 0) + 1)]
        )
        if not self._knows_any(table, data):
            write_deltalake(
                table, data, mode="append", commit_properties=turn, writer_properties=writer_properties()
            )
            return True
        if not replace:
            return False
        match = " AND ".join(f"t.{key} = s.{key}" for key in self.spec.keys)
        merger = table.merge(
            data,
            match,
            source_alias="s",
            target_alias="t",
            commit_properties=turn,
            writer_properties=writer_properties(),
        )
        merger.when_matched_update_all().when_not_matched_insert_all().execute()
        return True

    def _knows_any(self, table: DeltaTable, data: pa.Table) -> bool:
        """Whether one of the rows' keys is stored."""
        files = self._may_hold(table, data)
        if not files:
            return False
        keys = ", ".join(self.spec.keys)
        first = self.spec.keys[0]
        with reading(self.spec.name), self.connect() as connection:
            connection.register("fresh", data.select(list(self.spec.keys)))
            # The range of the first key skips row groups before the join.
            low, high = f"(SELECT min({first}) FROM fresh)", f"(SELECT max({first}) FROM fresh)"  # noqa: S608
            found = connection.execute(
                f"SELECT 1 FROM ({self._read(files, keys)}) SEMI JOIN fresh USING ({keys}) "  # noqa: S608
                f"WHERE {first} BETWEEN {low} AND {high} LIMIT 1"
            )
            return bool(found.fetchall())

    def _may_hold(self, table: DeltaTable, data: pa.Table) -> list[str]:
        """Files whose folder and range of the first key leave room for one of the rows."""
        first = self.spec.keys[0]
        low, high = data.column(first)[0].as_py(), data.column(first)[-1].as_py()
        folders = {name: set(data.column(name).to_pylist()) for name in self.spec.partition_by}
        files = []
        for file in pa.table(table.get_add_actions(flatten=True)).to_pylist():
            if any(file[f"partition.{name}"] not in values for name, values in folders.items()):
                continue
            least, most = file.get(f"min.{first}"), file.get(f"max.{first}")
            # Delta cuts long texts: such a bound says nothing about what is beyond it.
            whole = least is not None and most is not None and len(str(most)) < _CUT
            if not whole or (least <= high and most >= low):
                files.append(str(self.folder / file["path"]))
        return sorted(files)

    def _with_all_columns(self, table: DeltaTable) -> DeltaTable:
        """Add the columns that this version of the program knows and the table does not."""
        from deltalake import Schema

        configuration = table.metadata().configuration
        if any(configuration.get(key) != value for key, value in _KEEP_LOG.items()):
            table.alter.set_table_properties(dict(_KEEP_LOG), raise_if_not_exists=False)
        have = {field.name for field in table.schema().fields}
        fresh = [name for name in self.spec.columns if name not in have]
        if fresh:
            schema = Schema.from_arrow(pa.schema([self.spec.schema.field(name) for name in fresh]))
            table.alter.add_columns(schema.fields)
            table.alter.set_table_properties({_MIXED_KEY: "true"}, raise_if_not_exists=False)
        return table

    def replace_all(self, data: pa.Table) -> None:
        """Replace content and columns of a small table whose columns follow the study."""
        from deltalake import write_deltalake

        if not self.exists:
            self._create(data.schema)

        def overwrite() -> None:
            write_deltalake(self.open(), data, mode="overwrite", schema_mode="overwrite")

        self.commit(overwrite)

    def delete(self, *where: Mapping[str, Any]) -> None:
        """Delete rows whose columns have the given values, those of any of several mappings in one commit."""
        if not self.exists:
            return
        for column in {column: None for one in where for column in one}:
            if column not in self.spec.columns:
                raise StoreError(f"table {self.spec.name} has no column {column!r}")
        # An empty list of values matches no row.
        some = [one for one in where if all(isinstance(v, str | int) or v for v in one.values())]
        either = " OR ".join(f"({condition(one)})" for one in some if one)
        if either:
            self.commit(lambda: self.open().delete(either, writer_properties=writer_properties()))

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The live rows as an Arrow table; a StoreError when a file is missing or damaged."""
        files = self.files()
        if not files:
            empty = self.spec.schema.empty_table()
            return empty if columns is None else empty.select(list(columns))
        chosen = "*" if columns is None else ", ".join(f'"{c}"' for c in columns)
        # Reading through DuckDB: deltalake's own reader aborted the interpreter at exit.
        with reading(self.spec.name), self.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.sql(f"SELECT {chosen} FROM ({self.scan(files)})").to_arrow_table()  # noqa: S608

    def commit(self, action: Callable[[], object]) -> None:
        """Run a commit; when another writer was quicker, wait and try again.

        Raises:
            StoreError: others are quicker all the time, or the disk refuses it.
        """
        from deltalake.exceptions import CommitFailedError, DeltaError

        for attempt in range(_ATTEMPTS):
            try:
                action()
            except CommitFailedError:
                if attempt == _ATTEMPTS - 1:
                    raise StoreError(
                        f"table {self.spec.name} is written by others all the time; try again later"
                    ) from None
                wait = random.uniform(0.5, 1) * min(0.1 * 2**attempt, _LONGEST_WAIT_S)  # noqa: S311 - spreads writers
                time.sleep(wait)
            except (DeltaError, OSError) as error:
                raise self._refused(error) from None
            else:
                return

    def _refused(self, error: Exception) -> StoreError:
        what = f"table {self.spec.name} cannot be written ({reason(error)}); check"
        if isinstance(self.folder, Bucket):
            return UnreachableError(f"{what} the bucket, the variables of AWS and the network")
        return StoreError(f"{what} the disk's free space and permissions")
