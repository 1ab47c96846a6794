"""Whether anything of a patient is left in a folder: every file is decoded and searched.

What absence means here: no needle stands in the name of a file or folder, in the bytes of a file
as they are, in text however it is escaped (JSON, URL, HTML, SQL, drawings inside a page), in a
column, key-value or bound of Parquet (Delta checkpoints are Parquet), in a table, view, comment or
type of DuckDB, in an array of NumPy, or in what gzip, bzip2, xz, zip and tar hold of all this.
What could not be decoded is a trace as well, of kind ``unreadable``, and so is a link to a place
that is not searched. Not claimed: what a picture
shows, packed text inside PNG, values that were rounded to fewer than 12 digits or to
float32, embeddings written as text, voxels, and what `Needles` says of short pseudonyms.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mvi_ray.store.search.contents import Contents, Limits
from mvi_ray.store.search.matcher import Matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from mvi_ray.store.search.needles import Needles

_THREADS = 4
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Trace:
    """A place that something of the patient stands in, or that could not be searched.

    Args:
        path: relative to the folder; of a file name that names the patient, it does too.
        kind: ``raw bytes`` (text files as well), ``delta log``, ``parquet``, ``delta checkpoint``,
            ``duckdb``, ``gzip``, ``zip``, ``file name`` and others; ``zip > parquet`` is a Parquet
            file inside an archive; ``unreadable`` where absence was not shown.
        what: what was found and how often, or why nothing could be; never the text or value.
    """

    path: Path
    kind: str
    what: str


def find_traces(
    folder: Path,
    needles: Needles,
    *,
    skip: Collection[Path] = (),
    follow: Collection[Path] = (),
    progress: Callable[[int, int], None] | None = None,
    limits: Limits | None = None,
) -> list[Trace]:
    """Search a folder for what belongs to one patient.

    The names and targets of symbolic links count. One that leads to a place which is not searched
    is reported as unreadable.

    Args:
        folder: usually a project directory.
        needles: what to look for.
        skip: files and folders that are left out, relative to the folder or absolute.
        follow: folders that are searched also when they are links, relative or absolute; what
            is in them is shown below the link. No other link is followed.
        progress: called with the bytes of files searched and in all.
        limits: how far a file is decoded; a file beyond them is reported as unreadable.

    Returns:
        Traces sorted by path; empty when nothing was found and everything was searched.
    """
    folder = folder.absolute()
    matcher = Matcher(needles)
    traces: list[Trace] = []
    left_out = {os.path.normpath(folder / path) for path in skip}
    followed = {folder / path for path in follow if (folder / path).is_dir()}
    searched = [Path(os.path.realpath(path)) for path in (folder, *followed)]
    sizes: dict[Path, int] = {}
    for path in _walk(folder, left_out, followed, folder, traces):
        traces.extend(_in_name(path, folder, matcher))
        if path.is_symlink() and path not in followed and not _leads_into(path, searched):
            traces.append(Trace(path.relative_to(folder), "unreadable", "a link, not searched"))
        try:
            status = path.lstat()
        except OSError as error:
            traces.append(_unreadable(path, folder, error))
            continue
        if stat.S_ISREG(status.st_mode):
            sizes[path] = status.st_size
    done, total = 0, sum(sizes.values())

    def search(path: Path) -> list[Trace]:
        return list(_in_file(path, folder, matcher, limits or Limits()))

    # Threads: what takes longest is decompression, which lets the others run.
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _THREADS)) as pool:
        try:
            for size, found in zip(sizes.values(), pool.map(search, sizes), strict=True):
                traces.extend(found)
                done += size
                if progress is not None:
                    progress(done, total)
        finally:
            pool.shutdown(cancel_futures=True)
    return sorted(traces, key=lambda trace: (str(trace.path), trace.kind, trace.what))


def _walk(
    start: Path, left_out: set[str], followed: Collection[Path], folder: Path, traces: list[Trace]
) -> Iterator[Path]:
    """Every entry below a place; a folder that cannot be listed is a trace."""

    def refused(error: OSError) -> None:
        traces.append(_unreadable(Path(error.filename or start), folder, error))

    for place, folders, files in os.walk(start, onerror=refused):
        here = [name for name in (*folders, *files) if os.path.normpath(Path(place, name)) not in left_out]
        kept = set(here)
        folders[:] = sorted(name for name in folders if name in kept)
        for path in (Path(place, name) for name in sorted(here)):
            yield path
            if path in followed and path.is_symlink():
                yield from _walk(path, left_out, followed, folder, traces)


def _leads_into(link: Path, places: Collection[Path]) -> bool:
    """Whether what a link leads to is searched anyway."""
    target = Path(os.path.realpath(link))
    return any(target.is_relative_to(place) for place in places)


def _in_name(path: Path, folder: Path, matcher: Matcher) -> Iterator[Trace]:
    names = list(path.readlink().parts) if path.is_symlink() else []
    # Volumes lie in folders named by two digits of a digest: 17 and a1 would be found there.
    if not (path.parent.name in ("images", "masks") and len(path.name) == 2 and _HEX.issuperset(path.name)):
        names.append(path.name)
    found = sum(map(matcher.in_name, names), Counter[str]())
    if found:
        yield Trace(path.relative_to(folder), "file name", _described(found))


def _in_file(path: Path, folder: Path, matcher: Matcher, limits: Limits) -> Iterator[Trace]:
    contents = Contents(matcher, limits)
    is_log = "_delta_log" in path.parts
    place = path.relative_to(folder)
    try:
        contents.search(
            path,
            "delta log" if is_log and path.suffix != ".parquet" else "raw bytes",
            {"parquet": "delta checkpoint"} if is_log else {},
        )
    except OSError as error:
        yield _unreadable(path, folder, error)
    for kind, found in contents.found.items():
        if +found:
            yield Trace(place, kind, _described(found))
    for failure in dict.fromkeys(contents.failures):
        yield Trace(place, "unreadable", failure)


def _unreadable(path: Path, folder: Path, error: OSError) -> Trace:
    return Trace(path.relative_to(folder), "unreadable", error.strerror or type(error).__name__)


def _described(found: Counter[str]) -> str:
    """Such as ``2 × pseudonym, 1 × value``."""
    return ", ".join(f"{count} × {what}" for what, count in sorted((+found).items()))
