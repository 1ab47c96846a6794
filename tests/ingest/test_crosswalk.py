"""The crosswalk: identifiers to pseudonyms, and silence about both."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvi_ray.errors import ManifestError, MviError, UsageError
from mvi_ray.ingest.crosswalk import Crosswalk, read_crosswalk

HEAD = "identifier,patient_id"


def crosswalk(folder: Path, *lines: str) -> Crosswalk:
    """Read lines as a crosswalk."""
    path = folder / "crosswalk.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_crosswalk(path)


def test_several_identifiers_are_one_patient(tmp_path: Path) -> None:
    """Other columns are not looked at; blanks around a cell do not count."""
    found = crosswalk(tmp_path, HEAD + ",name", "0471,P01,Hans", "H-9 ,P01,Hans", "0472,P02,Eva")
    assert [found.find(text) for text in ("0471", " H-9", "0472")] == ["P01", "P01", "P02"]
    assert len(found) == 3


def test_unknown_identifier_is_none(tmp_path: Path) -> None:
    """Zeros count: 0471 and 471 may be two patients."""
    found = crosswalk(tmp_path, HEAD, "0471,P01")
    assert found.find("471") is None
    assert found.find("p01") is None


def test_pseudonym_stays_itself(tmp_path: Path) -> None:
    """A manifest that was written with a crosswalk may be read with it again."""
    assert crosswalk(tmp_path, HEAD, "0471,P01").find("P01") == "P01"


@pytest.mark.parametrize("text", ["471", "00471", "04-71", "0 471"])
def test_near_identifier_is_noticed(tmp_path: Path, text: str) -> None:
    """Spreadsheets drop zeros, typists add signs."""
    found = crosswalk(tmp_path, HEAD, "0471,P01")
    assert found.find(text) is None
    assert found.is_near(text)
    assert not found.is_near("0472")


def test_accents_are_compared_composed(tmp_path: Path) -> None:
    """File names of macOS come decomposed."""
    assert crosswalk(tmp_path, HEAD, "M\u00fcller,P01").find("Mu\u0308ller") == "P01"


def test_near_identifiers_of_one_patient_are_taken(tmp_path: Path) -> None:
    """As each of them stands in the files; signs may tell two patients apart."""
    found = crosswalk(tmp_path, HEAD, "0471,P01", "471,P01", "h 9,P02", "H9,P02", "1-11,P03", "11-1,P04")
    assert [found.find(text) for text in ("471", "H9", "1-11", "11-1")] == ["P01", "P02", "P03", "P04"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["id,patient_id", "MUELLER,P01"],
            "column 'identifier' is missing; its first line is identifier,pat",
        ),
        (["MUELLER,P01"], "has no rows"),
        (["MUELLER,P01", "MAIER,P02"], "column 'identifier' is missing"),
        (["MUELLER,MUELLER", "MAIER,P02"], "crosswalk: columns 1 and 2 have the same name; rename one"),
        ([HEAD, "MUELLER,MUELLER"], "line 2: the identifier is its own pseudonym and would stand in the st"),
        ([HEAD, "MAIER,P01", "P01,P01"], "line 3: the identifier is its own pseudonym"),
        *(
            (
                [HEAD, "0MUELLER,P01", f"{near},P02"],
                "line 3: the identifier differs from that of line 2 in zeros, blanks or upper and lower case",
            )
            for near in ("MUELLER", "0mueller", "0 MUELLER")
        ),
        (
            [HEAD, "MUELLER,P01", "MUELLER,P02"],
            "line 3: the identifier has another pseudonym in line 2; keep",
        ),
        ([HEAD, ",P01"], "line 2: identifier is blank; correct the cell"),
        ([HEAD, "MUELLER,"], "line 2: patient_id is blank; correct the cell"),
        ([HEAD, 'MUELLER,"P\n01"'], "line 3: patient_id holds a line break"),
        ([HEAD, "MUELLER,MAIER", "MAIER,P02"], "line 2: the pseudonym is the identifier in line 3; choose"),
        ([HEAD, "MUELLER,P01,x"], "line 2: 3 cells under 2 columns"),
    ],
)
def test_contradictions_are_told_by_line_and_without_identifiers(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    """What stands in the file is what the project must not know."""
    with pytest.raises(ManifestError, match=message) as caught:
        crosswalk(tmp_path, *lines)
    assert not [name for name in ("MUELLER", "MAIER") if name in caught.value.message]


def test_same_line_twice_is_no_contradiction(tmp_path: Path) -> None:
    """Lists of two hospitals are often put one after the other."""
    assert len(crosswalk(tmp_path, HEAD, "0471,P01", "0471,P01")) == 1


def test_crosswalk_inside_a_project_is_refused(tmp_path: Path) -> None:
    """Also further down, and through a link, in either direction."""
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    (project / "study.yaml").touch()
    inside = project / "data" / "crosswalk.csv"
    inside.write_text(f"{HEAD}\n0471,P01\n", encoding="utf-8")
    outside = tmp_path / "other.csv"
    outside.write_text(f"{HEAD}\n0471,P01\n", encoding="utf-8")
    (tmp_path / "link.csv").symlink_to(inside)
    (project / "link.csv").symlink_to(outside)
    for path in (inside, tmp_path / "link.csv", project / "link.csv"):
        with pytest.raises(UsageError, match=r"crosswalk lies inside a project directory.*; keep it"):
            read_crosswalk(path)
    assert len(read_crosswalk(outside)) == 1


def test_crosswalk_beside_a_project_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the way to it starts inside: a project is the usual current directory."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "study.yaml").touch()
    for place in (tmp_path, tmp_path / "project"):
        (place / "crosswalk.csv").write_text(f"{HEAD}\n0471,P01\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "project")
    assert len(read_crosswalk(Path("../crosswalk.csv"))) == 1
    with pytest.raises(UsageError, match="inside a project directory"):
        read_crosswalk(Path("crosswalk.csv"))


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"a\x00b\n1,2\n", b"\n", b'identifier,patient_id\n"']
)
def test_any_bytes_end_in_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    """Never in a traceback, which would show the cells."""
    path = tmp_path / "crosswalk.csv"
    path.write_bytes(content)
    with pytest.raises(MviError, match="crosswalk"):
        read_crosswalk(path)
