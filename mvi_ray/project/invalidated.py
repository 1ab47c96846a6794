"""Training runs that used a patient: what goes from them, and the note that stays."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mvi_ray.project.history import PIN
from mvi_ray.store.tables import now

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

NOTE = "erased.json"
"""All that is left of a run that used a patient who was erased."""

_BUNDLES = "models"
_MARKS = (NOTE, PIN, "metrics.json", "matrices")
_UNFINISHED = re.compile(r"\.\d{8}T\d{6}Z-[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class InvalidRun:
    """A training that used the patient.

    Args:
        run_id: name of its directory.
        bundles: models that were fitted, by name.
        certain: False where its matrices went with an earlier patient, so that only its bundles
            are left and nobody can tell whose values they were fitted on.
    """

    run_id: str
    bundles: tuple[str, ...]
    certain: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {"run_id": self.run_id, "bundles": list(self.bundles), "certain": self.certain}


def invalid_runs(runs: Path, named: Collection[str]) -> tuple[InvalidRun, ...]:
    """The runs that used a patient.

    Args:
        runs: the folder of all runs.
        named: names of folders below it in which the search found the patient.
    """
    found = []
    for folder in _folders(runs):
        if folder.name.startswith(".") or not any((folder / mark).exists() for mark in _MARKS):
            continue
        bundles = tuple(sorted(p.name for p in folder.glob(f"{_BUNDLES}/*") if p.is_dir()))
        # What a kill left of an earlier removal goes as well.
        half = (folder / NOTE).exists() and any(p.name not in (NOTE, _BUNDLES) for p in folder.iterdir())
        if folder.name in named or half:
            found.append(InvalidRun(folder.name, bundles))
        elif (folder / NOTE).exists() and bundles:
            found.append(InvalidRun(folder.name, bundles, certain=False))
    return tuple(found)


def unfinished_runs(runs: Path) -> tuple[str, ...]:
    """Folders of trainings that were killed, or that go on now and have read the patient."""
    return tuple(p.name for p in _folders(runs) if _UNFINISHED.fullmatch(p.name))


def end_run(folder: Path, run: InvalidRun, *, keep_bundles: bool) -> None:
    """Remove matrices, pictures, report, metrics and bundles; a note says that there was a run."""
    note = folder / NOTE
    if not note.exists():
        content = {
            "run_id": run.run_id,
            "created": _created(folder),
            "models": list(run.bundles),
            "erased_at": now().isoformat(),
            "reason": "a patient was erased",
        }
        # Half a note would stay: a second call leaves it as it is.
        aside = folder / f".{NOTE}"
        aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        aside.replace(note)
    for path in sorted(folder.iterdir()):
        if path == note or (keep_bundles and path.name == _BUNDLES):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _created(folder: Path) -> str | None:
    try:
        created = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["created"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return created if isinstance(created, str) else None


def _folders(runs: Path) -> list[Path]:
    return sorted(p for p in runs.iterdir() if p.is_dir() and not p.is_symlink()) if runs.is_dir() else []
