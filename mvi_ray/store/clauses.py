"""Conditions as Delta and DuckDB read them, and what is said when DuckDB cannot read a table."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mvi_ray.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def condition(where: Mapping[str, Any]) -> str:
    """SQL of: each column has the given value, or one of several.

    Args:
        where: names of columns, which are not quoted, to a text, a number or a sequence of them.
    """
    terms = []
    for column, value in where.items():
        values = [value] if isinstance(value, str | int) else list(value)
        # Delta takes predicates as text only; a doubled quote is all that ends a literal.
        quoted = (str(v) if isinstance(v, int) else "'" + v.replace("'", "''") + "'" for v in values)
        terms.append(f"{column} IN ({', '.join(quoted)})")
    return " AND ".join(terms)


@contextmanager
def reading(table: str) -> Iterator[None]:
    """Say in words that the files of a table cannot be read.

    Raises:
        StoreError: DuckDB failed.
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        # Only these speak of files; others may show what stands in a cell.
        about_files = isinstance(error, duckdb.IOException | duckdb.InvalidInputException)
        reason = str(error).splitlines()[0] if about_files else type(error).__name__
        raise StoreError(f"table {table} cannot be read ({reason}); run `mvi store check --repair`") from None


def sql_type(kind: pa.DataType) -> str:
    """DuckDB's name of an Arrow type."""
    if pa.types.is_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    if pa.types.is_map(kind):
        return f"MAP({sql_type(kind.key_type)}, {sql_type(kind.item_type)})"
    simple = {
        pa.string(): "VARCHAR",
        pa.float64(): "DOUBLE",
        pa.date32(): "DATE",
        pa.float32(): "FLOAT",
        pa.int64(): "BIGINT",
        pa.bool_(): "BOOLEAN",
    }
    return "TIMESTAMPTZ" if pa.types.is_timestamp(kind) else simple[kind]
