"""Commands and their flags. What they do lives in `mvi_ray.project`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mvi_ray import __version__
from mvi_ray.cli import console, enrolment, exchange, extract, ingest, quality, quality_page, status, store
from mvi_ray.cli.progress import progress
from mvi_ray.cli.state import AsOf, Json, State, exit_with, project
from mvi_ray.cli.streams import error
from mvi_ray.errors import MviError, UsageError

app = typer.Typer(
    name="mvi",
    help="A feature store for multi-phase radiomics studies: from images and masks to SQL and models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(store.app, name="store")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"mvi {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    directory: Annotated[
        Path, typer.Option("-C", "--project", envvar="MVI_PROJECT", help="Project directory.")
    ] = Path(),
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    State.folder = directory


@app.command()
def init(
    directory: Annotated[
        Path | None, typer.Argument(help="Where the study is to live; here by default.")
    ] = None,
    phases: Annotated[str, typer.Option(help="Names of the phases, with commas.")] = "AP,PP,HBP",
) -> None:
    """Write a commented study.yaml, the file that says what is measured."""
    from mvi_ray.project import Project

    names = [name.strip() for name in phases.split(",") if name.strip()]
    console.created(Project.init(directory or State.folder, names))


app.command()(ingest.ingest)
app.command()(ingest.key)


app.command()(extract.extract)
app.command()(status.status)


@app.command()
def sql(
    query: Annotated[
        str | None,
        typer.Argument(help="One SELECT; '-' reads it from standard input; a prompt when there is none."),
    ] = None,
    output: Annotated[
        console.Output | None,
        typer.Option("--format", "-f", help="How to write the result; from the file's ending, else table."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write instead of standard output.")
    ] = None,
    as_of: AsOf = None,
) -> None:
    """Ask the store; without a query, at a prompt with history and completion.

    Views: features, cr, dlr, imported, coverage, patients, images, masks, clinical, enrolment,
    exclusions, quarantine, feature_sets, feature_dictionary, feature_statistics, snapshots; cr_all,
    dlr_all and imported_all hold every reader and setting, cr_variants and dlr_variants those of variants.
    """
    if query is None:
        if not sys.stdin.isatty():
            raise UsageError("give a query, or '-' to read it from standard input")
        _prompt(as_of)
        return
    text = sys.stdin.read() if query == "-" else query
    console.result(project().sql(text, as_of=as_of), output, to)


def _prompt(as_of: str | None) -> None:
    from mvi_ray.cli.names import read_names
    from mvi_ray.cli.shell import run_shell

    opened = project()
    with opened.reading(as_of) as store:
        row = store.query(
            "SELECT study, synthetic, (SELECT count(*) FROM patients) AS patients FROM catalog_info"
        ).to_pylist()[0]
        if row["synthetic"]:
            console.synthetic_notice()
        then = "" if as_of is None else f" as of {as_of}"
        title = f"{row['study']}{then}: {row['patients']} patients; .help for help"
        # Without `as_of` each query sees what was committed meanwhile.
        run_shell(opened.sql if as_of is None else store.query, read_names(store.query), title=title)


@app.command()
def train(
    jobs: Annotated[int, typer.Option(min=1, envvar="MVI_JOBS", help="Threads that fit models.")] = 1,
    as_json: Json = False,
) -> None:
    """Fit and judge the study's models; write tables, figures and a page."""
    with progress(as_json=as_json) as show:
        summary = project().train(jobs=jobs, progress=show)
    console.trained(summary, as_json=as_json)
    exit_with(summary.left_out)


app.command("import")(exchange.import_features)
app.command()(exchange.export)
app.command()(quality.features)
app.command()(quality.drift)
app.command()(quality_page.quality)
app.command()(enrolment.enrolment)
app.command()(enrolment.exclude)


@app.command()
def demo(
    directory: Annotated[Path, typer.Argument(help="A new directory for the demo.")] = Path("demo-project"),
    patients: Annotated[int | None, typer.Option(min=12, max=24, help="Synthetic patients.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another cohort.")] = 0,
) -> None:
    """Run the whole way on a synthetic liver cohort: make, ingest, extract, train, report."""
    from mvi_ray.project.demonstration import run_demo

    console.synthetic_notice()
    left_out = 0
    with progress() as show:
        for summary in run_demo(directory, patients, seed, show):
            console.step(summary)
            left_out += summary.left_out
    console.where_next(directory)
    exit_with(left_out)


def run() -> None:
    """Run a command; turn the project's errors into one red line and an exit code."""
    try:
        app()
    except UsageError as fault:
        error(fault.message)
        sys.exit(2)
    except MviError as fault:
        error(fault.message)
        sys.exit(1)
    except KeyboardInterrupt:
        error("stopped")
        sys.exit(130)
    except OSError as fault:
        error(f"{fault.strerror or fault}; check the disk's free space and permissions")
        sys.exit(1)
