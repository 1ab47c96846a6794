"""`mvi import` and `mvi export`: features from other tools, and for them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path  # noqa: TC003 - Typer reads annotations when it starts
from typing import TYPE_CHECKING, Annotated

import typer

from mvi_ray.cli import console
from mvi_ray.cli.state import AsOf, Json, exit_with, project
from mvi_ray.cli.streams import out

if TYPE_CHECKING:
    from mvi_ray.project.exporting import ExportSummary
    from mvi_ray.project.importing import ImportSummary

_Names = list[str] | None


def import_features(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or Arrow file with features.")],
    family: Annotated[str, typer.Option(help="Name of the family that the features become.")],
    layout: Annotated[
        str, typer.Option(help="How the file looks: auto, pyradiomics, fae, mirp, wide, long.")
    ] = "auto",
    key: Annotated[
        _Names,
        typer.Option(metavar="PART=COLUMN", help="Column with a part of the key; repeat for more."),
    ] = None,
    constant: Annotated[
        _Names,
        typer.Option("--set", metavar="PART=VALUE", help="A part of the key that is one value in all rows."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="How columns are named, as {phase}_{region}_{feature}."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and report, write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Take features that another tool computed into the store, as a family of their own.

    Parts of the key are patient_id, session, phase, lesion, region and reader. Rows with a problem
    are listed and left out; the others go in. The same file a second time changes nothing.
    """
    from mvi_ray.ingest.features import KeyRules

    rules = KeyRules.of(key or (), constant or (), columns)
    summary = project().import_features(file, family, rules, layout=layout, dry_run=dry_run)
    if as_json:
        console.print_json(summary.to_json())
    else:
        _imported(summary)
    exit_with(summary.left_out)


def _imported(summary: ImportSummary) -> None:
    from rich.table import Table
    from rich.text import Text

    console.problems(summary.problems)
    if summary.dropped:
        grouped = defaultdict(list)
        for name, reason in summary.dropped.items():
            grouped[reason].append(name)
        table = Table(title="Columns that stay outside", title_justify="left")
        for name in ("reason", "number", "columns"):
            table.add_column(name, justify="right" if name == "number" else "left", overflow="fold")
        for reason, names in grouped.items():
            shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
            table.add_row(*map(Text, (reason, str(len(names)), shown)))
        out().print(table)
    for note in summary.notes:
        out().print(Text(note, "yellow"))
    made = f" of {summary.software}" if summary.software else ""
    vois = summary.new + summary.replaced + summary.unchanged
    what = (
        f"{_many(vois, 'VOI')} of {_many(summary.patients, 'patient')} with "
        f"{_many(summary.features, 'feature')}{made}"
    )
    counts = f"{summary.new} new, {summary.replaced} replaced, {summary.unchanged} as stored"
    if summary.dry_run:
        out().print(Text(f"Would import {what}, as family {summary.family}: {counts}. Nothing was written."))
    elif summary.run_id is None:
        out().print(Text(f"Nothing to import: {what} are in family {summary.family} already."))
    else:
        out().print(Text(f"Imported {what}, as family {summary.family}: {counts}."))
    if summary.left_out:
        out().print(f"{summary.left_out} left out: correct them and run the same command again.", style="red")
    console.marks(synthetic=summary.synthetic, trial=False)


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def export(  # noqa: PLR0913 - one parameter for each option
    file: Annotated[Path, typer.Argument(help="File to write: .parquet, .csv, .arrow or .feather.")],
    *,
    family: Annotated[
        _Names, typer.Option(help="Only this family: CR, DLR or an imported one; repeat for more.")
    ] = None,
    phase: Annotated[_Names, typer.Option(help="Only this phase; repeat for more.")] = None,
    region: Annotated[_Names, typer.Option(help="Only this region; repeat for more.")] = None,
    image_type: Annotated[
        _Names, typer.Option(help="Of family CR only this image type; repeat for more.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The matrix of this model instead, with cohort and outcome.")
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="A row for each value.")] = False,
    as_of: AsOf = None,
    with_clinical: Annotated[
        bool, typer.Option("--with-clinical", help="Also the patient's clinical values.")
    ] = False,
    with_times: Annotated[
        bool, typer.Option("--with-times", help="Also when a row's values were computed (UTC).")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write features to a file: a row for each patient, session and lesion.

    Columns are named as in the matrices of models. Values are those of the modelling reader under the
    study's current settings, exactly as stored.
    """
    from mvi_ray.project.exporting import Choice

    choice = Choice(
        family or (),
        phase or (),
        region or (),
        image_type or (),
        model,
        long=long,
        with_clinical=with_clinical,
        with_times=with_times,
    )
    summary = project().export(file, choice, as_of=as_of, force=force)
    if as_json:
        console.print_json(summary.to_json())
    else:
        _exported(summary)
    exit_with(summary.left_out)


def _exported(summary: ExportSummary) -> None:
    from rich.text import Text

    for note in summary.notes:
        out().print(Text(note, "yellow"))
    out().print(
        Text(
            f"Wrote {_many(summary.rows, 'row')} × {_many(summary.columns, 'column')} of "
            f"{_many(summary.patients, 'patient')} "
            f"to {summary.file}."
        )
    )
    out().print("The file holds patient data outside the store: `mvi store erase` does not reach it.")
    console.marks(synthetic=summary.synthetic, trial=summary.trial_weights)
