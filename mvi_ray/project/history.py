"""States of the store by name: what `--as-of` and `mvi store history` know."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StoreError
from mvi_ray.store.declarations import Declarations
from mvi_ray.store.history import Moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from mvi_ray.project.project import Project

_DAMAGED = "-"
PIN = "snapshot.json"
"""File of a training run with the table versions that it read."""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One line of `mvi store history`.

    Args:
        snapshot: its number; None for a training, which writes nothing.
        created_at: when it was recorded (UTC).
        command: what wrote, or ``train``.
        run_id: of an extraction, import or training.
        changed: tables that differ from the snapshot before; for a training none.
        readable: whether `--as-of` can still show it.
    """

    snapshot: int | None
    created_at: datetime
    command: str
    run_id: str | None
    changed: tuple[str, ...]
    readable: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "snapshot": self.snapshot,
            "created_at": self.created_at.isoformat(),
            "command": self.command,
            "run_id": self.run_id,
            "changed": list(self.changed),
            "readable": self.readable,
        }


def read_history(project: Project, limit: int | None = None) -> list[HistoryRow]:
    """Snapshots and trainings, oldest first.

    Args:
        project: whose.
        limit: only the newest; None for all. Each takes a look at the tables' logs.

    Raises:
        StoreError: nothing was ingested yet.
    """
    if not project.store.exists:
        raise StoreError("the store is empty; run `mvi ingest` first")
    found: list[tuple[HistoryRow, Mapping[str, int]]] = []
    before: dict[str, int] = {}
    for row in project.store.history.rows():
        versions = row["table_versions"]
        changed = tuple(sorted(name for name, v in versions.items() if before.get(name) != v))
        before = versions
        about = HistoryRow(
            row["snapshot"], row["created_at"], row["command"], row["run_id"], changed, readable=False
        )
        found.append((about, versions))
    for path in _pin_files(project):
        try:
            versions = dict(_read_pin(path).versions)
        except StoreError:
            # Listed all the same, as one that cannot be read.
            versions = {_DAMAGED: 0}
        created = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        found.append((HistoryRow(None, created, "train", path.parent.name, (), readable=False), versions))
    found.sort(key=lambda one: one[0].created_at)
    if limit is not None:
        found = found[-limit:] if limit else []
    readable = project.store.history.are_readable(versions for _, versions in found)
    return [replace(row, readable=whether) for (row, _), whether in zip(found, readable, strict=True)]


def write_pin(folder: Path, moment: Moment) -> None:
    """Note in a run directory what the run read."""
    content = {"table_versions": dict(moment.versions), "declarations": json.loads(moment.study.to_json())}
    (folder / PIN).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def pins(project: Project) -> Iterator[tuple[Path, Moment]]:
    """Directory and state of every training run, also of one that is still at work.

    Raises:
        StoreError: the note of a run is damaged.
    """
    for path in sorted(project.runs.glob(f"*/{PIN}")):
        yield path.parent, _read_pin(path)


def _pin_files(project: Project) -> list[Path]:
    """Notes of the training runs that are complete."""
    return [p for p in sorted(project.runs.glob(f"*/{PIN}")) if not p.parent.name.startswith(".")]


def _read_pin(path: Path) -> Moment:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Moment(content["table_versions"], Declarations.of_json(json.dumps(content["declarations"])))
    except (OSError, ValueError, KeyError, TypeError):
        raise StoreError(f"{path.parent.name}/{PIN} is damaged; train the models again") from None


def find_moment(project: Project, reference: str) -> Moment:
    """The state that a run, a number of a snapshot or a time names.

    Raises:
        UsageError: it names nothing.
        StoreError: nothing was ingested yet, or the note of the run is damaged.
    """
    if not project.store.exists:
        raise StoreError("the store is empty; run `mvi ingest` first")
    for path in _pin_files(project):
        if path.parent.name == reference:
            return _read_pin(path)
    return project.store.history.find(reference)
