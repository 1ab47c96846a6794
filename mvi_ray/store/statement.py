"""Which SQL may run: one SELECT or EXPLAIN, nothing that writes or loads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mvi_ray.errors import QueryError

if TYPE_CHECKING:
    import duckdb

_EXPLAIN = re.compile(r"\s*EXPLAIN(\s+ANALYZE\b|\s*\([^)]*\))?", re.IGNORECASE)


def check_statement(text: str) -> str:
    """Return the text when it is one SELECT, or EXPLAIN of one.

    A read-only connection still runs COPY … TO, and EXPLAIN ANALYZE runs what it explains, so
    the kind of statement is checked before anything runs.

    Raises:
        QueryError: it cannot be parsed, is several statements, or is of another kind.
    """
    import duckdb

    found = _parse(text)
    if len(found) != 1:
        raise QueryError(f"{len(found)} statements were given; give one SELECT")
    statement = found[0]
    if statement.type == duckdb.StatementType.SELECT:
        return text
    if statement.type == duckdb.StatementType.EXPLAIN:
        inner = _parse(_EXPLAIN.sub("", _without_comments(statement.query), count=1))
        if len(inner) == 1 and inner[0].type == duckdb.StatementType.SELECT:
            return text
    raise QueryError(
        f"{statement.type.name} is not run here, the store is only read; give one SELECT or EXPLAIN SELECT"
    )


def _parse(text: str) -> list[duckdb.Statement]:
    import duckdb

    try:
        return duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise QueryError(str(error)) from None


def _without_comments(text: str) -> str:
    """Drop comments that stand before the first word."""
    return re.sub(r"\A(\s|--[^\n]*\n|/\*.*?\*/)*", "", text, flags=re.DOTALL)


def check_predicate(text: str, what: str) -> duckdb.Expression:
    """A cohort predicate as one DuckDB expression.

    Raises:
        QueryError: it is not one expression.
    """
    import duckdb

    try:
        return duckdb.SQLExpression(text)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise QueryError(
            f"{what} is not one SQL condition: {text!r} ({reason}); write it as after WHERE"
        ) from None
