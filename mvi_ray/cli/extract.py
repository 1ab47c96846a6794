"""`mvi extract`: what is computed, or would be."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from mvi_ray.cli.console import marks, print_json, problems
from mvi_ray.cli.progress import duration, progress
from mvi_ray.cli.state import Json, exit_with, project
from mvi_ray.cli.streams import out

if TYPE_CHECKING:
    from mvi_ray.project.extraction import ExtractSummary
    from mvi_ray.project.forecast import Forecast

_GIB = 1024**3


def extract(
    family: Annotated[
        list[str] | None,
        typer.Option("--family", help="Only this family (CR, DLR, or a variant); repeat for more."),
    ] = None,
    cpus: Annotated[
        int | None,
        typer.Option(min=1, envvar="MVI_CPUS", help="Cores of this machine; by default all that it may use."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Address of a running Ray cluster; RAY_ADDRESS by default.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="File with the network's weights (DLR); MVI_WEIGHTS by default.")
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also try again what is in quarantine.")
    ] = False,
    time_limit: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Minutes for one image; by default 10, or 20 times what is predicted if that is more.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be computed, and how long it would take.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compute every feature that is missing. Stop it at any time: the next call goes on."""
    if dry_run:
        found = project().forecast(
            families=family, cpus=cpus, address=address, weights=weights, retry_failed=retry_failed
        )
        if as_json:
            print_json(found.to_json())
        else:
            forecast(found)
        return
    with progress(as_json=as_json) as show:
        summary = project().extract(
            families=family,
            cpus=cpus,
            address=address,
            weights=weights,
            retry_failed=retry_failed,
            unit_s=None if time_limit is None else 60 * time_limit,
            progress=show,
        )
    extracted(summary, as_json=as_json)
    exit_with(summary.left_out)


def forecast(found: Forecast) -> None:
    """After `mvi extract --dry-run`."""
    from rich.table import Table
    from rich.text import Text

    for region, masks in found.outdated.items():
        out().print(
            Text(f"Region {region} would first be made anew for {masks} masks; they stand in no figure here.")
        )
    if not found.families:
        out().print("Nothing to compute.")
    else:
        table = Table(title="To be computed", title_justify="left")
        for name in ("family", "units", "VOIs", "rows", "CPU time", "memory", "longest unit"):
            table.add_column(
                name, justify="left" if name in ("family", "longest unit") else "right", overflow="fold"
            )
        for one in found.families:
            table.add_row(
                one.family,
                f"{one.units:,}",
                f"{one.vois:,}",
                f"{one.rows:,}",
                duration(one.cpu_s),
                f"{one.memory_bytes / _GIB:.1f} GiB",
                Text(f"{one.largest}: {duration(one.largest_s)}"),
            )
        out().print(table)
        out().print(_in_all(found))
        if not all(one.calibrated_from for one in found.families):
            out().print(
                "Predicted from sizes alone: the store holds nothing like it yet that tells how quick "
                "its machines are.",
                style="yellow",
            )
    if found.quarantined:
        out().print(
            f"{found.quarantined} VOIs are in quarantine and would not be tried; "
            "see `mvi status --failed`, or use --retry-failed.",
            style="red",
        )


def _in_all(found: Forecast) -> str:
    of_one = f"{duration(found.cpu_s)} of one core"
    if found.cores is None or found.wall_s is None:
        return f"About {of_one}; how long that takes depends on the cluster, whose size is not known yet."
    cores = "1 core" if found.cores == 1 else f"{found.cores} cores"
    return f"About {duration(found.wall_s)} on {cores}, {of_one}."


def extracted(summary: ExtractSummary, *, as_json: bool) -> None:
    """After `mvi extract`."""
    if as_json:
        print_json(summary.to_json())
        return
    from rich.text import Text

    problems(summary.problems)
    for voi, reason, way_out in summary.failures:
        out().print(Text(f"{voi}: {reason}; {way_out}", "red"))
    if summary.planned == 0:
        out().print(f"Nothing to compute: {summary.complete} of {summary.wanted} VOIs are complete.")
    else:
        out().print(
            f"Computed {summary.computed} of {summary.planned} missing VOIs, {summary.values:,} values, "
            f"in {duration(summary.duration_s)}."
        )
    if summary.quarantined:
        out().print(
            f"{summary.quarantined} VOIs are in quarantine and were not tried again; "
            "see `mvi status --failed`, or use --retry-failed.",
            style="red",
        )
    if summary.elsewhere:
        out().print(f"{summary.elsewhere} VOIs are computed by another `mvi extract` on this store.")
    if summary.absent:
        out().print(f"{summary.absent} VOIs have no image or no mask; see `mvi status`.", style="yellow")
    marks(synthetic=summary.synthetic, trial=summary.trial_weights)
