"""A proposal as a manifest: a CSV file that a person reads, edits and ingests."""

from __future__ import annotations

import csv
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from mvi_ray.errors import UsageError
from mvi_ray.ingest.formulas import is_formula, marked
from mvi_ray.ingest.proposal.row import BASELINE
from mvi_ray.study import DRAWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mvi_ray.ingest.proposal.row import ProposedRow

_ALWAYS = ("patient_id", "phase", "image", "mask")
_DEFAULTS = {
    "series": "",
    "part": "",
    "session": BASELINE,
    "lesion": "1",
    "reader": "R1",
    "region": DRAWN,
    "centre": "",
}


def check_target(target: Path, *, force: bool) -> None:
    """Check that a manifest may be written there.

    Raises:
        UsageError: a file is there already, or one that is no manifest; the folder is not, or it
            belongs to a store.
    """
    if target.exists() and not force:
        raise UsageError(
            f"{target.name} is there already; name another with --output, or replace it with --force"
        )
    if target.is_dir() or not target.resolve().parent.is_dir():
        raise UsageError(f"{target.name} cannot be written there; name a file in a folder that exists")
    if target.exists() and not _is_manifest(target):
        raise UsageError(
            f"{target.name} is no manifest, and --force replaces nothing else; name another file"
        )
    for folder in target.resolve().parents:
        if (folder / "tables").is_dir() and (folder / "mvi.duckdb").exists():
            raise UsageError("a store holds its own files only; name another folder with --output")


def _is_manifest(path: Path) -> bool:
    """Whether a file begins as a manifest does: a key, a crosswalk or an image cannot be made again."""
    try:
        with path.open("rb") as file:
            head = file.read(1000).decode("utf-8-sig", "replace").partition("\n")[0]
    except OSError:
        return False
    return all(name in re.split(r"[,;\t\r\"]", head) for name in _ALWAYS)


def write_manifest(rows: Sequence[ProposedRow], target: Path, *, force: bool = False) -> None:
    """Write rows as a manifest whose paths are relative to it; the file appears whole or not at all.

    Raises:
        UsageError: see `check_target`; or the disk refuses.
    """
    check_target(target, force=force)
    place = target.resolve()
    lines = [_cells(row, place.parent) for row in rows]
    columns = [*_ALWAYS, *(n for n, usual in _DEFAULTS.items() if any(one[n] != usual for one in lines))]
    aside = place.with_name(f".mvi-{secrets.token_hex(8)}.csv")
    try:
        with aside.open("x", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(place)
    except OSError as error:
        raise UsageError(f"{target.name} cannot be written: {error.strerror}; check the folder") from None
    finally:
        aside.unlink(missing_ok=True)


def _cells(row: ProposedRow, folder: Path) -> dict[str, str]:
    drawn = row.drawn
    cells = {
        "patient_id": row.patient,
        "phase": row.phase,
        "image": _relative(row.image, folder),
        "mask": _relative(None if drawn is None else drawn.path, folder),
        "series": row.series,
        "part": "" if row.part is None else str(row.part),
        "session": row.session,
        "lesion": "1" if drawn is None else drawn.lesion,
        "reader": "R1" if drawn is None else drawn.reader,
        "region": DRAWN if drawn is None else drawn.region,
        "centre": row.centre,
    }
    return {name: marked(text) for name, text in cells.items()}


def _relative(path: Path | None, folder: Path) -> str:
    if path is None:
        return ""
    text = Path(os.path.relpath(path, folder)).as_posix()
    # A table drops blanks around a cell, and a spreadsheet runs a formula.
    return f"./{text}" if text != text.lstrip() or is_formula(text) else text
