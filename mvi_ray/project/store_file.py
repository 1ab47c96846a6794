"""`mvi store export`: the whole store as one DuckDB file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.errors import UsageError
from mvi_ray.project.declarations import declarations

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.project.project import Project


def write_store_file(project: Project, file: Path, *, force: bool = False) -> Path:
    """Write the rows of every table and all views into one file; images and masks stay where they are.

    Args:
        project: whose store.
        file: its name ends in ``.duckdb``.
        force: replace a file that is there.

    Returns:
        The file.

    Raises:
        UsageError: the name has another ending, lies inside the store, or is taken.
        StoreError: nothing was ever written, or the file cannot be written.
    """
    if file.suffix != ".duckdb":
        raise UsageError(f"{file.name} does not end in .duckdb; name it so that DuckDB is found to open it")
    if project.store.root in file.resolve().parents:
        raise UsageError(f"{file} lies in the store, which holds its own files only; name another directory")
    if file.exists() and not force:
        raise UsageError(f"{file} is there already; name another file, or add --force")
    # The study file may have changed since the last command.
    project.refresh()
    project.store.export(file, declarations(project))
    return file
