"""`mvi features` and `mvi drift`: how good the features are, and where groups differ."""

from __future__ import annotations

import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from mvi_ray.cli import console
from mvi_ray.cli.console import marks
from mvi_ray.cli.progress import progress
from mvi_ray.cli.state import AsOf, Json, project
from mvi_ray.cli.streams import err, out
from mvi_ray.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from mvi_ray.project.drift import DriftReport
    from mvi_ray.project.feature_report import Detail, FeatureReport

_SHOWN = 40
"""Rows of a table of text unless --limit says another number."""


class Sort(StrEnum):
    """Orders of the features."""

    name = "name"
    icc = "icc"
    drift = "drift"
    missing = "missing"
    mean = "mean"


Patterns = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PATTERN]...",
        help="Names such as '*_glcm_*' or 'AP_*'; * stands for any text, upper and lower case are alike.",
    ),
]
Families = Annotated[
    list[str] | None, typer.Option("--family", help="Only this family (CR, DLR, …); repeat for more.")
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help=f"Number of features; {_SHOWN} in a table, all with --json or --output."),
]
To = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File for the whole table, ending in .csv, .json or .parquet."),
]


def features(
    patterns: Patterns = None,
    sort: Annotated[
        Sort | None, typer.Option(help="Order: by name, or the worst (of the mean the largest) first.")
    ] = None,
    flagged: Annotated[
        bool, typer.Option("--flagged", help="Only features that are constant, missing or duplicated.")
    ] = False,
    family: Families = None,
    limit: Limit = None,
    to: To = None,
    as_json: Json = False,
    as_of: AsOf = None,
) -> None:
    """Show how good each feature is: values, missing, agreement of readers, drift between centres.

    Without a pattern it sums up families and classes.
    """
    overview = not (patterns or sort or flagged or limit)
    with progress(as_json=as_json) as show:
        report = project().features(
            patterns or (),
            families=family or (),
            flagged=flagged,
            sort=(sort or Sort.name).value,
            limit=limit if as_json or to is not None else None,
            as_of=as_of,
            progress=show,
        )
    if to is not None:
        console.result(report.to_arrow(), None, to)
    if as_json:
        console.print_json(report.to_json())
        return
    if to is not None:
        _written(to, report.table.num_rows)
    elif overview:
        _summary(report)
    else:
        _features(report, limit)
    _end(report)


def drift(
    between: Annotated[
        tuple[str, str],
        typer.Option(
            help="Two SQL conditions over patients and clinical values: \"centre = 'A'\" \"centre = 'B'\"."
        ),
    ],
    patterns: Patterns = None,
    family: Families = None,
    limit: Limit = None,
    to: To = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the comparison into this file, ending in .svg or .png.")
    ] = None,
    as_json: Json = False,
    as_of: AsOf = None,
) -> None:
    """Show which features differ most between two groups of patients, such as centres or scanners."""
    kind = _kind(figure)
    with progress(as_json=as_json) as show:
        report = project().drift(
            *between, patterns=patterns or (), families=family or (), as_of=as_of, progress=show
        )
    if figure is not None and kind is not None:
        try:
            console.write_aside(figure, lambda aside: aside.write_bytes(report.figure(kind)))
        except OSError as error:
            raise UsageError(f"{figure} cannot be written: {error.strerror or error}") from None
    if to is not None:
        console.result(report.to_arrow().slice(0, limit), None, to)
    if as_json:
        console.print_json(report.to_json(limit))
        return
    _drift(report, None if to is not None else limit or _SHOWN)
    if to is not None:
        _written(to, report.to_arrow().slice(0, limit).num_rows)
    _end(report)


def _kind(figure: Path | None) -> Literal["svg", "png"] | None:
    """Format of a figure's file."""
    if figure is None:
        return None
    ending = figure.suffix.lower()
    if ending == ".svg":
        return "svg"
    if ending == ".png":
        return "png"
    raise UsageError(f"{figure.name} is no name of a figure; let it end in .svg or .png")


def _written(to: Path, rows: int) -> None:
    from rich.text import Text

    out().print(Text(f"Wrote {rows:,} features to {to}."))


def _end(report: FeatureReport | DriftReport) -> None:
    """Remarks and marks."""
    from rich.text import Text

    for note in report.notes:
        err().print(Text(note, "yellow"))
    marks(synthetic=report.synthetic, trial=report.trial_weights)


# Letters in a line of a file, on terminals below which some columns are left out, and of a name.
_FILE, _NARROW, _NAME = 200, 120, 24
_LONG = ("feature", "flags", "duplicate_of")


def _width() -> int:
    """Letters in a line of standard output."""
    return out().width if sys.stdout.isatty() else _FILE


def _table(title: str, rows: pa.Table, columns: Sequence[tuple[str, str, str]]) -> None:
    """Print columns of a table.

    Args:
        title: above it.
        rows: what is printed.
        columns: name in the table, heading, and how it is written: text, number, share, short
            or rate.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title,
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    cells = [[_cell(row[name], how) for name, _, how in columns] for row in rows.to_pylist()]
    for at, (name, heading, how) in enumerate(columns):
        widest = max((len(line[at]) for line in cells), default=0)
        table.add_column(
            heading,
            justify="left" if how == "text" else "right",
            overflow="fold",
            # Names and headings go over several lines; a number that lost digits would be another.
            min_width=min(widest, _NAME) if name in _LONG else widest,
        )
    for line in cells:
        table.add_row(*map(Text, line))
    wide = out()
    wide.width = _width()
    wide.print(table)


def _cell(value: Any, how: str) -> str:
    """One value as text."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "" if how == "text" else "–"
    if how == "share":
        return f"{100 * value:.0f} %" if value in (0, 1) else f"{100 * value:.1f} %"
    if how == "short":
        return f"{value:.2f}"
    if how == "rate":
        return f"{value:.2f}" if value >= 0.01 else f"{value:.0e}"
    if how == "number":
        return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return str(value)


def _summary(report: FeatureReport) -> None:
    columns = [
        ("family", "family", "text"),
        ("class", "class", "text"),
        ("features", "features", "number"),
        ("vois", "VOIs", "number"),
        ("missing", "missing", "share"),
    ]
    if len(report.readers) > 1:
        columns += [
            ("icc", "ICC", "short"),
            ("icc_good", "≥ 0.8", "number"),
            ("icc_fair", "0.5–0.8", "number"),
            ("icc_poor", "< 0.5", "number"),
        ]
    if len(report.centres) > 1:
        columns.append(("drifting", "drift", "number"))
    columns += [(name, heading, "number") for name, heading in _FLAGGED]
    _table("Features by family and class", report.summary, columns)
    out().print(
        "Medians: missing, ICC. Numbers of features: by ICC, drift (q < 0.05), constant, missing in "
        "more than 10 % of the VOIs, duplicates of another."
    )
    _explain(report)
    out().print("See more: mvi features '*_glcm_*'; mvi features --flagged; mvi features --sort icc")


_FLAGGED = (("constant", "const"), ("missing_many", "> 10 % miss"), ("duplicate", "dupl"))


def _explain(report: FeatureReport) -> None:
    """What ICC and drift were computed from."""
    from rich.text import Text

    if len(report.readers) > 1:
        out().print(Text(f"ICC(2,1) of readers {', '.join(report.readers)}."))
    else:
        out().print("No ICC: the study compares no readers (readers.compare).")
    if len(report.centres) > 1:
        sizes = ", ".join(f"{name} ({patients})" for name, patients in report.centres.items())
        out().print(
            Text(f"Drift: Kolmogorov-Smirnov distance of one centre from the others; centres {sizes}.")
        )


def _features(report: FeatureReport, limit: int | None) -> None:
    columns = [
        ("feature", "feature", "text"),
        ("vois", "VOIs", "number"),
        ("missing", "missing", "share"),
        ("mean", "mean", "number"),
        ("sd", "SD", "number"),
    ]
    if _width() >= _NARROW:
        columns += [("minimum", "min", "number"), ("maximum", "max", "number")]
    if len(report.readers) > 1:
        columns.append(("icc", "ICC", "short"))
    if len(report.centres) > 1:
        columns += [("drift", "drift", "short"), ("drift_q", "q", "rate"), ("drift_centre", "centre", "text")]
    shown = report.table.slice(0, limit or _SHOWN)
    if any(shown.column("flags").to_pylist()):
        columns.append(("flags", "flags", "text"))
    if any(shown.column("duplicate_of").to_pylist()):
        columns.append(("duplicate_of", "equal to", "text"))
    if not shown.num_rows:
        out().print("No feature is flagged.")
        return
    _table("Features", shown, columns)
    _more(report.table.num_rows - shown.num_rows)
    _explain(report)
    if report.detail is not None:
        _detail(report.detail)


def _more(rows: int) -> None:
    if rows > 0:
        out().print(f"… {rows:,} more; --limit shows more, --output FILE.csv writes all.")


def _detail(detail: Detail) -> None:
    """Definition and histogram of a single feature."""
    from rich.text import Text

    if detail.definition is not None:
        unit = "none" if detail.unit == "1" else detail.unit
        out().print(Text(f"{detail.definition} Unit: {unit}. IBSI: {detail.ibsi or 'no code'}."))
    most = max(detail.counts, default=0)
    for low, high, number in zip(detail.edges[:-1], detail.edges[1:], detail.counts, strict=True):
        bar = "█" * math.ceil(40 * number / most)
        out().print(Text(f"{low:>11.4g} – {high:<11.4g} {bar} {number}"))


def _drift(report: DriftReport, shown: int | None) -> None:
    from rich.text import Text

    columns = [
        ("feature", "feature", "text"),
        ("median_a", "median A", "number"),
        ("median_b", "median B", "number"),
        ("standardized_difference", "std. diff.", "short"),
        ("ks", "KS", "short"),
        ("q", "q", "rate"),
    ]
    if _width() >= _NARROW:
        columns[1:1] = [("n_a", "n A", "number"), ("n_b", "n B", "number")]
        columns.insert(-1, ("p", "p", "rate"))
    if shown is not None:
        _table("Features by how far the groups differ", report.table.slice(0, shown), columns)
        _more(report.table.num_rows - shown)
    for letter, condition, patients in zip("AB", report.conditions, report.patients, strict=True):
        out().print(Text(f"{letter}: {condition} ({patients} patients)"))
    by_chance = round(0.05 * report.tested)
    out().print(
        f"{report.found():,} of {report.tested:,} features differ at q < 0.05. With so many features "
        f"about {by_chance:,} have p < 0.05 by chance alone: read q, not p."
    )
    out().print(
        f"Over all patients: {report.constant:,} constant, {report.missing:,} missing in more than 10 % "
        f"of the VOIs, {report.duplicate:,} duplicates of another; see mvi features --flagged."
    )
