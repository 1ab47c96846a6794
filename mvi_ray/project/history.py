"""States of the store by name: what `--as-of` and `mvi store history` know."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StoreError
from mvi_ray.store.declarations import Declarations
from mvi_ray.store.history import Moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mvi_ray.project.project import Project

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


def read_history(project: Project) -> list[HistoryRow]:
    """Snapshots and trainings, oldest first.

    Raises:
        StoreError: nothing was ingested yet.
    """
    if not project.store.root.is_dir():
        raise StoreError("the store is empty; run `mvi ingest` first")
    history = project.store.history
    before: dict[str, int] = {}
    rows = []
    for row in history.rows():
        versions = row["table_versions"]
        changed = tuple(sorted(name for name, v in versions.items() if before.get(name) != v))
        before = versions
        rows.append(
            HistoryRow(
                row["snapshot"],
                row["created_at"],
                row["command"],
                row["run_id"],
                changed,
                history.is_readable(row),
            )
        )
    for folder, moment in pins(project):
        created = datetime.fromisoformat(json.loads((folder / "metrics.json").read_text("utf-8"))["created"])
        readable = history.is_readable({"table_versions": moment.versions})
        rows.append(HistoryRow(None, created, "train", folder.name, (), readable))
    return sorted(rows, key=lambda row: row.created_at)


def write_pin(folder: Path, moment: Moment) -> None:
    """Note in a run directory what the run read."""
    content = {"table_versions": dict(moment.versions), "declarations": json.loads(moment.study.to_json())}
    (folder / PIN).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def pins(project: Project) -> Iterator[tuple[Path, Moment]]:
    """Directory and state of every training run that is complete."""
    for path in sorted(project.runs.glob(f"*/{PIN}")):
        if not path.parent.name.startswith("."):
            yield path.parent, _read_pin(path)


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
    if not project.store.root.is_dir():
        raise StoreError("the store is empty; run `mvi ingest` first")
    for folder, moment in pins(project):
        if folder.name == reference:
            return moment
    return project.store.history.find(reference)
