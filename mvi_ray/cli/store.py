"""`mvi store …`: the store's history and its upkeep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mvi_ray.cli import console
from mvi_ray.cli.state import Json, project
from mvi_ray.cli.streams import out

if TYPE_CHECKING:
    from mvi_ray.project.history import HistoryRow

app = typer.Typer(help="The store's history and its upkeep.", no_args_is_help=True)


@app.command()
def history(as_json: Json = False) -> None:
    """List the states of the store that `--as-of` can show."""
    rows = project().history()
    if as_json:
        console.print_json({"history": [row.to_json() for row in rows]})
        return
    _history(rows)


def _history(rows: list[HistoryRow]) -> None:
    from rich.table import Table

    table = Table(title="States of the store (UTC)", title_justify="left")
    for name in ("snapshot", "time", "command", "run", "changed tables", "--as-of"):
        table.add_column(name, justify="right" if name == "snapshot" else "left", overflow="fold")
    for row in rows:
        table.add_row(
            "" if row.snapshot is None else str(row.snapshot),
            f"{row.created_at:%Y-%m-%d %H:%M:%S}",
            row.command,
            row.run_id or "",
            ", ".join(row.changed),
            "yes" if row.readable else "files removed",
        )
    out().print(table)
