"""A small text table (CSV) as a hospital hands it over."""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvi_ray.errors import ManifestError, MissingTableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LARGEST_MIB = 256
"""A table of patients is far smaller; what is larger is no such table, and is not read into memory."""

# These two bytes begin no UTF-8 text, so they are certain.
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class TextTable:
    """Header and rows of a table; every cell is text without surrounding blanks.

    Args:
        columns: names in the order of the file.
        rows: line number (the header is line 1) and the cells by column.
        delimiter: what separates the cells: comma, semicolon, tab or bar.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    delimiter: str


def read_table(
    path: Path, what: str, *, encoding: str | None = None, delimiter: str | None = None
) -> TextTable:
    """Read text separated by comma, semicolon or tab, with or without a mark at its start.

    Args:
        path: the file.
        what: its role, for messages: "manifest", "clinical table".
        encoding: of the text; UTF-8 if none is named, or UTF-16 where its mark stands.
        delimiter: what separates cells; the sign that is most frequent in the header if none is named.

    Raises:
        ManifestError: it is missing, not text, has no rows, doubled columns or ragged lines.
    """
    text = _read_text(path, what, encoding)
    first = text.lstrip("\n").partition("\n")[0]
    # Spreadsheets write the separator of their locale; a header holds no other punctuation.
    delimiter = delimiter or max(",;\t", key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, dict[str, str]]] = []
    columns: tuple[str, ...] = ()
    try:
        for cells in lines:
            values = [cell.strip() for cell in cells]
            if not any(values):
                continue
            # Spreadsheets fill lines up to the widest one with empty cells.
            while len(values) > len(columns) and not values[-1]:
                values.pop()
            if not columns:
                columns = tuple(values)
                check_header(columns, what)
                continue
            if len(values) != len(columns):
                raise ManifestError(
                    f"{what}, line {lines.line_num}: {len(values)} cells under {len(columns)} columns; "
                    "quote cells that hold the separator"
                )
            rows.append((lines.line_num, dict(zip(columns, values, strict=True))))
    except csv.Error as error:
        raise ManifestError(f"{what}, line {lines.line_num}: {error}; check its quotes") from None
    if not rows:
        raise no_rows(path, what)
    return TextTable(columns, tuple(rows), delimiter)


def read_bytes(path: Path, what: str) -> bytes:
    """The content of a table's file.

    Raises:
        ManifestError: it is missing, cannot be read, or is larger than any table of patients.
    """
    try:
        with path.open("rb") as file:
            content = file.read((LARGEST_MIB << 20) + 1)
    except FileNotFoundError:
        raise MissingTableError(f"the {what} {path.name} does not exist; check the path") from None
    except OSError as error:
        raise ManifestError(f"the {what} {path.name} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_MIB << 20:
        raise ManifestError(
            f"the {what} {path.name} is larger than {LARGEST_MIB} MiB; "
            "keep the lines and columns of the study"
        )
    return content


def _read_text(path: Path, what: str, encoding: str | None) -> str:
    content = read_bytes(path, what)
    if encoding is None:
        encoding = "utf-16" if content.startswith(_UTF_16) else "utf-8"
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError:
        if encoding == "utf-8":
            # Which of the older encodings it is, no byte tells for certain.
            raise ManifestError(
                f"the {what} {path.name} is not UTF-8 text; save it as 'CSV UTF-8'{_or_name(what)}"
            ) from None
        raise ManifestError(
            f"the {what} {path.name} is not {encoding} text; name its encoding, or save it as 'CSV UTF-8'"
        ) from None
    if "\0" in text:
        raise ManifestError(
            f"the {what} {path.name} holds zero bytes, which no text has; save it as 'CSV UTF-8'"
            f"{_or_name(what)}"
        )
    # Of the encodings with a fixed byte order only the mark itself is left over.
    return text.removeprefix("\ufeff")


def _or_name(what: str) -> str:
    """The other way out, where the study may name an encoding."""
    return ", or name its encoding in clinical.sources" if what == "clinical table" else ""


def no_rows(path: Path, what: str) -> ManifestError:
    """What is said of a table without patients."""
    return ManifestError(f"the {what} {path.name} has no rows; it needs a header and one line per case")


def check_header(columns: Sequence[str], what: str) -> None:
    """Every column has a name of its own.

    Raises:
        ManifestError: one has none, or shares it.
    """
    places = [at for at, name in enumerate(columns, start=1) if columns.count(name) > 1]
    if "" in columns:
        raise ManifestError(f"{what}: column {columns.index('') + 1} has no name; give it one, or delete it")
    if places:
        # A header that was forgotten is a line of a patient, so no name is shown.
        again = 1 + columns.index(columns[places[0] - 1], places[0])
        raise ManifestError(f"{what}: columns {places[0]} and {again} have the same name; rename one")
