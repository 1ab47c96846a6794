"""`mvi init`: a study file where one may be, and a plain word where none may."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mvi_ray.errors import UsageError
from mvi_ray.project import Project

if TYPE_CHECKING:
    from tests.conftest import TinyProject


def test_study_is_written_below_folders_that_are_made(tmp_path: Path) -> None:
    """With the phases that were named."""
    assert Project.init(tmp_path / "a" / "b", ["AP", "HBP"]).study.phases == ("AP", "HBP")


def test_study_that_is_there_stays(tmp_path: Path) -> None:
    """Every byte of it."""
    Project.init(tmp_path)
    (tmp_path / "study.yaml").write_text("mine")
    with pytest.raises(UsageError, match=r"study\.yaml is there already; edit it, or choose another"):
        Project.init(tmp_path)
    assert (tmp_path / "study.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        (["A P"], "'A P' is not a name"),
        (["1"], "'1' is not a name: start with a letter"),
        (["AP", "ap"], "'ap' and 'AP' are the same name"),
        ([], "no phase is named"),
    ],
)
def test_what_is_no_phase_is_told_before_anything_is_made(
    tmp_path: Path, phases: list[str], said: str
) -> None:
    """In words of this program, with an example."""
    with pytest.raises(UsageError, match=f"{said}.*; phases are names such as AP,PP,HBP$"):
        Project.init(tmp_path / "study", phases)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("below", ["", "tables", "images/new"])
def test_no_study_is_written_into_a_store(extracted: TinyProject, below: str) -> None:
    """It holds its own files only."""
    extracted.open().refresh()
    folder = extracted.folder / "store" / below
    with pytest.raises(UsageError, match=r"lies in a store, .* name another directory"):
        Project.init(folder)
    assert list((extracted.folder / "store").rglob("study.yaml")) == []


def test_file_is_no_directory(tmp_path: Path) -> None:
    """Nor is what would lie below it."""
    (tmp_path / "list").write_text("mine")
    with pytest.raises(UsageError, match="list is a file; name a directory"):
        Project.init(tmp_path / "list")
    with pytest.raises(UsageError, match=r"no study can be written in .*: Not a directory; name another"):
        Project.init(tmp_path / "list" / "study")
    assert (tmp_path / "list").read_text() == "mine"


def test_place_that_may_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions do not bind root, who may run this test: the refusal is raised here."""

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UsageError, match=r"no study can be written in .*: Permission denied; name another"):
        Project.init(tmp_path / "study")
