"""The crosswalk: which identifiers of hospitals stand for which pseudonym.

It is the list that turns pseudonyms back into patients. So it lies outside the project, and
no message repeats what stands in it.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from mvi_ray.errors import ManifestError, UsageError
from mvi_ray.ingest.table import read_table
from mvi_ray.study.settings import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

_COLUMNS = ("identifier", "patient_id")
_CONTROL = re.compile(r"[\x00-\x1f]")


class Crosswalk:
    """Identifiers and their pseudonyms.

    Args:
        pseudonyms: identifier to pseudonym; several identifiers may have the same.
    """

    def __init__(self, pseudonyms: Mapping[str, str]) -> None:
        self._pseudonyms = dict(pseudonyms)
        self._known = frozenset(pseudonyms.values())
        self._loosely = frozenset(map(_loosely, pseudonyms))

    def __len__(self) -> int:
        return len(self._pseudonyms)

    def find(self, identifier: str) -> str | None:
        """The pseudonym of an identifier; a pseudonym of the list stays itself; None for others."""
        plain = tidy(identifier)
        found = self._pseudonyms.get(plain)
        return plain if found is None and plain in self._known else found

    def is_near(self, identifier: str) -> bool:
        """Whether it differs from one of the list in leading zeros, blanks, dashes or case only."""
        return _loosely(tidy(identifier)) in self._loosely


def tidy(identifier: str) -> str:
    """An identifier as it is compared: without blanks around it, composed Unicode."""
    return unicodedata.normalize("NFC", identifier).strip()


def outside_projects(path: Path, what: str) -> None:
    """Check that a file which tells who patients are lies in no project directory.

    Args:
        path: the file, or where it is to be.
        what: its role, for the message.

    Raises:
        UsageError: it lies in one, or a link leads into one.
    """
    for place in (Path(os.path.abspath(path)), path.resolve()):  # noqa: PTH100 - `absolute` keeps `..`
        if any((folder / FILE_NAME).is_file() for folder in place.parents):
            raise UsageError(
                f"the {what} lies inside a project directory, which is copied and shared; "
                "keep it in a folder of its own"
            )


def read_crosswalk(path: Path) -> Crosswalk:
    """Read a CSV with the columns `identifier` and `patient_id`; others are not looked at.

    Raises:
        UsageError: the file lies inside a project directory.
        ManifestError: it cannot be read, or its lines contradict each other. The message names
            lines, never what stands in them.
    """
    outside_projects(path, "crosswalk")
    table = read_table(path, "crosswalk")
    for column in _COLUMNS:
        if column not in table.columns:
            raise ManifestError(
                f"crosswalk: column {column!r} is missing; its first line is {','.join(_COLUMNS)}"
            )
    lines: dict[str, int] = {}
    pseudonyms: dict[str, str] = {}
    for line, cells in table.rows:
        identifier, pseudonym = (tidy(cells[column]) for column in _COLUMNS)
        for column, text in zip(_COLUMNS, (identifier, pseudonym), strict=True):
            if not text or _CONTROL.search(text):
                state = "holds a line break or another control character" if text else "is blank"
                raise ManifestError(f"crosswalk, line {line}: {column} {state}; correct the cell")
        if pseudonyms.setdefault(identifier, pseudonym) != pseudonym:
            raise ManifestError(
                f"crosswalk, line {line}: the identifier has another pseudonym in line {lines[identifier]}; "
                "keep one of them"
            )
        lines.setdefault(identifier, line)
        if identifier == pseudonym:
            raise ManifestError(
                f"crosswalk, line {line}: the identifier is its own pseudonym and would stand in the store; "
                "choose another, or delete the line where others give this pseudonym"
            )
    _check_chains(pseudonyms, lines)
    _check_near(pseudonyms, lines)
    return Crosswalk(pseudonyms)


def _check_chains(pseudonyms: Mapping[str, str], lines: Mapping[str, int]) -> None:
    """A pseudonym that is another patient's identifier would join the two, or tell one of them."""
    for identifier, pseudonym in pseudonyms.items():
        if pseudonym in pseudonyms:
            raise ManifestError(
                f"crosswalk, line {lines[identifier]}: the pseudonym is the identifier "
                f"in line {lines[pseudonym]}; choose another pseudonym"
            )


def _check_near(pseudonyms: Mapping[str, str], lines: Mapping[str, int]) -> None:
    """One patient under two pseudonyms would stand in training and in test."""
    seen: dict[str, str] = {}
    for identifier, pseudonym in pseudonyms.items():
        other = seen.setdefault("".join(identifier.split()).casefold().lstrip("0"), identifier)
        if pseudonyms[other] != pseudonym:
            raise ManifestError(
                f"crosswalk, line {lines[identifier]}: the identifier differs from that of line "
                f"{lines[other]} in zeros, blanks or upper and lower case only, and has another pseudonym; "
                "give both the same, or keep patients of two hospitals in a crosswalk each"
            )


def _loosely(identifier: str) -> str:
    return re.sub(r"[\s_./-]+", "", identifier).casefold().lstrip("0")
