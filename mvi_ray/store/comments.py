"""Comments on what users see in the catalog, where `views.sql` gives none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.store.dictionary import definitions
from mvi_ray.store.schemas import TABLES

if TYPE_CHECKING:
    import duckdb

# Views that are named otherwise than the table whose columns they show.
_OF = {
    "cr_all": "cr",
    "cr_variants": "cr",
    "dlr_all": "dlr",
    "dlr_variants": "dlr",
    "imported_all": "imported",
}


def comment_on_everything(connection: duckdb.DuckDBPyConnection) -> None:
    """Put the meaning of each table and column into the catalog that is in use.

    A column gets the text of its own table, else that of a column of the same name elsewhere:
    a name means the same thing wherever it stands.
    """
    anywhere = {name: text for spec in reversed(TABLES.values()) for name, (_, text) in spec.columns.items()}
    measured = {
        name: f"{one.sentence} Unit: {'none' if one.unit == '1' else one.unit}."
        for name, one in definitions().items()
    }
    statements = []
    views = connection.execute(
        "SELECT view_name FROM duckdb_views() "
        "WHERE schema_name = 'main' AND database_name = current_database() AND comment IS NULL"
    ).fetchall()
    for (name,) in views:
        spec = TABLES.get(_OF.get(name, name))
        if spec is not None:
            statements.append(f"COMMENT ON VIEW {name} IS {_literal(spec.comment)}")
    columns = connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND database_name = current_database() AND comment IS NULL"
    ).fetchall()
    for table, column in columns:
        spec = TABLES.get(_OF.get(table, table))
        own = {} if spec is None else {name: text for name, (_, text) in spec.columns.items()}
        text = measured.get(column) or own.get(column) or anywhere.get(column)
        if table == "clinical":
            # Its columns bear the study's names, which may be those of anything.
            text = own.get(column) or "clinical variable that the study declares"
        if text is not None:
            quoted = '"' + column.replace('"', '""') + '"'
            statements.append(f"COMMENT ON COLUMN {table}.{quoted} IS {_literal(text)}")
    if statements:
        connection.execute(";\n".join(statements))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
