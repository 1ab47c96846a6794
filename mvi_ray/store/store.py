"""The store: its tables, volumes, catalog and lock."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from mvi_ray.errors import QueryError, StoreError
from mvi_ray.store.catalog import export_catalog, publish_catalog
from mvi_ray.store.history import History
from mvi_ray.store.interrupt import interruptible
from mvi_ray.store.lock import hold
from mvi_ray.store.place import Bucket, let_read
from mvi_ray.store.schemas import ATTEMPTS, RECORDS, SCHEMA_VERSION, TABLES
from mvi_ray.store.statement import check_statement
from mvi_ray.store.statistics import is_current, refresh_statistics
from mvi_ray.store.tables import Snapshot, Table
from mvi_ray.store.upkeep import compact
from mvi_ray.store.version import check_schema_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import duckdb
    import pyarrow as pa

    from mvi_ray.store.declarations import Declarations
    from mvi_ray.store.history import Event, Moment
    from mvi_ray.store.place import Place

# Delta decodes `%20` and refuses the other signs; DuckDB takes a ? for the end of a path and
# reads a folder `reader=R9` as a partition with that column.
_MISREAD = re.compile(r"[\[\]^|?\\]|%[0-9A-Fa-f]{2}|/[^/=]+=")

_EMPTY = "the store is empty; run `mvi ingest` first"

# Files of one partition that are left side by side. Sorting a large table anew takes seconds, so
# it waits until queries would feel the number of files; of `masks` and `images` every query reads
# all files.
_LARGE = frozenset({"cr", "dlr", "imported"})
_OF_LARGE, _OF_SMALL = 8, 4

# Rows at a time: 100 MB of `cr`.
_BATCH = 122_880


class Store:
    """A study's data, in a folder or in a bucket.

    Args:
        root: the folder ``store/`` of a project, of a store in a bucket that of its catalog and
            lock; made on the first write.
        catalog: a catalog to ask instead of the newest one.
        place: where tables and volumes lie, when that is not `root`.

    Raises:
        StoreError: the path has a name in it that Delta or DuckDB would read otherwise.
    """

    def __init__(self, root: Path, catalog: Path | None = None, place: Bucket | None = None) -> None:
        self.root = root.resolve()
        self.place: Place = self.root if place is None else place
        self.catalog = catalog or self.root / "mvi.duckdb"
        if _MISREAD.search(str(self.root)):
            raise StoreError(
                f"a store cannot lie under {self.root}; rename the folders that have "
                "[ ] ^ | ? \\ =, or a code such as %20, in their names"
            )

    @cached_property
    def tables(self) -> dict[str, Table]:
        """Every table by name, whether written or not."""
        return {name: Table(self.place / "tables" / name, spec) for name, spec in TABLES.items()}

    @cached_property
    def history(self) -> History:
        """The snapshots recorded so far."""
        return History(self.tables)

    def pinned(self, catalog: Path, study: Declarations) -> Store:
        """The store as it is now, whatever is committed while it is read.

        Args:
            catalog: where a catalog of its own is published. Its views name files, and a commit
                leaves the files of earlier versions where they are.
            study: what is current.

        Raises:
            StoreError: nothing was ever written.
        """
        if not self.exists:
            raise StoreError(_EMPTY)
        publish_catalog(catalog, self.tables, self._snapshots(), study, self.catalog)
        return self._showing(catalog)

    @property
    def exists(self) -> bool:
        """Whether anything was ever written, from this machine or from another."""
        if isinstance(self.place, Bucket):
            return any(table.exists for table in self.tables.values())
        return self.root.is_dir()

    def _showing(self, catalog: Path) -> Store:
        return Store(self.root, catalog, self.place if isinstance(self.place, Bucket) else None)

    def export(self, file: Path, study: Declarations) -> None:
        """Write rows and views into one DuckDB file, see `export_catalog`.

        Args:
            file: where; a file that is there is replaced.
            study: what is current.

        Raises:
            StoreError: nothing was ever written, or the file cannot be written.
        """
        if not self.exists:
            raise StoreError(_EMPTY)
        export_catalog(file, self.tables, self._snapshots(), study)

    def as_of(self, catalog: Path, moment: Moment) -> Store:
        """The store as it was.

        Args:
            catalog: where a catalog of that state is published.
            moment: which one.

        Raises:
            StoreError: files of that state were removed.
        """
        self.history.check(moment)
        versions = moment.versions
        snapshots = {
            # The history itself is always that of today.
            name: table.snapshot()
            if name in RECORDS
            else table.snapshot(versions[name])
            if name in versions
            else Snapshot(None, ())
            for name, table in self.tables.items()
        }
        publish_catalog(catalog, self.tables, snapshots, moment.study, self.catalog)
        return self._showing(catalog)

    def _snapshots(self) -> dict[str, Snapshot]:
        return {name: table.snapshot() for name, table in self.tables.items()}

    def versions(self) -> dict[str, int]:
        """Version of each table that the catalog shows; tables never written are absent."""
        rows = self.query("SELECT table_name, version FROM raw.table_versions WHERE version IS NOT NULL")
        return {row["table_name"]: row["version"] for row in rows.to_pylist()}

    @contextmanager
    def locked(self, verb: str, *, patient: bool = False) -> Iterator[None]:
        """Hold the store alone, for one writing command.

        The lock ends with its process, also when that is killed.

        Args:
            verb: the command, for what another one is told.
            patient: wait for those who hold it for a moment only.

        Raises:
            StoreBusyError: another command holds it.
            StoreError: the store may not be written.
        """
        with hold(self.root / ".lock", verb, patient=patient):
            yield

    @contextmanager
    def shared(self, verb: str) -> Iterator[None]:
        """Hold the store beside others who share it: extractions, which write rows of their own.

        Raises:
            StoreBusyError: a command holds it alone.
            StoreError: the store may not be written.
        """
        with hold(self.root / ".lock", verb, shared=True, patient=True):
            yield

    def publish(self, study: Declarations, event: Event | None = None) -> None:
        """Write the catalog anew over what is committed now.

        Args:
            study: what is current.
            event: the command that wrote; the state is recorded in the history then.
        """
        from filelock import FileLock

        self.root.mkdir(parents=True, exist_ok=True)
        # Of two at once the later one must not put an older state in place.
        with FileLock(self.root / ".publish.lock"):
            snapshots = self._snapshots()
            if event is not None:
                self.history.record(snapshots, study, event)
                snapshots |= {name: self.tables[name].snapshot() for name in RECORDS}
            publish_catalog(self.catalog, self.tables, snapshots, study)

    def settle(self, study: Declarations, event: Event) -> None:
        """At the end of a writing command: join small files, renew statistics, publish."""
        from filelock import FileLock

        # Two extractions may end at once; statistics are written in two commits that belong together.
        with FileLock(self.root / ".settle.lock"):
            for name in self.tables.keys() - {ATTEMPTS.name}:
                compact(self.tables[name], _OF_LARGE if name in _LARGE else _OF_SMALL)
            if not is_current(self):
                self.publish(study)
                refresh_statistics(self)
            self.publish(study, event)

    def is_published(self, study_digest: str) -> bool:
        """Whether the catalog shows this study and the newest commits, at this place."""
        import duckdb

        if not self.catalog.exists():
            return False
        try:
            with duckdb.connect(self.catalog, read_only=True) as connection:
                # A catalog that an earlier program published lacks views of this one.
                place = connection.execute(
                    "SELECT tables_folder, study_digest, schema_version FROM catalog_info "
                    "WHERE EXISTS (FROM duckdb_views() WHERE view_name = 'cr_variants')"
                ).fetchone()
                rows = connection.execute("SELECT table_name, version FROM raw.table_versions").fetchall()
        except duckdb.Error:
            return False
        # What extractions hold changes every minute, and no view shows it.
        there = {name: table.log_version for name, table in self.tables.items() if name != ATTEMPTS.name}
        shown = {name: version for name, version in rows if name != ATTEMPTS.name}
        return place == (str(self.place / "tables"), study_digest, SCHEMA_VERSION) and shown == there

    @contextmanager
    def connect(self, **settings: int | bool | str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that reads the catalog and nothing else.

        Args:
            settings: of DuckDB, for example ``threads=1``.

        Raises:
            StoreError: there is no catalog yet, or it is of another schema version.
        """
        import duckdb

        if not self.catalog.exists():
            raise StoreError(_EMPTY)
        with duckdb.connect(self.catalog, read_only=True) as connection:
            _check_catalog(connection)
            let_read(connection, self.place)
            connection.execute("SET TimeZone = 'UTC'")
            # It would go to standard output, into results.
            connection.execute("SET enable_progress_bar = false")
            for name, value in settings.items():
                connection.execute(f"SET {name} = '{value}'")
            connection.execute("SET allowed_directories = [" + _quoted(self.place / "tables") + "]")
            # Order matters: these cannot be taken back, by a query least of all.
            for setting in (
                # Else a table that does not exist is looked up among variables of Python.
                "python_enable_replacements = false",
                "autoinstall_known_extensions = false",
                "autoload_known_extensions = false",
                "enable_external_access = false",
                "lock_configuration = true",
            ):
                connection.execute(f"SET {setting}")
            yield connection

    def query(self, sql: str, values: Sequence[object] | Mapping[str, object] | None = None) -> pa.Table:
        """Run one SELECT with bound values.

        Raises:
            QueryError: it is no SELECT, or DuckDB refuses it.
        """
        import duckdb

        check_statement(sql)
        with self.connect() as connection:
            try:
                return interruptible(connection, lambda: connection.sql(sql, params=values).to_arrow_table())
            except duckdb.Error as error:
                raise QueryError(str(error)) from None

    @contextmanager
    def stream(self, sql: str, values: Mapping[str, object]) -> Iterator[pa.RecordBatchReader]:
        """Run one SELECT of this program and hand out its rows in batches, in no order."""
        # Wide rows are joined to narrow ones that stand on the right: DuckDB swaps the two and then
        # holds the wide ones in memory, which takes a half longer (2.0.0).
        with self.connect(
            preserve_insertion_order=False, disabled_optimizers="build_side_probe_side"
        ) as connection:
            yield connection.sql(sql, params=values).to_arrow_reader(_BATCH)


def _check_catalog(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a catalog that another version of the program published."""
    import duckdb

    try:
        row = connection.execute("SELECT schema_version FROM catalog_info").fetchone()
    except duckdb.Error:  # of a time when it said none, or no catalog of this program
        row = None
    check_schema_version(row[0] if row else None, "the catalog mvi.duckdb")


def _quoted(path: Place) -> str:
    return "'" + str(path).replace("'", "''") + "'"
