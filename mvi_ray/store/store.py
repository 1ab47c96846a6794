"""The store: its tables, volumes, catalog and lock."""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from mvi_ray.errors import QueryError, StoreError
from mvi_ray.store.catalog import publish_catalog
from mvi_ray.store.schemas import TABLES
from mvi_ray.store.statement import check_statement
from mvi_ray.store.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import duckdb
    import pyarrow as pa

    from mvi_ray.store.catalog import Declarations

# Delta decodes `%20` and refuses the other signs; DuckDB takes a ? for the end of a path and
# reads a folder `reader=R9` as a partition with that column.
_MISREAD = re.compile(r"[\[\]^|?\\]|%[0-9A-Fa-f]{2}|/[^/=]+=")

_EMPTY = "the store is empty; run `mvi ingest` first"


class Store:
    """A study's data on disk.

    Args:
        root: the folder ``store/`` of a project; made on the first write.
        catalog: a catalog to ask instead of the newest one.

    Raises:
        StoreError: the path has a name in it that Delta or DuckDB would read otherwise.
    """

    def __init__(self, root: Path, catalog: Path | None = None) -> None:
        self.root = root.resolve()
        self.catalog = catalog or self.root / "mvi.duckdb"
        if _MISREAD.search(str(self.root)):
            raise StoreError(
                f"a store cannot lie under {self.root}; rename the folders that have "
                "[ ] ^ | ? \\ =, or a code such as %20, in their names"
            )

    @cached_property
    def tables(self) -> dict[str, Table]:
        """Every table by name, whether written or not."""
        return {name: Table(self.root / "tables" / name, spec) for name, spec in TABLES.items()}

    def pinned(self, catalog: Path, study: Declarations) -> Store:
        """The store as it is now, whatever is committed while it is read.

        Args:
            catalog: where a catalog of its own is published. Its views name files, and a commit
                leaves the files of earlier versions where they are.
            study: what is current.

        Raises:
            StoreError: nothing was ever written.
        """
        if not self.root.is_dir():
            raise StoreError(_EMPTY)
        publish_catalog(catalog, self.tables, study)
        return Store(self.root, catalog)

    def versions(self) -> dict[str, int]:
        """Version of each table that the catalog shows; tables never written are absent."""
        rows = self.query("SELECT table_name, version FROM raw.table_versions WHERE version IS NOT NULL")
        return {row["table_name"]: row["version"] for row in rows.to_pylist()}

    @contextmanager
    def locked(self, verb: str) -> Iterator[None]:
        """Hold the store for one writing command.

        The lock ends with its process, also when that is killed.

        Raises:
            StoreError: another command holds it.
        """
        from filelock import FileLock, Timeout

        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise StoreError(
                f"another mvi command is writing to this store; wait for it to end before `mvi {verb}`"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def publish(self, study: Declarations) -> None:
        """Write the catalog anew over what is committed now."""
        self.root.mkdir(parents=True, exist_ok=True)
        publish_catalog(self.catalog, self.tables, study)

    def is_published(self, study_digest: str) -> bool:
        """Whether the catalog shows this study and the newest commits, at this place."""
        import duckdb

        if not self.catalog.exists():
            return False
        try:
            with duckdb.connect(self.catalog, read_only=True) as connection:
                place = connection.execute("SELECT tables_folder, study_digest FROM catalog_info").fetchone()
                rows = connection.execute("SELECT table_name, version FROM raw.table_versions").fetchall()
        except duckdb.Error:
            return False
        there = {name: table.log_version for name, table in self.tables.items()}
        return place == (str(self.root / "tables"), study_digest) and dict(rows) == there

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that reads the catalog and nothing else.

        Raises:
            StoreError: there is no catalog yet.
        """
        import duckdb

        if not self.catalog.exists():
            raise StoreError(_EMPTY)
        with duckdb.connect(self.catalog, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET allowed_directories = [" + _quoted(self.root / "tables") + "]")
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

    def query(self, sql: str, values: Sequence[object] | dict[str, object] | None = None) -> pa.Table:
        """Run one SELECT with bound values.

        Raises:
            QueryError: it is no SELECT, or DuckDB refuses it.
        """
        import duckdb

        check_statement(sql)
        with self.connect() as connection:
            try:
                found = connection.sql(sql, params=values)
                return found.to_arrow_table()
            except duckdb.Error as error:
                raise QueryError(str(error)) from None


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
