"""What commands print: results to stdout, progress and remarks to stderr."""

from __future__ import annotations

import io
import json
import math
import shutil
import sys
from contextlib import redirect_stdout
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import typer

from mvi_ray.cli.streams import err, out
from mvi_ray.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

    from mvi_ray.ingest.problem import Problem
    from mvi_ray.project.extraction import ExtractSummary
    from mvi_ray.project.ingestion import IngestSummary
    from mvi_ray.project.project import Project
    from mvi_ray.project.training import TrainSummary

_SYNTHETIC = "SYNTHETIC cohort: its images are made by a program. Nothing here says anything about patients."
_TRIAL = "Trial weights: the embeddings (DLR) come from a random network and mean nothing."


class Output(StrEnum):
    """Formats of a query's result."""

    table = "table"
    csv = "csv"
    json = "json"
    parquet = "parquet"


def synthetic_notice() -> None:
    """Say at the start that a cohort is synthetic."""
    err().print(_SYNTHETIC, style="bold yellow")


def marks(*, synthetic: bool, trial: bool) -> None:
    """Say what makes figures meaningless."""
    for flag, text in ((synthetic, _SYNTHETIC), (trial, _TRIAL)):
        if flag:
            out().print(text, style="yellow")


def print_json(content: Any) -> None:
    """Print one JSON object."""
    typer.echo(json.dumps(_valid(content), indent=2, ensure_ascii=False, default=str, allow_nan=False))


def _valid(content: Any) -> Any:
    """NaN and infinity as null, which is all that JSON has for them."""
    if isinstance(content, dict):
        return {str(key): _valid(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_valid(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def created(project: Project) -> None:
    """After `mvi init`."""
    from rich.text import Text

    text = (
        f"Wrote {project.folder / 'study.yaml'}.\n"
        "Next: read it through and set phases, outcome and models, then\n"
        f"  mvi -C {project.folder} ingest manifest.csv --clinical clinical.csv"
    )
    out().print(Text(text))


def problems(found: tuple[Problem, ...]) -> None:
    """List problems with their way out."""
    from rich.table import Table
    from rich.text import Text

    if not found:
        return
    table = Table(title="Problems", title_justify="left", show_lines=False)
    for name in ("", "line", "case", "what was found", "way out"):
        table.add_column(name, overflow="fold")
    for one in sorted(found, key=lambda p: (p.severity, p.line or 0)):
        mark = Text("left out", "red") if one.severity == "error" else Text("note", "yellow")
        line = "" if one.line is None else str(one.line)
        if line and one.table == "clinical":
            line = f"clinical {line}"
        table.add_row(mark, line, *map(Text, (one.case, one.reason, one.way_out)))
    out().print(table)


def ingested(summary: IngestSummary, *, as_json: bool) -> None:
    """After `mvi ingest`."""
    if as_json:
        print_json(summary.to_json())
        return
    from mvi_ray.report.text import count

    problems(summary.problems)
    images, masks = count(summary.images, "image"), count(summary.masks, "mask")
    out().print(
        f"Ingested {images} and {masks} (with derived regions) of "
        f"{count(summary.patients, 'patient')}; clinical values of {count(summary.clinical, 'patient')}."
    )
    if summary.unchanged:
        same = (
            "1 image is as it was"
            if summary.unchanged == 1
            else f"{summary.unchanged:,} images are as they were"
        )
        out().print(f"{same}: nothing was done.")
    if summary.replaced:
        whose = (
            "1 mask replaces another: its"
            if summary.replaced == 1
            else f"{summary.replaced:,} masks replace others: their"
        )
        out().print(f"{whose} features are stale until `mvi extract`.", style="yellow")
    if summary.left_out:
        out().print(f"{summary.left_out} left out: correct them and run the same command again.", style="red")
    marks(synthetic=summary.synthetic, trial=False)


def _format(output: Output | None, to: Path | None) -> Output:
    """The format asked for, or that of the file's ending."""
    if output is not None or to is None:
        return output or Output.table
    try:
        return Output(to.suffix.removeprefix(".").lower())
    except ValueError:
        endings = ", ".join(f".{one}" for one in Output if one is not Output.table)
        raise UsageError(f"{to.name} has no ending of {endings}; name one with --format") from None


def result(table: pa.Table, output: Output | None, to: Path | None) -> None:
    """Write a query's result to stdout or a file."""
    output = _format(output, to)
    # JSON objects hold a name once; `a` and `a_1` lose nothing.
    table = table.rename_columns(_distinct(table.column_names))
    if output is Output.parquet and to is None and sys.stdout.isatty():
        raise UsageError("Parquet is not for a terminal; name a file with --output")
    if to is None:
        _write(table, output, None)
        return
    write_aside(to, lambda aside: _write(table, output, aside))


def write_aside(to: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and rename it: it appears whole, or the old one stays.

    Raises:
        UsageError: it lies inside a store, whose files are the program's own, or cannot be written.
    """
    import tempfile
    from pathlib import Path

    for folder in to.resolve().parents:
        if (folder / "tables").is_dir() and (folder / "mvi.duckdb").exists():
            raise UsageError(f"{to} lies in a store, which holds its own files only; name another directory")
    try:
        with tempfile.TemporaryDirectory(prefix=".mvi-", dir=to.resolve().parent) as place:
            aside = Path(place) / to.name
            write(aside)
            aside.replace(to.resolve())
    except OSError as error:
        raise UsageError(f"{to} cannot be written: {error.strerror or error}") from None


def _write(table: pa.Table, output: Output, to: Path | None) -> None:
    if output is Output.parquet:
        import pyarrow.parquet as pq

        pq.write_table(table, sys.stdout.buffer if to is None else to)
        return
    if output is Output.csv:
        import pyarrow.csv as pacsv

        pacsv.write_csv(_flat(table), sys.stdout.buffer if to is None else str(to))
        return
    text = (
        json.dumps(_valid(table.to_pylist()), ensure_ascii=False, default=str, allow_nan=False)
        if output is Output.json
        else grid(table) + _more(table.num_rows - _SHOWN, "--format csv shows all")
    )
    if to is None:
        typer.echo(text)
    else:
        to.write_text(text + "\n", encoding="utf-8")


def _flat(table: pa.Table) -> pa.Table:
    """Lists as JSON text: CSV has no lists."""
    import pyarrow as pa

    for index, column in enumerate(table.schema):
        if pa.types.is_nested(column.type):
            cells = [
                None if v is None else json.dumps(_valid(v), default=str)
                for v in table.column(index).to_pylist()
            ]
            table = table.set_column(index, column.name, pa.array(cells, pa.string()))
    return table


def _distinct(names: list[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in found:
            candidate, number = f"{name}_{number}", number + 1
        found.append(candidate)
    return found


_SHOWN = 200


def _more(rows: int, way_out: str) -> str:
    return f"\n… {rows:,} more rows; {way_out}" if rows > 0 else ""


def grid(table: pa.Table, rows: int = _SHOWN, width: int | None = None) -> str:
    """The first rows as DuckDB draws them.

    Args:
        table: a query's result.
        rows: how many are drawn.
        width: in characters; columns that do not fit are left out. 120 by default, as in DuckDB.
    """
    import duckdb

    drawn = io.StringIO()
    with duckdb.connect() as connection, redirect_stdout(drawn):
        # Text of a relation would hold 20 rows at most.
        connection.from_arrow(table.slice(0, rows)).show(max_rows=rows, max_width=width)
    return drawn.getvalue().rstrip()


def trained(summary: TrainSummary, *, as_json: bool) -> None:
    """After `mvi train`."""
    if as_json:
        print_json(summary.to_json())
        return
    from rich.table import Table
    from rich.text import Text

    for reason in summary.notes:
        out().print(Text(reason, "yellow"))
    table = Table(title="AUC with 95 % interval", title_justify="left")
    for name in ("model", "n", "events", "cross-validation", "test"):
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=True)
    for row in summary.rows:
        table.add_row(*map(str, row))
    out().print(table)
    out().print(Text(f"Report: {summary.page}"))
    marks(synthetic=summary.synthetic, trial=summary.trial_weights)


def step(summary: IngestSummary | ExtractSummary | TrainSummary) -> None:
    """After a step of `mvi demo`."""
    from mvi_ray.project.extraction import ExtractSummary
    from mvi_ray.project.ingestion import IngestSummary

    if isinstance(summary, IngestSummary):
        ingested(summary, as_json=False)
    elif isinstance(summary, ExtractSummary):
        from mvi_ray.cli.extract import extracted

        extracted(summary, as_json=False)
    else:
        trained(summary, as_json=False)


def where_next(folder: Path) -> None:
    """After `mvi demo`."""
    from rich.text import Text

    query = "SELECT phase, region, avg(glcm_Contrast) FROM cr WHERE image_type = 'original' GROUP BY ALL"
    # From `make demo` the environment is not activated: print a command that works as it is.
    mvi = "mvi" if shutil.which("mvi") else sys.argv[0]
    out().print(Text(f'Next: open the report, or ask the store:\n  {mvi} -C {folder} sql "{query}"'))
