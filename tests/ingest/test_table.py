"""Text tables as hospitals hand them over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.errors import ManifestError
from mvi_ray.ingest.table import TextTable, read_table

if TYPE_CHECKING:
    from pathlib import Path

WANTED = [{"patient_id": "001", "age": "61"}, {"patient_id": "002", "age": ""}]


def table(folder: Path, content: bytes) -> TextTable:
    """Read bytes as a table."""
    path = folder / "list.csv"
    path.write_bytes(content)
    return read_table(path, "clinical table")


@pytest.mark.parametrize(
    "content",
    [
        b"patient_id,age\n001,61\n002,\n",
        b"\xef\xbb\xbfpatient_id,age\n001,61\n002,\n",
        b"patient_id;age\n001;61\n002;\n",
        b"patient_id\tage\n001\t61\n002\t\n",
        b"patient_id,age\r\n001,61\r\n002,\r\n",
        b"patient_id,age\r001,61\r002,\r",
        "patient_id;age\n001;61\n002;\n".encode("utf-16"),
        b"\xfe\xff" + "patient_id;age\n001;61\n002;\n".encode("utf-16-be"),
        b"patient_id,age\n001,61\n002,",
        b"\n\npatient_id;age\n\n001;61\n;\n002;\n\n",
        b" patient_id , age \n 001 , 61 \n\t002,  \n",
        b'"patient_id","age"\n"001","61"\n"002",""\n',
        b"patient_id,age,,\n001,61,,\n002,,,\n",
        b"patient_id;age\n001;61;;\n002;\n",
    ],
    ids=[
        "plain",
        "bom",
        "semicolon",
        "tab",
        "crlf",
        "cr",
        "utf-16",
        "utf-16-be",
        "no-end",
        "blank-lines",
        "blanks",
        "quoted",
        "filled",
        "filled-rows",
    ],
)
def test_every_spelling_of_a_table_is_the_same_table(tmp_path: Path, content: bytes) -> None:
    """Marks, separators, line ends, blanks and quotes change nothing; 001 stays text."""
    found = table(tmp_path, content)
    assert found.columns == ("patient_id", "age")
    assert [cells for _, cells in found.rows] == WANTED


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    """A user finds the line in an editor: header 1, blank lines and quoted newlines counted."""
    found = table(tmp_path, b'id,note\n\n1,x\n2,"two\nlines"\n3,y\n')
    assert found.rows[0][0] == 3
    assert found.rows[1] == (5, {"id": "2", "note": "two\nlines"})
    assert found.rows[2][0] == 6


def test_unusual_line_separators_stay_within_their_cell(tmp_path: Path) -> None:
    """Only what an editor shows as a new line is one."""
    found = table(tmp_path, "id,note\n1,a\u2028b\x0bc\x85d\n".encode())
    assert found.rows == ((2, {"id": "1", "note": "a\u2028b\x0bc\x85d"}),)


def test_separator_may_stand_in_quotes(tmp_path: Path) -> None:
    """A quoted comma separates nothing."""
    assert table(tmp_path, b'id,name\n1,"a,b ""c"""\n').rows[0][1] == {"id": "1", "name": 'a,b "c"'}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "list.csv has no rows; it needs a header and one line per case"),
        (b"\n\n", "has no rows"),
        (b"patient_id,age\n", "has no rows"),
        (b"patient_id,age\n,\n", "has no rows"),
        (b"a,b\n1,2,3\n", "clinical table, line 2: 3 cells under 2 columns; quote cells"),
        (b"a,b\n1,2\n\n1\n", "clinical table, line 4: 1 cells under 2 columns"),
        (b"a,b,a\n1,2,3\n", "clinical table: columns 1 and 3 have the same name; rename one"),
        (b"MUELLER,7,MUELLER\nMAIER,2,3\n", "columns 1 and 3 have the same name"),
        (b"a,,c\n1,2,3\n", "clinical table: column 2 has no name; give it one, or delete it"),
        (b'a,b\n1,"2\n', "clinical table, line 2: unexpected end of data; check its quotes"),
        (b'a,b\n1,"2"x\n', "clinical table, line 2: .*; check its quotes"),
        ("a,b\nü,2\n".encode("latin-1"), "is not UTF-8 text; save it as 'CSV UTF-8'"),
        ("a,b\n1,2\n".encode("utf-16-le"), "holds zero bytes, which no text has; save it as 'CSV UTF-8'"),
        (b"\xff\xfea\x00,\x00b", "is not utf-16 text; name its encoding"),
        (b"PK\x03\x04\xff\xfe\x00", "is not UTF-8 text"),
    ],
)
def test_table_that_cannot_be_used_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    """With its role, the line and the way out."""
    with pytest.raises(ManifestError, match=message) as caught:
        table(tmp_path, content)
    assert caught.value.way_out


def test_missing_table_and_folder_are_told_without_the_path(tmp_path: Path) -> None:
    """The name of the table is enough."""
    for name, words in (("none.csv", "does not exist; check the path"), ("", "cannot be read")):
        with pytest.raises(ManifestError, match=words) as caught:
            read_table(tmp_path / name, "manifest")
        assert str(tmp_path.parent) not in caught.value.message


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "gb18030", "utf-16-le", "utf-8", "cp1251"])
def test_an_encoding_that_is_named_is_used(tmp_path: Path, encoding: str) -> None:
    """What no byte tells for certain is not guessed, and need not be."""
    word = {"gb18030": "甲胎蛋白", "cp1251": "ИЛ"}.get(encoding, "Größe")
    path = tmp_path / "list.csv"
    path.write_bytes(f"id|{word}\n1|2,5\n".encode(encoding))
    found = read_table(path, "clinical table", encoding=encoding, delimiter="|")
    assert found.rows == ((2, {"id": "1", word: "2,5"}),)


def test_only_the_clinical_table_has_an_encoding_in_the_study(tmp_path: Path) -> None:
    """A way out that leads nowhere is none."""
    path = tmp_path / "list.csv"
    path.write_bytes("a,b\nü,2\n".encode("cp1252"))
    for what, named in (("clinical table", True), ("manifest", False)):
        with pytest.raises(ManifestError, match="is not UTF-8 text") as caught:
            read_table(path, what)
        assert ("clinical.sources" in caught.value.way_out) is named


def test_a_file_that_is_no_table_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong path may be that of a volume of gigabytes."""
    monkeypatch.setattr("mvi_ray.ingest.table.LARGEST_MIB", 1)
    path = tmp_path / "list.csv"
    with path.open("wb") as file:
        file.truncate((1 << 20) + 1)
    with pytest.raises(ManifestError, match="larger than 1 MiB; keep the lines"):
        read_table(path, "manifest")
