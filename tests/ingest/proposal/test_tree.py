"""Listing a folder: all that lies in it, nothing beside it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mvi_ray.errors import UsageError
from mvi_ray.ingest.proposal.tree import list_tree
from tests.ingest.proposal.making import touch

if TYPE_CHECKING:
    from pathlib import Path


def told(folder: Path) -> list[str]:
    """What was passed over."""
    return [problem.reason for problem in list_tree(folder).problems]


def test_files_and_folders_are_listed_in_order(tmp_path: Path) -> None:
    """Folders end with a slash; hidden files are passed over without a word."""
    touch(tmp_path, "b/2.nrrd", "b/1.nrrd", "a.nrrd", ".hidden", ".git/x", "b/._1.nrrd")
    tree = list_tree(tmp_path)
    assert tree.paths == ("a.nrrd", "b/", "b/1.nrrd", "b/2.nrrd")
    assert tree.root == tmp_path.resolve()
    assert tree.problems == ()


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    """Neither to a file nor to a folder; a link to a file inside is."""
    touch(tmp_path, "outside/secret.nrrd", "in/a.nrrd")
    inside = tmp_path / "in"
    (inside / "file.nrrd").symlink_to(tmp_path / "outside" / "secret.nrrd")
    (inside / "folder").symlink_to(tmp_path / "outside")
    (inside / "round").symlink_to(inside)
    (inside / "same.nrrd").symlink_to(inside / "a.nrrd")
    (inside / "broken.nrrd").symlink_to(inside / "none")
    (inside / "loop.nrrd").symlink_to(inside / "loop.nrrd")
    assert list_tree(inside).paths == ("a.nrrd", "same.nrrd")
    assert told(inside) == [
        "link leads nowhere (2 times)",
        "link to a file outside the folder was not followed",
        "link to a folder was not followed (2 times)",
    ]


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    """A pipe would hang whoever opens it; a name that is no text cannot stand in a manifest."""
    touch(tmp_path, "a.nrrd")
    os.mkfifo(tmp_path / "pipe.nrrd")
    (tmp_path / os.fsdecode(b"M\xfcller.nrrd")).touch()
    assert list_tree(tmp_path).paths == ("a.nrrd",)
    assert told(tmp_path) == ["file name is no text in UTF-8", "pipe or device among the files"]


def test_file_that_cannot_be_reached_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that lists its files and hides them stops nothing."""
    touch(tmp_path, "a.nrrd")

    def refuse(_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.is_file", refuse)
    assert told(tmp_path) == ["file cannot be reached: Permission denied"]


def test_folder_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    """Without the path in the message."""
    touch(tmp_path, "a.nrrd")
    for name in ("none", "a.nrrd"):
        with pytest.raises(
            UsageError, match=r"the folder to scan cannot be read: .+; check its path"
        ) as caught:
            list_tree(tmp_path / name)
        assert str(tmp_path) not in caught.value.message
