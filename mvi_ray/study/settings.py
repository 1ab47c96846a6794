"""Names, and what every part of the study file has in common."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE_NAME = "study.yaml"
DRAWN = "intratumoral"
"""The region that is the drawn mask itself; every other region is derived from one."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def check_name(name: str) -> str:
    """A name of a phase, region, reader or model, or ValueError with the rule it breaks."""
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is not a name: start with a letter, then letters, digits, '_' or '-'"
        raise ValueError(msg)
    return name


def check_unique(names: Iterable[str]) -> None:
    """ValueError when two names differ in upper and lower case only, or not at all."""
    seen: dict[str, str] = {}
    for name in names:
        first = seen.get(name.lower())
        seen[name.lower()] = name
        if first is not None:
            msg = f"{name!r} and {first!r} are the same name (upper and lower case do not count)"
            raise ValueError(msg)


Name = Annotated[str, AfterValidator(check_name)]
Family = Annotated[
    Name,
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]
"""CR, DLR or a variant; in whatever letters it is written, in capitals everywhere else."""


class Settings(BaseModel):
    """A part of the study file: frozen, without unknown keys, numbers finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


def suggest(word: str, known: Iterable[str]) -> str:
    """A hint at the known word nearest to a misspelt one; empty when none is near."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""
