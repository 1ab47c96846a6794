"""`mvi enrolment` and `mvi exclude`: who belongs to the study, and what is missing of whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mvi_ray.cli import console
from mvi_ray.cli.state import Json, project
from mvi_ray.cli.streams import err, out
from mvi_ray.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mvi_ray.project.clinical import Missing
    from mvi_ray.project.exclusion import Exclusion
    from mvi_ray.report.flow import Flow


Chart = Annotated[
    Path | None, typer.Option("--output", "-o", help="Flow chart, ending in .svg, .png or .html.")
]


def enrolment(
    to: Chart = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file also where it is no flow chart.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Count the patients from screening to the models, and draw the flow chart.

    Each patient leaves once: without images, without a tumour mask, by the criteria of the study in
    their order, or excluded by hand.
    """
    ending = None if to is None else to.suffix.lower()
    if ending not in (None, ".svg", ".png", ".html"):
        raise UsageError(f"{to} is no name of a flow chart; let it end in .svg, .png or .html")
    if to is not None and not force:
        _check_target(to)
    flow = project().enrolment()
    if to is not None:
        console.write_aside(to, lambda aside: aside.write_bytes(_drawn(flow, str(ending))))
    if as_json:
        console.print_json(flow.to_json())
        return
    _flow(flow)
    if to is not None:
        _line(f"Wrote {to}.")
    console.marks(synthetic=flow.synthetic, trial=False)


def exclude(
    patient: Annotated[
        str | None, typer.Argument(help="Pseudonym, as in the manifest; without it, list who is excluded.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, in a few words that name nobody.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Take the patient in again.")] = False,
    as_json: Json = False,
) -> None:
    """Take a patient out of cohorts and models by hand. It is recorded and counted, and deletes nothing."""
    found = project().exclude(patient, reason, undo=undo)
    if as_json:
        console.print_json({"exclusions": [one.to_json() for one in found]})
    elif patient is None:
        _exclusions(found)
    else:
        _line(f"{patient} is in the study again." if undo else f"{patient} is excluded; nothing was deleted.")
    if patient is not None and not undo:
        err().print(
            "The reason stands in the store and in the flow chart: it must hold nothing that tells who "
            "the patient is.",
            style="yellow",
        )


def _check_target(to: Path) -> None:
    """Refuse to write over a file that is no earlier flow chart."""
    from mvi_ray.report.enrolment import is_chart

    try:
        content = to.read_bytes() if to.is_file() else b""
    except OSError as error:
        raise UsageError(f"{to} cannot be read: {error.strerror}; name another file") from None
    if to.exists() and not is_chart(content):
        raise UsageError(f"{to} is there and no flow chart; name another file, or replace it with --force")


def _drawn(flow: Flow, ending: str) -> bytes:
    from mvi_ray.report.enrolment import enrolment_figure, enrolment_page

    if ending == ".html":
        return enrolment_page(flow).encode()
    return enrolment_figure(flow, kind="svg" if ending == ".svg" else "png")


def _line(text: str) -> None:
    from rich.text import Text

    out().print(Text(text))


def _flow(flow: Flow) -> None:
    from rich.table import Table
    from rich.text import Text

    for note in flow.notes:
        err().print(Text(note, "yellow"))
    table = Table(title="Enrolment", title_justify="left")
    table.add_column("step", overflow="fold")
    for name in ("leave", "not known", "stay"):
        table.add_column(name, justify="right")
    table.add_row("screened", "", "", str(flow.screened))
    for step in flow.steps:
        unknown = "" if not step.unknown else f"{step.unknown} {'removed' if step.unknown_left else 'kept'}"
        table.add_row(Text(step.title), str(step.removed + step.unknown_left), unknown, str(step.left))
        for reason, number in step.reasons:
            table.add_row(Text(f"  {reason}"), str(number), "", "")
    table.add_row("enrolled", "", "", str(flow.enrolled))
    for name, number in flow.cohorts.items():
        table.add_row(f"  cohort {name}", "", "", str(number))
    for what, number in (("outcome not known", flow.without_outcome), ("in no cohort", flow.without_cohort)):
        if number:
            table.add_row(f"  {what}", "", "", str(number))
    for model, counts in flow.models:
        numbers = " + ".join(str(number) for number in counts.values())
        table.add_row(Text(f"  model {model}"), "", "", numbers)
    out().print(table)


def _exclusions(found: Sequence[Exclusion]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not found:
        _line("Nobody is excluded by hand.")
        return
    table = Table(title="Excluded by hand (UTC)", title_justify="left")
    for name in ("patient", "reason", "excluded", "taken back"):
        table.add_column(name, overflow="fold")
    for one in found:
        undone = "" if one.undone_at is None else f"{one.undone_at:%Y-%m-%d %H:%M}"
        table.add_row(Text(one.patient), Text(one.reason), f"{one.excluded_at:%Y-%m-%d %H:%M}", undone)
    out().print(table)


def missing_values(found: Sequence[Missing]) -> None:
    """After `mvi ingest`: which clinical values patients lack, for each hospital."""
    from rich.table import Table
    from rich.text import Text

    if not found:
        return
    table = Table(title="Missing clinical values", title_justify="left")
    table.add_column("variable", overflow="fold")
    table.add_column("missing", justify="right")
    centres = list(found[0].centres)
    if centres != [""]:
        for centre in centres:
            table.add_column(Text(centre or "no centre"), justify="right", overflow="fold")
    for one in found:
        cells = [f"{one.missing} of {one.patients}"]
        if centres != [""]:
            cells += [f"{missing} of {patients}" for missing, patients in one.centres.values()]
        table.add_row(Text(one.name), *cells)
    out().print(table)
