"""Which SQL may run: one SELECT or EXPLAIN, nothing that writes or loads."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING

from mvi_ray.errors import QueryError

if TYPE_CHECKING:
    import duckdb

# Only what has no comment inside or, save for whole lines, before it: where a comment ends is for
# DuckDB to say, and a text of which the two disagree could hide a COPY.
_EXPLAIN = re.compile(
    r"\A(\s|--[^\r\n]*\n)*EXPLAIN\b(\s+ANALYZE\b|\s*\([\w\s,]*\))?\s*(?=[^\s;])", re.IGNORECASE
)
# Functions that run a text as a statement of its own, out of reach of the check, change what the
# process does, or read memory.
_REFUSED = re.compile(
    r"json_execute_serialized_sql|query|from_substrait\w*|copy_database|import_database|pandas_scan"
    r"|\w*(checkpoint|external_resource|arrow_scan)\w*|(enable|disable|truncate|python|verify)_\w+"
    r"|add_parquet_key|write_log",
    re.IGNORECASE,
)
_READING = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})


def check_statement(text: str) -> str:
    """Return the text when it is one SELECT, or EXPLAIN of one.

    A read-only connection still runs COPY … TO, also inside WITH, and EXPLAIN ANALYZE runs what it
    explains, so the kind of statement is checked before anything runs.

    Raises:
        QueryError: it cannot be parsed, is several statements, or is of another kind.
    """
    kinds = _kinds(text)
    if len(kinds) != 1:
        raise QueryError(f"{len(kinds)} statements were given; give one SELECT")
    kind = kinds[0]
    if kind == "SELECT":
        _check_with(text)
        return text
    if kind == "EXPLAIN":
        explained, found = _EXPLAIN.subn("", text)
        if not found:
            raise QueryError("EXPLAIN stands behind or around a comment; begin with EXPLAIN SELECT")
        if _kinds(explained) == ["SELECT"]:
            _check_with(explained)
            return text
    raise QueryError(f"{kind} is not run here, the store is only read; give one SELECT or EXPLAIN SELECT")


def _kinds(text: str) -> list[str]:
    """The kind of each statement."""
    import duckdb

    try:
        return [statement.type.name for statement in duckdb.extract_statements(text)]
    except duckdb.Error as error:
        raise QueryError(str(error)) from None
    except ValueError:  # a kind that the Python package has no name for
        return ["This statement"]


def _check_with(select: str) -> None:
    """Refuse a SELECT whose WITH writes: its body may be INSERT, UPDATE, DELETE or COPY … TO.

    Raises:
        QueryError: it does.
    """
    # A cursor: several threads may check at once.
    with _parser().cursor() as connection:
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [select]).fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error", True):
        raise QueryError(f"the statement cannot be checked: {tree.get('error_message')}; give one SELECT")
    bodies = [tree]
    while bodies:
        part = bodies.pop()
        if isinstance(part, dict):
            called = part.get("function_name")
            if isinstance(called, str) and _REFUSED.fullmatch(called):
                raise QueryError(
                    f"the function {called} does more than read and is refused; give a plain SELECT"
                )
            body = part.get("query_node")
            if isinstance(body, dict) and body.get("type") not in _READING:
                raise QueryError(
                    "WITH holds a statement that writes, the store is only read; give one SELECT"
                )
        bodies.extend(part.values() if isinstance(part, dict) else part if isinstance(part, list) else ())


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """A database without content. Opening one takes longer than most statements take to check."""
    import duckdb

    return duckdb.connect(config={"threads": 1})


def check_predicate(text: str, what: str) -> duckdb.Expression:
    """A cohort predicate as one DuckDB expression.

    Raises:
        QueryError: it is not one expression.
    """
    import duckdb

    try:
        expression = duckdb.SQLExpression(text)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise QueryError(
            f"{what} is not one SQL condition: {text!r} ({reason}); write it as after WHERE"
        ) from None
    # It may hold a subquery, which must not do what no query may.
    check_statement(f"SELECT 1 WHERE (\n{text}\n)")
    return expression
