"""What a workbook's file is, before it is read: its reader trusts sizes and passes over faulty cells."""

from __future__ import annotations

import re
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING
from xml.etree import ElementTree as ET

from mvi_ray.errors import ManifestError
from mvi_ray.ingest.clinical.sheet import WHAT
from mvi_ray.ingest.table import LARGEST_MIB, read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Places = set[tuple[int, int]]
"""Row and column of cells, each counted from 1."""

_MOST_FILES = 10_000
_MOST_CELLS = 10_000_000
_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_DAMAGED = "is damaged; open it and save it again as .xlsx"
_LOCKED = "is encrypted; save it without a password"


def faulty_cells(path: Path) -> dict[str, Places]:
    """Check a file that begins as a workbook does.

    Returns:
        Name of each sheet to its cells in which a formula failed: the reader gives them as empty.

    Raises:
        ManifestError: it is encrypted, of an old or binary format, holds macros, is damaged, or
            would fill the memory: unpacked, or as the rectangle around its cells.
    """
    content = read_bytes(path, WHAT)
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        # A workbook with a password lies in the container of the old format, under this name.
        old = "is in Excel's old format (.xls); save it as .xlsx"
        raise _refused(path, _LOCKED if _ENCRYPTED in content else old)
    del content
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            if "xl/workbook.xml" in archive.namelist():
                return {name: _of_excel(path, archive, part) for name, part in _parts(path, archive)}
            if "content.xml" in archive.namelist():
                if b"encryption-data" in archive.read("META-INF/manifest.xml"):
                    raise _refused(path, _LOCKED)
                with archive.open("content.xml") as xml:
                    return _of_libreoffice(path, xml)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, RuntimeError):
        raise _refused(path, _DAMAGED) from None
    raise _refused(path, "is an archive and no workbook; unpack it, or save the table as .xlsx or CSV")


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    size = sum(one.file_size for one in members)
    if size > LARGEST_MIB << 20 or len(members) > _MOST_FILES:
        raise _refused(
            path,
            f"would unpack to {size >> 20:,} MiB in {len(members):,} files, the limit is {LARGEST_MIB} MiB; "
            "keep the rows and columns of the study",
        )
    if any(one.flag_bits & 1 for one in members):
        raise _refused(path, _LOCKED)
    names = {one.filename for one in members}
    if any(name.lower().endswith("vbaproject.bin") or name.startswith("Basic/") for name in names):
        raise _refused(path, "holds macros; save it without them, as .xlsx or .ods")
    if "xl/workbook.bin" in names:
        raise _refused(path, "is a binary workbook (.xlsb); save it as .xlsx")
    # Reading it whole shows whether it is, and whether the sizes that it claims are true.
    if archive.testzip() is not None:
        raise _refused(path, _DAMAGED)


@dataclass(slots=True)
class _Sheet:
    """Where the cells of a sheet stand."""

    path: Path
    errors: Places = field(default_factory=set)
    bottom: int = 0
    right: int = 0

    def take(self, row: int, column: int) -> None:
        """Note the place of a cell that holds something; the reader makes a rectangle up to it."""
        self.bottom, self.right = max(self.bottom, row), max(self.right, column)
        if self.bottom * self.right > _MOST_CELLS:
            raise _refused(
                self.path,
                f"has cells down to row {self.bottom:,} and out to column {self.right:,}; "
                "delete what stands outside of the table",
            )


def _of_excel(path: Path, archive: zipfile.ZipFile, part: str) -> Places:
    sheet = _Sheet(path)
    row = column = 0
    with archive.open(part) as content:
        for event, element in _elements(path, content):
            kind = _local(element.tag)
            if kind == "row" and event == "start":
                row, column = _whole(element.get("r"), row + 1), 0
            elif kind == "c" and event == "end":
                at = _REFERENCE.fullmatch(element.get("r") or "")
                row, column = (row, column + 1) if at is None else (int(at[2]), _number(at[1]))
                if len(element):
                    sheet.take(row, column)
                if element.get("t") == "e":
                    sheet.errors.add((row, column))
            elif kind == "row":
                element.clear()
    return sheet.errors


def _of_libreoffice(path: Path, content: IO[bytes]) -> dict[str, Places]:
    """Equal cells and rows are written once, with their number: a few bytes may stand for billions."""
    found: dict[str, Places] = {}
    sheet = _Sheet(path)
    row, column, filled = 1, 1, list[tuple[int, bool]]()
    for event, element in _elements(path, content):
        kind = _local(element.tag)
        if kind == "table" and event == "start":
            sheet = _Sheet(path)
            found[_attribute(element, "name") or ""] = sheet.errors
            row, column = 1, 1
        elif kind in ("table-cell", "covered-table-cell") and event == "end":
            times = _whole(_attribute(element, "number-columns-repeated"), 1)
            # Empty cells fill a line up to the edge of the sheet and take no room.
            if len(element) or "value-type" in map(_local, element.attrib):
                filled.append((column + times - 1, _is_error(element)))
            column += times
        elif kind == "table-row" and event == "end":
            times = _whole(_attribute(element, "number-rows-repeated"), 1)
            for at, is_error in filled:
                sheet.take(row + times - 1, at)
                if is_error:
                    sheet.errors.update((line, at) for line in range(row, row + times))
            row, column, filled = row + times, 1, []
            element.clear()
    return found


def _is_error(cell: ET.Element) -> bool:
    kinds = [text for key, text in cell.attrib.items() if _local(key) == "value-type"]
    text = "".join(cell.itertext())
    return "error" in kinds or (bool(kinds) and text.startswith(("#", "Err:")) and text.upper() == text)


def _parts(path: Path, archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Name of each sheet of Excel, and where in the archive it lies."""
    with archive.open("xl/_rels/workbook.xml.rels") as content:
        links = [element for event, element in _elements(path, content) if event == "end"]
    targets = {one.get("Id"): one.get("Target", "") for one in links}
    with archive.open("xl/workbook.xml") as content:
        sheets = [e for event, e in _elements(path, content) if event == "end" and _local(e.tag) == "sheet"]
    found = []
    for sheet in sheets:
        target = targets.get(_attribute(sheet, "id"), "")
        part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        # Charts are sheets without cells.
        if "worksheets" in part:
            found.append((sheet.get("name", ""), part))
    return found


def _elements(path: Path, content: IO[bytes]) -> Iterator[tuple[str, ET.Element]]:
    try:
        # Expat limits what entities may grow to.
        yield from ET.iterparse(content, events=("start", "end"))  # noqa: S314
    except ET.ParseError:
        raise _refused(path, _DAMAGED) from None


def _local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


def _attribute(element: ET.Element, name: str) -> str | None:
    return next((text for key, text in element.attrib.items() if _local(key) == name), None)


def _number(letters: str) -> int:
    """Number of a column: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 12 else default


def _refused(path: Path, what: str) -> ManifestError:
    return ManifestError(f"the {WHAT} {path.name} {what}")
