"""The commented study file that `mvi init` writes."""

from __future__ import annotations

import json
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from mvi_ray.errors import StudyError, UsageError
from mvi_ray.study import parse_study

if TYPE_CHECKING:
    from collections.abc import Sequence


def study_text(phases: Sequence[str], name: str = "study", outcome: str = "mvi") -> str:
    """A valid study file for these phases.

    Raises:
        UsageError: a phase is not a name, or stands twice.
    """
    template = files("mvi_ray.project").joinpath("template.yaml").read_text(encoding="utf-8")
    # JSON strings are YAML strings: a title with a colon or a quote stays one.
    text = Template(template).substitute(
        name=json.dumps(name, ensure_ascii=False),
        phases=", ".join(phases),
        example=phases[0] if phases else "AP",
        outcome=outcome,
    )
    try:
        parse_study(text)
    except StudyError as error:
        raise UsageError(f"{error.message}; phases are names such as AP,PP,HBP") from None
    return text
