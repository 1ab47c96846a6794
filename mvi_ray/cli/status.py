"""`mvi status`: what is there, what is missing, what failed and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mvi_ray.cli.console import marks, print_json
from mvi_ray.cli.progress import duration
from mvi_ray.cli.state import Json, project
from mvi_ray.cli.streams import out
from mvi_ray.voi import VOI_KEY

if TYPE_CHECKING:
    from mvi_ray.project.status import Status


def status(
    failed: Annotated[
        bool, typer.Option("--failed", help="Only what failed: reason, attempts, time, memory, traceback.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what is there, what is missing and what failed."""
    if failed:
        _failed(project().failed(), as_json=as_json)
    else:
        show(project().status(), as_json=as_json)


def _failed(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"failed": [{**row, "failed_at": row["failed_at"].isoformat()} for row in rows]})
        return
    from rich.text import Text

    if not rows:
        out().print("Nothing is in quarantine.")
    for row in rows:
        out().print(Text(f"{_case(row)} ({row['stage']})", "bold"))
        out().print(Text(f"  {row['reason']}; {row['way_out']}", "red"))
        facts = [f"{row['attempts']} attempts" if row["attempts"] not in (None, 0, 1) else ""]
        if row["duration_s"] is not None:
            facts.append(f"the last took {duration(row['duration_s'])}")
        if row["memory_bytes"] is not None:
            facts.append(f"its worker held {row['memory_bytes'] / 1024**3:.1f} GiB at most")
        facts.append(f"{row['failed_at']:%Y-%m-%d %H:%M} UTC")
        out().print(Text("  " + ", ".join(filter(None, facts))))
        for line in (row["traceback"] or "").splitlines():
            out().print(Text(f"    {line}", "dim"))


def _case(row: dict[str, Any]) -> str:
    parts = [row[k] for k in (*VOI_KEY, "family")]
    return " ".join(p for p in parts if p not in ("-", "baseline", None))


def show(found: Status, *, as_json: bool) -> None:
    """After `mvi status`."""
    if as_json:
        print_json(found.to_json())
        return
    from rich.table import Table
    from rich.text import Text

    outcome = "" if found.with_outcome is None else f", {found.with_outcome} with an outcome"
    out().print(Text(f"{found.study}: {found.patients} patients{outcome}, {found.images} images"))
    if found.not_enrolled:
        out().print(
            f"Not enrolled: {found.not_enrolled} of the patients screened, {found.excluded} of them by hand; "
            "see `mvi enrolment`."
        )
    table = Table(title="VOIs of the modelling reader", title_justify="left")
    columns = ("phase", "region", "family", "vois", "complete", "partial", "missing", "quarantine", "absent")
    # Columns without a single case only take the width from the names.
    rest = [n for n in columns[5:] if any(row[n] for row in found.coverage)]
    for name in (*columns[:5], *rest):
        table.add_column(name, justify="left" if name in columns[:3] else "right", overflow="fold")
    for row in found.coverage:
        table.add_row(*(str(row[name]) for name in (*columns[:5], *rest)))
    out().print(table)
    if found.quarantine:
        failed = Table(title="Quarantine", title_justify="left")
        for name in ("stage", "case", "what was found", "way out"):
            failed.add_column(name, overflow="fold")
        for row in found.quarantine:
            failed.add_row(row["stage"], *map(Text, (_case(row), row["reason"] or "", row["way_out"] or "")))
        out().print(failed)
    marks(synthetic=found.synthetic, trial=found.trial_weights)
