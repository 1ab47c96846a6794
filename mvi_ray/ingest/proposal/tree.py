"""What a folder holds, without leaving it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mvi_ray.errors import UsageError
from mvi_ray.ingest.problem import Problem


@dataclass(frozen=True, slots=True)
class Tree:
    """Files and folders below a folder.

    Args:
        root: the folder, without links in its path.
        paths: relative to it, with slashes, in order; folders end with a slash.
        problems: what was passed over, by count.
    """

    root: Path
    paths: tuple[str, ...]
    problems: tuple[Problem, ...]


def list_tree(folder: Path) -> Tree:
    """List a folder and all below it.

    Links to folders are not followed, and a link to a file only where it stays inside: what a
    pattern finds is what lies in the folder. Hidden files and folders are passed over.

    Raises:
        UsageError: the folder does not exist or cannot be read.
    """
    try:
        root = folder.resolve(strict=True)
        with os.scandir(root):
            pass
    except OSError as error:
        raise UsageError(f"the folder to scan cannot be read: {error.strerror}; check its path") from None
    aside: Counter[tuple[str, str]] = Counter()
    paths: list[str] = []

    def refuse(error: OSError) -> None:
        aside[f"folder cannot be read: {error.strerror}", "check its permissions"] += 1

    for here, folders, files in os.walk(root, onerror=refuse):
        links = [name for name in folders if Path(here, name).is_symlink()]
        aside["link to a folder was not followed", "scan that folder itself"] += len(links)
        folders[:] = sorted(n for n in folders if n not in links and not n.startswith(".") and _is_text(n))
        base = "" if here == str(root) else f"{Path(here).relative_to(root).as_posix()}/"
        paths.extend(f"{base}{name}/" for name in folders)
        for name in sorted(files):
            if name.startswith("."):
                continue
            fault = _fault(root, Path(here, name))
            if fault is None:
                paths.append(base + name)
            else:
                aside[fault] += 1
    problems = [
        Problem("warning", reason if count == 1 else f"{reason} ({count} times)", way_out)
        for (reason, way_out), count in sorted(aside.items())
        if count
    ]
    return Tree(root, tuple(sorted(paths)), tuple(problems))


def _fault(root: Path, path: Path) -> tuple[str, str] | None:
    if not _is_text(path.name):
        return "file name is no text in UTF-8", "rename the file"
    try:
        if path.is_symlink():
            try:
                target = path.resolve(strict=True)
            except (OSError, RuntimeError):
                return "link leads nowhere", "mend it, or delete it"
            if not target.is_relative_to(root):
                return "link to a file outside the folder was not followed", "copy the file into the folder"
        return None if path.is_file() else ("pipe or device among the files", "delete it")
    except OSError as error:
        return f"file cannot be reached: {error.strerror}", "check the permissions of its folder"


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
