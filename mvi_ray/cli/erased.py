"""What `mvi store erase` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.cli.streams import out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mvi_ray.project.erasure import EraseSummary
    from mvi_ray.project.invalidated import InvalidRun
    from mvi_ray.store.search.traces import Trace

_SHOWN = 30


def erased(summary: EraseSummary) -> None:
    """After an erasure, or before it: what goes, what of it is left, and what the search read."""
    from rich.text import Text

    verb = "Would remove" if summary.dry_run else "Removed"
    if summary.dry_run and not summary.rows:
        out().print(
            "No table of the store names this patient: erased, never ingested, or misspelt (capital letters "
            "count).",
            style="yellow",
        )
    if summary.rows:
        rows = ", ".join(f"{count:,} of {name}" for name, count in summary.rows.items())
        out().print(f"{verb} rows, in earlier versions as well: {rows}")
    if summary.volumes:
        out().print(f"{verb} files of images and masks: {summary.volumes:,}")
    for run in summary.runs:
        out().print(Text(f"{verb} {_of_run(run, kept=summary.bundles_kept)}"))
    if summary.unfinished:
        out().print(f"{verb} unfinished runs: {len(summary.unfinished)}")
    if summary.runs:
        out().print("`mvi train` makes new ones without the patient.")
    if summary.rows:
        end = "end" if summary.dry_run else "ended"
        out().print(f"States of the store before the erasure {end}: `--as-of` shows none of them.")
    if summary.entries:
        out().print(f"Removed from the history of the SQL prompt: {summary.entries} entries")
    if summary.entries is None:
        out().print(
            "The history of the SQL prompt could not be changed; it may name the patient.", style="red"
        )
    _proof(summary)


def _of_run(run: InvalidRun, *, kept: bool) -> str:
    bundles = ", ".join(run.bundles)
    if not run.certain:
        doubt = "its matrices went with an earlier patient, nobody can tell whose values are in it"
        return ("nothing" if kept else f"bundles ({bundles})") + f" of run {run.run_id}: {doubt}"
    if not bundles:
        return f"run {run.run_id}: matrices, pictures, report, metrics"
    return f"run {run.run_id}: matrices, pictures, report, metrics" + (
        f"; its bundles stay ({bundles})" if kept else f", bundles ({bundles})"
    )


def _proof(summary: EraseSummary) -> None:
    proof = summary.proof
    where = "outside of the store" if summary.dry_run and summary.rows else "in the project directory"
    searched = f"{proof.files:,} files ({proof.size / 1e6:,.1f} MB)"
    out().print(
        f"Searched {searched} {where}; the search was shown to find plants of {len(proof.plants)} kinds: "
        f"{', '.join(proof.plants)}."
    )
    runs = {run.run_id for run in summary.runs} | set(summary.unfinished)
    left = [one for one in proof.traces if not (summary.dry_run and runs.intersection(one.path.parts[1:2]))]
    if left:
        _traces(left)
        out().print(
            f"Traces that are left: {len(left)}. Files of yours are never touched: clean or remove them, "
            "else the next ingest brings the patient back.",
            style="red",
        )
    elif not summary.dry_run or summary.is_absent:
        out().print("Nothing of the patient is left there.", style="green")
    out().print(
        "Not searched, and yours to clean: the manifest, clinical table and images that were ingested from "
        "elsewhere (the next ingest would bring the patient back), exports, backups, Ray's temporary folder, "
        "the history of your terminal."
    )


def _traces(traces: Sequence[Trace]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title="What is left of the patient", title_justify="left")
    for name in ("file", "kind", "what was found"):
        table.add_column(name, overflow="fold")
    for one in traces[:_SHOWN]:
        table.add_row(Text(str(one.path)), one.kind, Text(one.what))
    out().print(table)
    if len(traces) > _SHOWN:
        out().print(f"… {len(traces) - _SHOWN:,} more; --json lists all")
