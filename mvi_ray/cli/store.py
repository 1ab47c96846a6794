"""`mvi store …`: the store's history and its upkeep."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from mvi_ray.cli import console
from mvi_ray.cli.erased import erased
from mvi_ray.cli.progress import progress
from mvi_ray.cli.state import Json, exit_with, project
from mvi_ray.cli.streams import out
from mvi_ray.errors import UsageError

if TYPE_CHECKING:
    from mvi_ray.project.checking import CheckSummary
    from mvi_ray.project.erasure import EraseSummary
    from mvi_ray.project.garbage import GcSummary
    from mvi_ray.project.history import HistoryRow

app = typer.Typer(
    help="The store's history and its upkeep.", no_args_is_help=True, rich_markup_mode="markdown"
)


@app.command()
def history(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many of the newest states.")] = 50,
    as_json: Json = False,
) -> None:
    """List the states of the store that `--as-of` can show, the newest last."""
    rows = project().history(limit)
    if as_json:
        console.print_json({"history": [row.to_json() for row in rows]})
        return
    _history(rows)


@app.command()
def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended; `mvi extract` computes what went.")
    ] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Do not read the images and masks.")] = False,
    as_json: Json = False,
) -> None:
    """Check digests, keys, values, counts and catalog. Exit code 1 when damage is left."""
    with progress(as_json=as_json) as show:
        summary = project().check(repair=repair, volumes=not quick, progress=show)
    if as_json:
        console.print_json(summary.to_json())
    else:
        _checked(summary)
    if summary.errors:
        raise typer.Exit(1)


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    keep_days: Annotated[
        float | None,
        typer.Option(min=0, help="Keep files that were replaced so many days ago or later; 7 by default."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove feature sets that the study no longer names, and files that nothing needs.

    What a training read stays readable with --as-of. Other earlier states end, once what they need has been
    replaced for longer than --keep-days.
    """
    summary = project().gc(keep_days=keep_days, dry_run=dry_run)
    if as_json:
        console.print_json(summary.to_json())
    else:
        _collected(summary)


@app.command()
def erase(
    patient: Annotated[str, typer.Argument(help="Pseudonym, as in the manifest.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would go, and where the patient is named.")
    ] = False,
    keep_bundles: Annotated[
        bool, typer.Option("--keep-bundles", help="Keep the fitted models of runs that used the patient.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove a patient everywhere, and show by a search that nothing is left.

    Values, images, masks, log entries, matrices and pictures go, in earlier versions as well; runs
    that used the patient end, and so do the states of the store before. Exit code 3 when
    something is left, for example in a file of yours.
    """
    if not (yes or dry_run) and (as_json or not sys.stdin.isatty()):
        raise UsageError("nobody can be asked here; add --yes to erase, or --dry-run to look first")
    opened = project()
    if not yes or dry_run:
        with progress(as_json=as_json) as show:
            told = opened.erase(patient, dry_run=True, keep_bundles=keep_bundles, progress=show)
        _erased(told, as_json=as_json)
        if dry_run:
            exit_with(not told.is_absent)
            return
        if not (told.is_absent or typer.confirm("Erase? This cannot be undone.")):
            raise UsageError("nothing was removed")
    with progress(as_json=as_json) as show:
        summary = opened.erase(patient, keep_bundles=keep_bundles, progress=show)
    _erased(summary, as_json=as_json)
    exit_with(not summary.is_absent)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write, ending in .duckdb.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write all tables and views into one DuckDB file, to be asked without the store."""
    written = project().export_store(file, force=force)
    if as_json:
        console.print_json({"file": str(written), "bytes": written.stat().st_size})
    else:
        out().print(f"Wrote {written}.", soft_wrap=True)


def _erased(summary: EraseSummary, *, as_json: bool) -> None:
    if as_json:
        console.print_json(summary.to_json())
    else:
        erased(summary)


def _history(rows: list[HistoryRow]) -> None:
    from rich.table import Table

    table = Table(title="States of the store (UTC)", title_justify="left", box=None, pad_edge=False)
    for name in ("snapshot", "time", "command", "run", "--as-of"):
        # A run is there to be copied, so its name is never cut.
        table.add_column(name, justify="right" if name == "snapshot" else "left", no_wrap=True)
    for _, states in groupby(rows, lambda row: row.run_id or object()):
        one = list(states)
        first, last = one[0], one[-1]
        numbers = "" if last.snapshot is None else str(last.snapshot)
        table.add_row(
            f"{first.snapshot}–{numbers}" if len(one) > 1 else numbers,
            f"{last.created_at:%Y-%m-%d %H:%M:%S}",
            last.command,
            last.run_id or "",
            "yes" if last.readable else "gone",
        )
    out().print(table)
    out().print("A training writes nothing and has no number. --json lists the tables that changed.")


def _checked(summary: CheckSummary) -> None:
    from rich.table import Table
    from rich.text import Text

    read = "" if summary.volumes is None else f", {summary.volumes} images and masks read"
    if not summary.findings:
        out().print(f"Nothing wrong: files, keys, values, feature sets, counts and catalog{read}.")
        return
    table = Table(title="What the check found", title_justify="left")
    for name in ("", "check", "what was found", "way out"):
        table.add_column(name, overflow="fold")
    for one in summary.findings:
        mark = Text("damage", "red") if one.severity == "error" else Text("note", "yellow")
        if one in summary.repaired:
            mark = Text("mended", "green")
        table.add_row(mark, one.check, Text(one.what), Text(one.way_out))
    out().print(table)
    out().print(f"{summary.errors} of {len(summary.findings)} findings are damage that is left{read}.")


def _collected(summary: GcSummary) -> None:
    from rich.text import Text

    verb = "Would remove" if summary.dry_run else "Removed"
    for one in summary.stale:
        kind = one.image_type or one.family
        out().print(Text(f"{verb} feature set {one.feature_set_id} ({kind}): {one.rows:,} rows"))
    for kind, count in summary.counts.items():
        out().print(f"{verb} {kind}: {count:,} files, {summary.size[kind] / 2**20:,.1f} MiB")
    if summary.pinned_runs:
        out().print(f"What trainings read stays readable with --as-of: {summary.pinned_runs} of them.")
    for reason in summary.kept:
        out().print(Text(f"Kept {reason}", "yellow"))
