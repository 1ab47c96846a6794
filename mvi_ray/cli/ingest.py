"""`mvi ingest` and `mvi key`: from files and DICOM to a manifest, from the manifest into the store."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mvi_ray.cli import console, enrolment, quality_page
from mvi_ray.cli.progress import progress
from mvi_ray.cli.state import Json, State, exit_with, project
from mvi_ray.cli.streams import out
from mvi_ray.errors import UsageError

if TYPE_CHECKING:
    from mvi_ray.ingest.proposal.row import ProposedRow
    from mvi_ray.ingest.pseudonym import Identify
    from mvi_ray.project.proposing import DicomSource, FileSource, ProposeSummary

_SHOWN = 40
"""Rows of the table, beside those that wait for a person."""
_KEY = "MVI_KEY_FILE"
_PROPOSED = "manifest.csv"


def ingest(  # noqa: PLR0913 - one parameter for each option
    manifest: Annotated[
        Path | None, typer.Argument(help="CSV with patient_id, phase, image, mask; see below.")
    ] = None,
    clinical: Annotated[
        list[Path] | None,
        typer.Option(help="CSV, .xlsx, .ods or Parquet with clinical values; repeat for more tables."),
    ] = None,
    *,
    scan: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Propose a manifest from masks in this folder.")
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(help='How paths of masks are named: "{patient}/{phase}_{reader}.seg.nrrd".'),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN", help="With --scan: how paths of images are named; beside the masks by default."
        ),
    ] = None,
    dicom: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Propose a manifest from DICOM in this folder.")
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --dicom: masks as files, found by --pattern in this folder."),
    ] = None,
    crosswalk: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV with identifier and patient_id, outside the project."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help=f"Secret key for pseudonyms, of `mvi key`; with --dicom also {_KEY}."
        ),
    ] = None,
    make_key: Annotated[bool, typer.Option("--make-key", help="Write the file of --key if absent.")] = False,
    trust_ids: Annotated[
        bool, typer.Option("--trust-ids", help="The PatientIDs of DICOM files are pseudonyms already.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help=f"Where the proposed manifest goes; {_PROPOSED} by default.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace that manifest if it is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the proposal, write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ingest the proposed manifest at once.")] = False,
    no_pictures: Annotated[
        bool, typer.Option("--no-pictures", help="Leave quality.html as it is; `mvi quality` writes it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take images, masks and clinical values into the store.

    The manifest has one line for each drawn mask: patient_id, phase, image, mask, and, where
    needed, series, part, session, lesion, reader, region, label, segment, organ_mask, organ_label,
    centre. Paths are relative to it. Cases with a problem are listed and left out; the others go in.
    The same files are not read twice. At the end quality.html shows every tumour on its image.

    With --scan or --dicom the manifest is proposed: it is written to be checked and edited, and
    nothing is stored before it is ingested. Fields of a pattern are patient, phase, reader, lesion,
    session, region and centre; * stands for any text, **/ for any folders.
    """
    source = _source(scan, dicom, masks, pattern, images)
    _check(manifest, source, dry_run=dry_run, yes=yes, trust_ids=trust_ids)
    if source is None and (output is not None or force):
        raise UsageError(
            "--output and --force are about a proposed manifest, of --scan or --dicom; leave them out"
        )
    target = None if dry_run else output or Path(_PROPOSED)
    key = key or _key_of_surroundings(dicom)
    identify = _identify(crosswalk, key, make_key=make_key, trust_ids=trust_ids)
    if source is None:
        _ingest(manifest, clinical, identify, key, pictures=not no_pictures, as_json=as_json)
        return
    with progress(as_json=as_json) as show:
        found = project().propose(source, target, identify=identify, force=force, progress=show)
    if not as_json:
        _proposed(found)
    if yes and found.manifest is not None:
        _ingest(
            found.manifest, clinical, identify, key, pictures=not no_pictures, as_json=as_json, proposal=found
        )
        return
    if as_json:
        console.print_json(found.to_json())
    else:
        more = _options(clinical, crosswalk, key) if clinical else []
        _next(found, more, dry_run=dry_run)
    exit_with(found.left_out)


def key(
    file: Annotated[Path, typer.Argument(help="Where the key goes: outside of every project directory.")],
) -> None:
    """Write a secret key, from which `mvi ingest --key` makes pseudonyms.

    Keep it as you keep the list of patients, and keep a copy: who has it can find out whose a pseudonym
    is, and without it the same patients get other pseudonyms.
    """
    from mvi_ray.ingest.pseudonym import make_key

    make_key(file)
    out().print("Wrote the key, readable for you alone. Keep a copy in a safe place outside the project.")


def _source(
    scan: Path | None, dicom: Path | None, masks: Path | None, pattern: str | None, images: str | None
) -> FileSource | DicomSource | None:
    from mvi_ray.project.proposing import DicomSource, FileSource

    if scan is not None and dicom is not None:
        raise UsageError("--scan and --dicom are two ways; with --dicom masks are named by --masks")
    if scan is not None:
        if pattern is None or masks is not None:
            raise UsageError('--scan needs --pattern, as in --pattern "{patient}_{phase}.seg.nrrd"')
        return FileSource(scan, pattern, images)
    if images is not None:
        raise UsageError("--images goes with --scan")
    if dicom is not None:
        return DicomSource(dicom, masks, pattern)
    if masks is not None or pattern is not None:
        raise UsageError("--pattern goes with --scan, and --masks with --dicom")
    return None


def _check(
    manifest: Path | None,
    source: FileSource | DicomSource | None,
    *,
    dry_run: bool,
    yes: bool,
    trust_ids: bool,
) -> None:
    if manifest is not None and source is not None:
        raise UsageError("give a manifest, or --scan or --dicom to propose one; --output names its file")
    if dry_run and yes:
        raise UsageError("--dry-run writes nothing and --yes ingests; leave one of them out")
    if source is None and (dry_run or yes or trust_ids):
        raise UsageError("--dry-run, --yes and --trust-ids go with --scan or --dicom")


def _key_of_surroundings(dicom: Path | None) -> Path | None:
    # Names in files and manifests are pseudonyms by contract; only a PatientID never is.
    named = os.environ.get(_KEY)
    return Path(named) if named and dicom is not None else None


def _identify(
    crosswalk: Path | None, key: Path | None, *, make_key: bool, trust_ids: bool
) -> Identify | None:
    from mvi_ray.ingest import pseudonym
    from mvi_ray.ingest.crosswalk import read_crosswalk

    if trust_ids:
        if crosswalk is not None or key is not None or make_key:
            raise UsageError("--trust-ids takes identifiers as they are; leave --crosswalk and --key out")
        return pseudonym.trusted
    if make_key:
        if key is None:
            raise UsageError("--make-key needs --key FILE: where it goes")
        if not key.exists():
            pseudonym.make_key(key)
    if crosswalk is None and key is None:
        return None
    return pseudonym.Identities(
        None if crosswalk is None else read_crosswalk(crosswalk),
        None if key is None else pseudonym.read_key(key),
    )


def _ingest(
    manifest: Path | None,
    clinical: list[Path] | None,
    identify: Identify | None,
    key: Path | None,
    *,
    pictures: bool,
    as_json: bool,
    proposal: ProposeSummary | None = None,
) -> None:
    from mvi_ray.ingest.pseudonym import read_key

    dates_key = None if key is None else read_key(key)
    opened = project()
    with progress(as_json=as_json) as show:
        summary = opened.ingest(manifest, clinical, identify=identify, dates_key=dates_key, progress=show)
        page = opened.quality_page(progress=show) if pictures and manifest is not None else None
    if as_json and proposal is not None:
        console.print_json({"proposal": proposal.to_json(), **summary.to_json()})
    else:
        console.ingested(summary, as_json=as_json)
        if not as_json:
            enrolment.missing_values(summary.missing)
            if page is not None and page.pictures:
                quality_page.written(page)
    exit_with(summary.left_out + (0 if proposal is None else proposal.errors))


def _proposed(found: ProposeSummary) -> None:
    from rich.text import Text

    _table(found)
    console.problems(found.problems)
    for note in found.notes:
        out().print(Text(note, "yellow"))
    rows = f"{len(found.rows)} row{'' if len(found.rows) == 1 else 's'}"
    out().print(f"Proposed {rows} of {found.patients} patient{'' if found.patients == 1 else 's'}.")
    if found.open:
        which = "1 of them waits" if found.open == 1 else f"{found.open} of them wait"
        out().print(f"{which} for you: a cell is blank. `mvi ingest` names such lines.", style="red")
    console.marks(synthetic=found.synthetic, trial=False)


def _table(found: ProposeSummary) -> None:
    from rich.table import Table
    from rich.text import Text

    if not found.rows:
        return
    lines = [_cells(row, line) for line, row in enumerate(found.rows, start=2)]
    waiting = [not row.is_ready for row in found.rows]
    shown = [at for at, waits in enumerate(waiting) if waits or at < _SHOWN]
    # Columns in which all rows say the same usual thing only take the width from others.
    usual = {"session": {"baseline"}, "series": {""}, "image": {""}, "slices": {""}, "part": {""}}
    names = [n for n in lines[0] if {line[n] for line in lines} != usual.get(n)]
    table = Table(title="Proposed manifest", title_justify="left")
    for name in names:
        numbers = name in ("line", "slices", "part")
        # Half a key finds nothing.
        table.add_column(
            name, justify="right" if numbers else "left", no_wrap=name == "series", overflow="fold"
        )
    for at in shown:
        style = "red" if waiting[at] else ""
        table.add_row(*(Text(lines[at][name], style) for name in names))
    out().print(table)
    if len(shown) < len(lines):
        out().print(f"… {len(lines) - len(shown)} more rows, all of them complete.")


def _cells(row: ProposedRow, line: int) -> dict[str, Any]:
    drawn = row.drawn
    mask = ("other phase" if row.is_served else "-") if drawn is None else drawn.kind
    return {
        "line": str(line),
        "patient": row.patient or "?",
        "session": row.session,
        "phase": row.phase or "?",
        "series": row.series,
        "image": row.seen,
        "slices": "" if row.slices is None else str(row.slices),
        "part": "" if row.part is None else str(row.part),
        "mask": mask,
        "remarks": "; ".join(row.remarks),
    }


def _options(clinical: list[Path], crosswalk: Path | None, key: Path | None) -> list[str]:
    named = (*(("--clinical", one) for one in clinical), ("--crosswalk", crosswalk), ("--key", key))
    return [text for option, path in named if path is not None for text in (option, str(path))]


def _next(found: ProposeSummary, options: list[str], *, dry_run: bool) -> None:
    from rich.text import Text

    if dry_run or found.manifest is None:
        out().print("Nothing was written.")
        return
    place = [] if State.folder == Path() else ["-C", str(State.folder)]
    command = shlex.join(["mvi", *place, "ingest", str(found.manifest), *options])
    out().print(
        Text(
            f"Wrote {found.manifest}. Nothing is stored yet.\n"
            f"Next: read it through, correct what is wrong, then\n  {command}"
        )
    )
