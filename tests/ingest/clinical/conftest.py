"""Workbooks, byte by byte: what a spreadsheet writes, and what only a broken or hostile file holds."""

from __future__ import annotations

import datetime as dt
import zipfile
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_LINKS = "http://schemas.openxmlformats.org/package/2006/relationships"
_ODS = "urn:oasis:names:tc:opendocument:xmlns"
_EPOCH = dt.date(1899, 12, 30)
ERROR = object()
"""Stands for a cell in which a formula failed."""


class Workbooks:
    """Writes .xlsx and .ods files."""

    ERROR = ERROR

    def xlsx(
        self,
        path: Path,
        sheets: Mapping[str, Sequence[Sequence[object]] | str],
        *,
        more: Mapping[str, bytes] | None = None,
        hidden: Sequence[str] = (),
    ) -> Path:
        """Write sheets, each of rows of cells or of raw XML, and further files."""
        numbers = range(1, len(sheets) + 1)
        hide = ' state="hidden"'
        named = "".join(
            f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"{hide if name in hidden else ""}/>'
            for n, name in zip(numbers, sheets, strict=True)
        )
        links = "".join(
            f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in numbers
        )
        styles = f'<Relationship Id="rId0" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        root = f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
        parts = {
            "_rels/.rels": f'<Relationships xmlns="{_LINKS}">{root}</Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{named}</sheets>'
            "</workbook>",
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_LINKS}">{links}{styles}</Relationships>',
            # Format 14 is that of dates.
            "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs count="2"><xf numFmtId="0"/>'
            '<xf numFmtId="14"/></cellXfs></styleSheet>',
        }
        for n, rows in zip(numbers, sheets.values(), strict=True):
            xml = rows if isinstance(rows, str) else _rows(rows)
            parts[f"xl/worksheets/sheet{n}.xml"] = (
                f'<worksheet xmlns="{_MAIN}"><sheetData>{xml}</sheetData></worksheet>'
            )
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in parts.items():
                archive.writestr(name, f'<?xml version="1.0"?>{text}')
            for name, content in (more or {}).items():
                archive.writestr(name, content)
        return path

    def ods(self, path: Path, rows: Sequence[Sequence[object]] | str, manifest: str = "") -> Path:
        """Write one sheet of rows of cells or of raw XML."""
        xml = rows if isinstance(rows, str) else "".join(map(_ods_row, rows))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
            archive.writestr("META-INF/manifest.xml", f"<manifest>{manifest}</manifest>")
            archive.writestr(
                "content.xml",
                f'<?xml version="1.0"?><office:document-content xmlns:office="{_ODS}:office:1.0" '
                f'xmlns:table="{_ODS}:table:1.0" xmlns:text="{_ODS}:text:1.0" xmlns:calcext="urn:calcext">'
                f'<office:body><office:spreadsheet><table:table table:name="one">{xml}</table:table>'
                "</office:spreadsheet></office:body></office:document-content>",
            )
        return path


def _rows(rows: Sequence[Sequence[object]]) -> str:
    return "".join(
        f'<row r="{n}">{"".join(_cell(f"{chr(64 + at)}{n}", cell) for at, cell in enumerate(row, 1))}</row>'
        for n, row in enumerate(rows, 1)
    )


def _cell(place: str, cell: object) -> str:
    if cell is None:
        return ""
    if cell is ERROR:
        return f'<c r="{place}" t="e"><f>1/0</f><v>#DIV/0!</v></c>'
    if isinstance(cell, bool):
        return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, dt.date):
        return f'<c r="{place}" s="1"><v>{(cell - _EPOCH).days}</v></c>'
    if isinstance(cell, int | float):
        return f'<c r="{place}"><v>{cell}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(str(cell))}</t></is></c>'


def _ods_row(row: Sequence[object]) -> str:
    return f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>"


def _ods_cell(cell: object) -> str:
    if cell is None:
        return "<table:table-cell/>"
    if cell is ERROR:
        kind, text = 'office:value-type="string" office:string-value="" calcext:value-type="error"', "#DIV/0!"
    elif isinstance(cell, dt.date):
        kind, text = f'office:value-type="date" office:date-value="{cell}"', f"{cell:%d.%m.%Y}"
    elif isinstance(cell, int | float):
        kind, text = f'office:value-type="float" office:value="{cell}"', str(cell)
    else:
        kind, text = 'office:value-type="string"', escape(str(cell))
    return f"<table:table-cell {kind}><text:p>{text}</text:p></table:table-cell>"


@pytest.fixture(scope="session")
def workbooks() -> Workbooks:
    """What writes workbooks."""
    return Workbooks()
