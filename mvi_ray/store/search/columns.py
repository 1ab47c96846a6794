"""What lies in columns: Parquet, DuckDB and NumPy files, decoded to their leaves and searched."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mvi_ray.store.search.matcher import is_text

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mvi_ray.store.search.matcher import Matcher

_BATCH = 32 << 20
_CATALOG = (
    *("schemas", "tables", "columns", "views", "constraints", "indexes", "types", "functions"),
    "sequences",
)
_WITHOUT_INTERNAL = {"constraints", "indexes", "sequences"}
_CLOSED = ("enable_external_access", "autoinstall_known_extensions", "autoload_known_extensions")


class Columns:
    """Searches tables, batch by batch.

    Args:
        matcher: the needles.
        found: counts what is found.
        take: is told the bytes of each batch, and may raise to end the search.
    """

    def __init__(self, matcher: Matcher, found: Counter[str], take: Callable[[int], None]) -> None:
        self._matcher = matcher
        self._found = found
        self._take = take

    def parquet(self, file: IO[bytes]) -> None:
        """Every column of every row group, and the footer."""
        import pyarrow.parquet as pq

        # Not through deltalake, whose reader aborted the interpreter.
        with pq.ParquetFile(file) as parquet:
            self._footer(parquet)
            for index in range(parquet.num_row_groups):
                group = parquet.metadata.row_group(index)
                row = 16 * group.num_columns + group.total_byte_size // max(group.num_rows, 1)
                for batch in parquet.iter_batches(max(_BATCH // row, 1), row_groups=[index]):
                    self._batch(batch)

    def duckdb(self, path: Path) -> None:
        """Every table of every schema, and what the catalog says: SQL of views, comments, types."""
        import duckdb

        # Views read Parquet files elsewhere; these are searched by themselves.
        config: dict[str, Any] = {**dict.fromkeys(_CLOSED, "false"), "lock_configuration": "true"}
        with duckdb.connect(path, read_only=True, config=config) as connection:
            for name in _CATALOG:
                own = "" if name in _WITHOUT_INTERNAL else "WHERE NOT internal"
                # The database's name is that of its file.
                self._query(connection, f"SELECT * EXCLUDE (database_name) FROM duckdb_{name}() {own}")  # noqa: S608
            tables = connection.sql(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal"
            ).fetchall()
            for table in tables:
                schema, name = (part.replace('"', '""') for part in table)
                self._query(connection, f'SELECT * FROM "{schema}"."{name}"')  # noqa: S608

    def numpy(self, file: IO[bytes]) -> None:
        """Strings, which NumPy stores in four bytes a letter, and numbers of an array.

        Raises:
            ValueError: it holds pickled objects.
        """
        array = np.lib.format.read_array(file, allow_pickle=False)
        names = array.dtype.names or ()
        self._names(names)
        for name in names or ("",):
            part = array[name] if names else array
            if part.dtype.kind == "S":
                part = np.char.decode(part, "utf-8", "replace")
            if part.dtype.kind in "UT":
                cells, counts = np.unique(part, return_counts=True)
                self._found.update(self._matcher.in_cells(cells.tolist(), counts.tolist(), name))
            elif part.dtype.kind == "f":
                self._found["value"] += self._matcher.numbers.in_array(part.ravel().astype(np.float64))
            elif part.dtype.kind == "V":
                raise NotImplementedError

    def _query(self, connection: Any, sql: str) -> None:
        for batch in connection.sql(sql).to_arrow_reader(8192):
            self._batch(batch)

    def _names(self, names: Sequence[str]) -> None:
        self._found.update(self._matcher.in_cells(names, [1] * len(names)))

    def _footer(self, parquet: Any) -> None:
        """Names of columns, key-values of file and fields, and the bounds of row groups."""
        schema = parquet.schema_arrow
        self._names([parquet.schema.column(i).path for i in range(len(parquet.schema))])
        for pairs in (parquet.metadata.metadata, *(schema.field(i).metadata for i in range(len(schema)))):
            for key, value in (pairs or {}).items():
                # Packed; what it holds are the fields' names and key-values.
                if key != b"ARROW:schema":
                    self._bytes(key)
                    self._bytes(value)
        numbers: list[float] = []
        for index in range(parquet.num_row_groups):
            group = parquet.metadata.row_group(index)
            for column in map(group.column, range(group.num_columns)):
                kind, bounds = column.physical_type, column.statistics
                if kind not in ("BYTE_ARRAY", "DOUBLE") or bounds is None or not bounds.has_min_max:
                    continue
                if kind == "DOUBLE":
                    numbers += (bounds.min, bounds.max)
                elif isinstance(bounds.min, str):
                    found = self._matcher.in_cells((bounds.min, bounds.max), (1, 1), column.path_in_schema)
                    self._found.update(found)
        self._found["value"] += self._matcher.numbers.in_array(np.array(numbers, np.float64))

    def _bytes(self, data: bytes) -> None:
        self._found.update(self._matcher.in_bytes(data, is_text=is_text(data)))

    def _batch(self, batch: Any) -> None:
        import pyarrow as pa

        self._take(batch.nbytes)
        numbers = []
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if pa.types.is_floating(column.type):
                numbers.append(_floats(column))
            else:
                self._array(column, name)
        if numbers:
            # All at once: a matrix has thousands of columns of a few hundred rows.
            table = np.stack(numbers)
            self._found["value"] += self._matcher.numbers.in_array(table.ravel())
            # An embedding in a matrix lies in columns side by side.
            self._found["value"] += self._matcher.numbers.in_pairs(table.T.ravel())

    def _array(self, array: Any, column: str) -> None:
        """Search the leaves of one column, whatever it is made of.

        Raises:
            NotImplementedError: it is of a kind that no file here has.
        """
        import pyarrow as pa

        kind, types = array.type, pa.types
        if isinstance(kind, pa.BaseExtensionType):
            self._array(array.storage, column)
        elif types.is_dictionary(kind):
            # With entries that no row uses any more.
            self._array(array.dictionary, column)
        elif types.is_struct(kind):
            for i in range(kind.num_fields):
                self._array(array.field(i), f"{column}.{kind.field(i).name}")
        elif types.is_map(kind):
            self._array(array.keys, f"{column}.key")
            self._array(array.items, f"{column}.value")
        elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
            self._array(array.flatten(), column)
        elif types.is_nested(kind) or types.is_run_end_encoded(kind):
            raise NotImplementedError
        else:
            self._leaf(array, column)

    def _leaf(self, array: Any, column: str) -> None:
        import pyarrow as pa

        kind, types = array.type, pa.types
        if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            counted = array.cast(pa.large_string()).drop_null().value_counts()
            cells, counts = counted.field(0).to_pylist(), counted.field(1).to_pylist()
            self._found.update(self._matcher.in_cells(cells, counts, column))
        elif types.is_floating(kind):
            self._found["value"] += self._matcher.numbers.in_array(_floats(array))
        elif types.is_integer(kind):
            whole = array.drop_null().to_numpy(zero_copy_only=False)
            self._found["pseudonym"] += self._matcher.in_whole_numbers(whole, column)
        elif not (types.is_primitive(kind) or types.is_null(kind)):  # bytes
            for cell in array.drop_null().to_pylist():
                self._bytes(bytes(cell) if isinstance(cell, bytes) else str(cell).encode())


def _floats(array: Any) -> Any:
    """Numbers of a column as float64; NULL is NaN."""
    return array.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
