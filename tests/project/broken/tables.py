"""Clinical tables that are refused as a whole, lines and cells that are, and what only looks broken."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from tests.ingest.clinical.conftest import Workbooks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADER = ("patient_id", "mvi", "age", "sex", "site", "afp", "lab_date", "surgery_date")
_GOOD = "P1,1,61.5,female,A,12.5,2024-01-13,2024-01-20"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


def table(*lines: str) -> bytes:
    """A table in CSV with a good patient P1 on its first line."""
    return "\n".join([",".join(HEADER), _GOOD, *lines, ""]).encode()


CELLS = {
    "outcome neither 0 nor 1": ("P2,2,60,male,A,1,,", "mvi", "outcome mvi is neither 0 nor 1"),
    "outcome in words": ("P2,yes,60,male,A,1,,", "mvi", "outcome mvi is neither 0 nor 1"),
    "level unknown": ("P2,1,60,weiblich,A,1,,", "sex", "sex is none of its levels"),
    "number in words": ("P2,1,sixty,male,A,1,,", "age", "age is no number"),
    "number infinite": ("P2,1,inf,male,A,1,,", "age", "age is no number"),
    "number out of range": ("P2,1,610,male,A,1,,", "age", "age is outside of what is allowed"),
    "comma of two meanings": (
        'P2,1,60,male,A,"1,234",,',
        "afp",
        "afp has a comma that can be read in two ways",
    ),
    "censored without a rule": ("P2,1,60,male,A,>1210,,", "afp", "afp lies above a limit of the laboratory"),
    "date of two readings": (
        "P2,1,60,male,A,1,03/04/2024,2024-05-01",
        "lab_to_surgery",
        "the date lab can be read in two ways",
    ),
    "date that no calendar has": (
        "P2,1,60,male,A,1,2024-02-30,2024-05-01",
        "lab_to_surgery",
        "the date lab is no date",
    ),
    "date of another century": (
        "P2,1,60,male,A,1,0024-02-20,2024-05-01",
        "lab_to_surgery",
        "the date lab is no date of our time",
    ),
}
"""Line of a second patient; column that stays empty; what is said."""

LINES = {
    "patient blank": (",1,60,male,A,1,,", "patient_id is blank"),
    "patient twice": ("P1,0,60,male,A,1,,", "the patient stands in line 2 already"),
    "patient with a line break": ('"P\t2",1,60,male,A,1,,', "patient_id holds a control character"),
}
"""Lines that are left out."""

_SEMICOLONS = table("P2,0,60.25,male,B,0.5,,").replace(b",", b";").replace(b".", b",")

ACCEPTED = {
    "byte-order mark": codecs.BOM_UTF8 + table("P2,0,60.25,male,B,0.5,,"),
    "semicolons and decimal commas": _SEMICOLONS,
    "semicolons, decimal commas and a mark": codecs.BOM_UTF8 + _SEMICOLONS,
    "UTF-16 with its mark": table("P2,0,60.25,male,B,0.5,,").decode().encode("utf-16"),
    "decimal commas in quotes": table('P2,0,"60,25",male,B,"0,5",,'),
    "marks for nothing": table("P2,0,60.25,male,B,0.5,NA,n/a"),
}
"""What spreadsheets of half of Europe write: tables like any other."""


def _bytes(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def _nothing(_: Path) -> None:
    """Leave the file away."""


def _sparse(path: Path) -> None:
    path.write_bytes(table())
    with path.open("r+b") as file:
        file.truncate((256 << 20) + 2)


def _workbook(path: Path, **more: bytes) -> None:
    Workbooks().xlsx(path, {"one": [HEADER, _GOOD.split(",")]}, more=more)


def _cut(path: Path) -> None:
    _workbook(path)
    path.write_bytes(path.read_bytes()[:900])


def _edge(path: Path) -> None:
    cells = (("1", "A1"), ("1048576", "XFD1048576"))
    xml = "".join(f'<row r="{row}"><c r="{at}"><v>1</v></c></row>' for row, at in cells)
    Workbooks().xlsx(path, {"one": xml})


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "absent": (_nothing, "does not exist"),
    "folder": (lambda path: path.mkdir(), "cannot be read: Is a directory"),
    "no bytes": (_bytes(b""), "has no rows"),
    "header only": (_bytes(",".join(HEADER).encode()), "has no rows"),
    "without patients": (_bytes(table().replace(b"patient_id", b"number")), "'patient_id' is missing"),
    "column twice": (_bytes(table().replace(b"age", b"sex")), "have the same name"),
    "ragged line": (_bytes(table("P2,1")), "line 3: 2 cells under 8 columns"),
    "open quote": (_bytes(table('P2,"1,2')), "check its quotes"),
    "Latin-1": (_bytes(table("Müller,1,,,,,,").decode().encode("latin-1")), "is not UTF-8 text"),
    "UTF-16 without its mark": (_bytes(table().decode().encode("utf-16-le")), "holds zero bytes"),
    "packed": (_bytes(b"\x1f\x8b\x08\x00"), "is compressed; unpack it first"),
    "encrypted": (_bytes(_OLE + "EncryptedPackage".encode("utf-16-le")), "is encrypted"),
    "old workbook": (_bytes(_OLE), r"is in Excel's old format \(.xls\)"),
    "macros": (lambda path: _workbook(path, **{"xl/vbaProject.bin": b"Sub"}), "holds macros"),
    "binary workbook": (lambda path: _workbook(path, **{"xl/workbook.bin": b"x"}), "is a binary workbook"),
    "workbook cut": (_cut, "is damaged"),
    "bomb": (lambda path: _workbook(path, x=bytes(257 << 20)), "would unpack to 257 MiB"),
    "cells at the edge": (_edge, "has cells down to row 1,048,576"),
    "parquet damaged": (_bytes(b"PAR1" + bytes(100)), "clinical table"),
    "endless": (_sparse, "is larger than 256 MiB"),
}
"""What is refused as a whole: how it is written, and what is said."""
