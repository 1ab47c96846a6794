"""What a case is made from, as one digest: the same bytes read the same way need no second look."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING

from mvi_ray.ingest.detached import has_own_voxels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mvi_ray.ingest.manifest import ManifestRow
    from mvi_ray.study import Study

_VERSION = 2
"""Counts up when the same files would become other voxels or other rows."""

_BLOCK = 1 << 20


class Sources:
    """Digests of cases of one manifest; each file is read once.

    Args:
        folder: what relative paths start from.
        study: how files are read and regions are made.
        dates_key: secret that shifts dates; another one shifts those of unchanged files, too.
    """

    def __init__(self, folder: Path, study: Study, dates_key: bytes | None = None) -> None:
        self._folder = folder
        self._key = None if dates_key is None else hashlib.sha256(dates_key).hexdigest()
        self._settings = study.model_dump(
            mode="json", include={"dicom", "geometry", "segments", "masks", "regions", "readers"}
        )
        # Threads may both compute one file's digest; none computes a wrong one.
        self._of_file = cache(_of_path)

    def digest(self, rows: Sequence[tuple[int, ManifestRow]]) -> str | None:
        """SHA-256 of the files, cells and settings behind some lines; None when it cannot be known.

        Args:
            rows: lines of one image, and of the image whose masks it takes.
        """
        cells = []
        for _, row in rows:
            content = row.model_dump(mode="json")
            content["written"] = sorted(row.model_fields_set)
            for name in ("image", "mask", "organ_mask"):
                if content[name] is not None:
                    found = self._of_file(self._folder / content[name])
                    if found is None:
                        return None
                    content[name] = found
            cells.append(content)
        text = json.dumps([_VERSION, self._settings, self._key, cells], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _of_path(path: Path) -> str | None:
    """SHA-256 of a file, or of all files below a folder; None where it would not cover all that is read."""
    content = hashlib.sha256()
    try:
        if not path.is_dir():
            return _of_file(path) if path.is_file() and has_own_voxels(path) else None
        there = sorted(path.rglob("*"))
        # A scan enters folders that are links, which this list does not.
        if any(inner.is_symlink() and inner.is_dir() for inner in there):
            return None
        for inner in (p for p in there if p.is_file()):
            content.update(inner.relative_to(path).as_posix().encode(errors="surrogateescape") + b"\0")
            content.update(_of_file(inner).encode())
    except OSError:
        return None
    return content.hexdigest()


def _of_file(path: Path) -> str:
    content = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            content.update(block)
    return content.hexdigest()
