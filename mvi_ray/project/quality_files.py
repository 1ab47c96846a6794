"""Where the quality page and its pictures lie, and how they go again."""

from __future__ import annotations

import re
from contextlib import contextmanager
from secrets import token_hex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from mvi_ray.project.project import Project

PAGE, PICTURES = "quality.html", "quality"

# A folder of this name may hold files of the user.
_OURS = re.compile(r"[0-9a-f]{32}\.(webp|json)|\.mvi-[0-9a-f]{16}")


@contextmanager
def quality_locked(project: Project) -> Iterator[None]:
    """Wait for whoever writes or removes the page.

    Not the lock of the store: an extraction holds that for hours, and pictures may be looked at
    meanwhile.
    """
    from filelock import FileLock

    with FileLock(project.store.root / ".quality.lock"):
        yield


def write_aside(target: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    aside = target.with_name(f".mvi-{token_hex(8)}")
    try:
        aside.write_bytes(content)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def remove_pictures(folder: Path, keep: Collection[str] = ()) -> None:
    """Remove pictures and what was measured with them; files of the user stay.

    Args:
        folder: of the pictures.
        keep: names without ending.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if _OURS.fullmatch(path.name) and path.stem not in keep:
            path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def remove_quality_page(project: Project) -> None:
    """Remove the page and all of its pictures; `mvi quality` makes them anew.

    Whoever writes them now is waited for. The page, which names patients, goes last: a call that
    was killed is noticed by it.
    """
    with quality_locked(project):
        remove_pictures(project.folder / PICTURES)
        for left in project.folder.glob(".mvi-*"):
            if left.is_file() and _OURS.fullmatch(left.name):
                left.unlink(missing_ok=True)
        (project.folder / PAGE).unlink(missing_ok=True)
