"""Workbooks of Excel and LibreOffice: typed cells, faulty cells, and files that are refused."""

from __future__ import annotations

import datetime as dt
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from mvi_ray.errors import ManifestError
from mvi_ray.ingest.clinical.sheet import Fault, open_sheet
from mvi_ray.study import Source

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ingest.clinical.conftest import Workbooks

DAY = dt.date(2024, 1, 31)
HEADER = ["patient_id", "age", "mri"]


def rows(path: Path, **source: Any) -> list[tuple[int, list[object]]]:
    """Line and cells of a workbook."""
    sheet = open_sheet(path, Source(file="*", **source))
    return [(line, list(cells.values())) for line, cells in sheet.rows]


def refusal(path: Path, **source: Any) -> str:
    """What is said of a file that cannot be used."""
    with pytest.raises(ManifestError) as caught:
        open_sheet(path, Source(file="*", **source))
    assert caught.value.way_out
    assert str(path.parent) not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_numbers_and_dates_come_with_their_types(tmp_path: Path, workbooks: Workbooks, kind: str) -> None:
    """In either program's format; a line is the row that the program shows."""
    path = tmp_path / f"a.{kind}"
    content = [HEADER, ["001", 61.5, DAY], [None, None, None], [2, None, "31.01.2024 "]]
    write = workbooks.ods if kind == "ods" else lambda p, c: workbooks.xlsx(p, {"one": c})
    write(path, content)
    assert rows(path) == [(2, ["001", 61.5, DAY]), (4, [2, None, "31.01.2024"])]
    assert open_sheet(path, None).columns == tuple(HEADER)


@pytest.mark.parametrize("kind", ["xlsx", "ods"])
def test_cell_in_which_a_formula_failed_is_no_missing_value(
    tmp_path: Path, workbooks: Workbooks, kind: str
) -> None:
    """The reader gives it as empty; it must not pass for one that was left blank."""
    content = [HEADER, ["P1", workbooks.ERROR, DAY], ["P2", 3, None]]
    path = tmp_path / f"a.{kind}"
    write = workbooks.ods if kind == "ods" else lambda p, c: workbooks.xlsx(p, {"one": c})
    write(path, content)
    found = rows(path)
    assert isinstance(found[0][1][1], Fault)
    assert found[0][1][1].reason == "holds an error of a formula"
    assert found[1] == (3, ["P2", 3, None])


def test_error_is_found_where_cells_have_no_place(tmp_path: Path, workbooks: Workbooks) -> None:
    """A cell may leave out where it stands: it is beside the one before."""
    xml = (
        '<row><c t="inlineStr"><is><t>patient_id</t></is></c><c t="inlineStr"><is><t>age</t></is></c></row>'
        '<row><c><v>1</v></c><c t="e"><v>#N/A</v></c></row>'
    )
    found = rows(workbooks.xlsx(tmp_path / "a.xlsx", {"one": xml}))
    assert [(line, type(cells[1])) for line, cells in found] == [(2, Fault)]


def test_sheet_is_the_named_one_or_the_first_that_shows(tmp_path: Path, workbooks: Workbooks) -> None:
    """That others were not read is told; their names, which may be those of patients, are not."""
    path = workbooks.xlsx(
        tmp_path / "a.xlsx",
        {
            "draft": [HEADER, ["P0", 1, None]],
            "lab": [HEADER, ["P1", 2, None]],
            "Müller": [HEADER, ["P2", 3, None]],
        },
        hidden=["draft"],
    )
    assert rows(path) == [(2, ["P1", 2, None])]
    assert open_sheet(path, None).remarks == (
        ("sheets that were not read: 1", "the first was; name another in clinical.sources"),
    )
    assert rows(path, sheet="draft") == [(2, ["P0", 1, None])]
    message = refusal(path, sheet="Lab")
    assert "has no sheet 'Lab' among its 3; correct clinical.sources" in message
    assert "Müller" not in message


def test_columns_and_rows_without_content_are_passed_over(tmp_path: Path, workbooks: Workbooks) -> None:
    """A title above would be the header; cells beside the table belong to no column."""
    content = [[None, None], ["patient_id", "age", None], ["P1", 3, None]]
    assert rows(workbooks.xlsx(tmp_path / "a.xlsx", {"one": content})) == [(3, ["P1", 3])]
    beside = workbooks.xlsx(tmp_path / "b.xlsx", {"one": [["patient_id", "age"], ["P1", 3, None, "seen"]]})
    message = refusal(beside)
    assert "clinical table, line 2: a cell stands outside of the 2 columns that have a name" in message
    assert "seen" not in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "the sheet of the clinical table a.xlsx is empty; name another"),
        ([["patient_id", "age"]], "a.xlsx has no rows; it needs a header"),
        ([["a", "a"], [1, 2]], "clinical table: columns 1 and 2 have the same name; rename one"),
        ([["a", None, "c"], [1, 2, 3]], "clinical table: column 2 has no name"),
    ],
)
def test_sheet_that_cannot_be_used_is_told(
    tmp_path: Path, workbooks: Workbooks, content: list[list[object]], message: str
) -> None:
    """As in a CSV."""
    assert message in refusal(workbooks.xlsx(tmp_path / "a.xlsx", {"one": content}))


def test_header_with_an_error_is_refused(tmp_path: Path, workbooks: Workbooks) -> None:
    """Nothing says what the column is."""
    path = workbooks.xlsx(tmp_path / "a.xlsx", {"one": [["patient_id", workbooks.ERROR], ["P1", 1]]})
    assert "the header of the clinical table a.xlsx holds an error of a formula" in refusal(path)


def test_file_that_is_no_plain_workbook_is_refused_with_its_kind(
    tmp_path: Path, workbooks: Workbooks
) -> None:
    """Encrypted, old, binary, with macros, another archive, cut short, or text with a wrong beginning."""
    good = [HEADER, ["P1", 1, DAY]]
    path = tmp_path / "a.xlsx"
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    path.write_bytes(ole + "EncryptedPackage".encode("utf-16-le") + bytes(100))
    assert "a.xlsx is encrypted; save it without a password" in refusal(path)
    path.write_bytes(ole)
    assert "is in Excel's old format (.xls); save it as .xlsx" in refusal(path)
    workbooks.xlsx(path, {"one": good}, more={"xl/vbaProject.bin": b"Sub"})
    assert "holds macros; save it without them" in refusal(path)
    workbooks.xlsx(path, {"one": good}, more={"xl/workbook.bin": b"x"})
    assert "is a binary workbook (.xlsb); save it as .xlsx" in refusal(path)
    workbooks.ods(path, [HEADER], manifest="<encryption-data/>")
    assert "is encrypted; save it without a password" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("clinical.csv", "patient_id\n1\n")
    assert "is an archive and no workbook" in refusal(path)
    whole = workbooks.xlsx(path, {"one": good}).read_bytes()
    for broken in (whole[: len(whole) // 2], whole[:4], whole[:60] + b"\xff" * 40 + whole[100:]):
        path.write_bytes(broken)
        assert "a.xlsx is damaged; open it and save it again" in refusal(path)
    workbooks.xlsx(path, {"one": "<row><c>"})
    assert "is damaged" in refusal(path)
    path.write_bytes(b"\x1f\x8b\x08\x00")
    assert "is compressed; unpack it first" in refusal(path)


def test_archive_that_unpacks_to_gigabytes_is_refused_by_what_it_claims(
    tmp_path: Path, workbooks: Workbooks
) -> None:
    """Nothing is unpacked for that; the message states the limit."""
    path = workbooks.xlsx(
        tmp_path / "a.xlsx", {"one": [HEADER, ["P1", 1, DAY]]}, more={"x": bytes(257 << 20)}
    )
    assert path.stat().st_size < 1 << 20
    assert "would unpack to 257 MiB in 6 files, the limit is 256 MiB" in refusal(path)


@pytest.mark.parametrize("kind", ["xlsx", "ods", "ods repeated"])
def test_cell_at_the_edge_of_the_sheet_does_not_fill_the_memory(
    tmp_path: Path, workbooks: Workbooks, kind: str
) -> None:
    """The reader makes a rectangle of all cells: two of them would take half a terabyte."""
    path = tmp_path / "a"
    value = '<table:table-cell office:value-type="float" office:value="1"{}/>'
    if kind == "xlsx":
        cells = ("A1", "XFD1048576")
        xml = "".join(f'<row r="{p[-7:].lstrip("XFDA")}"><c r="{p}"><v>1</v></c></row>' for p in cells)
        workbooks.xlsx(path, {"one": xml})
    elif kind == "ods":
        empty = '<table:table-row table:number-rows-repeated="1048575"><table:table-cell/></table:table-row>'
        far = f'<table:table-cell table:number-columns-repeated="16383"/>{value.format("")}'
        workbooks.ods(path, f"{empty}<table:table-row>{far}</table:table-row>")
    else:
        many = value.format(' table:number-columns-repeated="16384"')
        workbooks.ods(path, f'<table:table-row table:number-rows-repeated="1048576">{many}</table:table-row>')
    assert "has cells down to row 1,048,576 and out to column 16,384; delete what stands" in refusal(path)


def test_empty_cells_up_to_the_edge_are_no_reason_to_refuse(tmp_path: Path, workbooks: Workbooks) -> None:
    """LibreOffice writes them below and beside every table."""
    cells = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{t}</text:p></table:table-cell>'
        for t in HEADER
    )
    rest = '<table:table-cell table:number-columns-repeated="16381"/>'
    below = '<table:table-row table:number-rows-repeated="1048574"><table:table-cell/></table:table-row>'
    line = f"<table:table-row>{cells}{rest}</table:table-row>"
    path = workbooks.ods(tmp_path / "a.ods", line + line + below)
    assert rows(path) == [(2, HEADER)]
