"""What stands before the command, and the options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mvi_ray.project import Project

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="RUN|NUMBER|TIME",
        help="Ask the store as it was: for a run, at a snapshot of `mvi store history`, or at a time (UTC).",
    ),
]


class State:
    """Set once, before the command runs."""

    folder = Path()


def project() -> Project:
    """The project that the command is about."""
    from mvi_ray.project import Project

    return Project(State.folder)


def exit_with(left_out: int) -> None:
    """End with exit code 3 when something was left out."""
    if left_out:
        raise typer.Exit(3)
