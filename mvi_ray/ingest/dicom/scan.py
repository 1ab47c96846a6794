"""A tree of files to the DICOM series in it."""

from __future__ import annotations

import stat
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError
from mvi_ray.ingest.dicom.headers import Header, read_header
from mvi_ray.ingest.dicom.series import Series, series_of
from mvi_ray.ingest.problem import Problem
from mvi_ray.ingest.silence import quiet

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from pathlib import Path

_THREADS = 4
"""Reading waits for the disk or the network; parsing holds the interpreter, so more do not help."""
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True, slots=True)
class Scan:
    """What a tree holds.

    Args:
        series: all of them, in order of patient, date and number.
        files: how many files were looked at.
        others: how many of them are no DICOM.
        problems: what could not be read, by count; none stops the scan.
    """

    series: tuple[Series, ...]
    files: int
    others: int
    problems: tuple[Problem, ...]


def scan_folder(folder: Path, progress: Callable[[int, int], None] | None = None) -> Scan:
    """Read the headers of all DICOM files of a tree.

    Links are followed, but no folder is entered twice. Hidden files and folders are passed over.

    Args:
        folder: the top of the tree.
        progress: called with the number of files read and of all files.

    Raises:
        CaseError: the folder itself does not exist or cannot be read.
    """
    faults: Counter[tuple[str, str]] = Counter()
    files = list(_walk(folder, faults))
    headers: list[Header] = []
    others = 0
    with quiet(), ThreadPoolExecutor(_THREADS) as pool:
        for done, found in enumerate(pool.map(_read, files), start=1):
            if isinstance(found, Header):
                headers.append(found)
            elif found is None:
                others += 1
            else:
                faults[found] += 1
            if progress is not None:
                progress(done, len(files))
    series = series_of(headers)
    problems = [*_problems(faults), *_shared_keys(series)]
    return Scan(series, len(files), others, tuple(problems))


def _read(path: Path) -> Header | tuple[str, str] | None:
    """A header, nothing, or what is wrong with the file and the way out."""
    try:
        return read_header(path)
    except CaseError as error:
        return error.reason, error.way_out
    except OSError as error:
        return f"file cannot be read: {error.strerror}", "check its permissions"


def _walk(folder: Path, faults: Counter[tuple[str, str]]) -> Iterator[Path]:
    """Regular files of a tree, each folder's in order of their names."""
    try:
        top = folder.stat()
        waiting = [_listed(folder)]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise CaseError(f"folder cannot be read: {reason}; check its path") from None
    seen = {(top.st_dev, top.st_ino)}
    while waiting:
        folders = []
        for path in waiting.pop():
            try:
                status = path.stat()
                if not stat.S_ISDIR(status.st_mode):
                    if _is_regular(path, status, faults):
                        yield path
                elif (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    folders.append(_listed(path))
            except OSError as error:
                faults[
                    f"file or folder cannot be reached: {error.strerror}", "check links and permissions"
                ] += 1
        waiting.extend(reversed(folders))


def _listed(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name not in ("__MACOSX", "DICOMDIR")
    )


def _is_regular(path: Path, status: os.stat_result, faults: Counter[tuple[str, str]]) -> bool:
    if not stat.S_ISREG(status.st_mode):
        faults["pipe or device among the files", "delete it"] += 1
        return False
    if path.name.lower().endswith(_ARCHIVES):
        faults["archive that was not opened", "unpack it if it holds images"] += 1
    return True


def _problems(faults: Counter[tuple[str, str]]) -> list[Problem]:
    return [
        Problem("warning", f"{reason}" if count == 1 else f"{reason} ({count} times)", way_out)
        for (reason, way_out), count in sorted(faults.items())
    ]


def _shared_keys(series: tuple[Series, ...]) -> list[Problem]:
    patients: dict[str, set[str]] = {}
    for one in series:
        patients.setdefault(one.key, set()).add(one.identifier)
    return [
        Problem(
            "warning",
            f"series {key} stands under {len(found)} patient identifiers",
            "join them in the crosswalk, or remove the copies",
        )
        for key, found in patients.items()
        if len(found) > 1
    ]
