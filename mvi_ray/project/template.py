"""The commented study file that `mvi init` writes."""

from __future__ import annotations

import json
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from mvi_ray.errors import StudyError, UsageError
from mvi_ray.study import FILE_NAME, parse_study
from mvi_ray.study.settings import check_name, check_unique

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_study(folder: Path, phases: Sequence[str]) -> None:
    """Make a directory with a commented study file in it.

    Raises:
        UsageError: a study file is there already, the directory is none or cannot be made or
            written, it lies in a store, or a phase is not a name.
    """
    text = study_text(phases)
    for place in (folder.absolute(), *folder.absolute().parents):
        if (place / "tables").is_dir() and (place / "mvi.duckdb").exists():
            raise UsageError(
                f"{folder} lies in a store, which holds its own files only; name another directory"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / FILE_NAME).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if not folder.is_dir():
            raise UsageError(f"{folder} is a file; name a directory") from None
        raise UsageError(f"{FILE_NAME} is there already; edit it, or choose another directory") from None
    except OSError as error:
        raise UsageError(
            f"no study can be written in {folder}: {error.strerror}; name another directory"
        ) from None


def study_text(phases: Sequence[str], name: str = "study", outcome: str = "mvi") -> str:
    """A valid study file for these phases.

    Raises:
        UsageError: a phase is not a name, or stands twice.
    """
    try:
        for phase in phases:
            check_name(phase)
        check_unique(phases)
    except ValueError as error:
        raise UsageError(f"{error}; phases are names such as AP,PP,HBP") from None
    if not phases:
        raise UsageError("no phase is named; phases are names such as AP,PP,HBP")
    template = files("mvi_ray.project").joinpath("template.yaml").read_text(encoding="utf-8")
    # JSON strings are YAML strings: a title with a colon or a quote stays one.
    text = Template(template).substitute(
        name=json.dumps(name, ensure_ascii=False),
        phases=", ".join(phases),
        example=phases[0],
        outcome=outcome,
    )
    try:
        parse_study(text)
    except StudyError as error:
        raise UsageError(f"{error.message}; phases are names such as AP,PP,HBP") from None
    return text
