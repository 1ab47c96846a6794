"""Studies and folders of empty files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError
from mvi_ray.study import Study, parse_study

if TYPE_CHECKING:
    from pathlib import Path

_STUDY = """\
schema_version: 1
phases: [{phases}]
readers: {{model: R1, compare: [R2]}}
preprocessing: none
families: {{cr: {{spacing_mm: [1, 1, 1], bin_width: 25, image_types: [original]}}}}
{more}
"""


def make_study(*phases: str, more: str = "") -> Study:
    """A study with these phases."""
    return parse_study(_STUDY.format(phases=", ".join(phases), more=more))


def nobody(_: str) -> str:
    """Knows no patient."""
    raise CaseError("patient identifier is not in the crosswalk; add it")


def touch(folder: Path, *names: str) -> Path:
    """Make empty files."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder
