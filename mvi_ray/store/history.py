"""Snapshots: which versions of the tables belonged together, and what the study said then."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StoreError, UnreachableError, UsageError
from mvi_ray.store.declarations import Declarations
from mvi_ray.store.place import lacks
from mvi_ray.store.schemas import RECORDS
from mvi_ray.store.tables import now

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mvi_ray.store.tables import Snapshot, Table


@dataclass(frozen=True, slots=True)
class Event:
    """What wrote to the store.

    Args:
        command: for example ``extract``.
        run_id: of an extraction or import.
    """

    command: str
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """A state of the store that can be asked.

    Args:
        versions: table to Delta version; tables never written by then are absent.
        study: what the study said then.
    """

    versions: Mapping[str, int]
    study: Declarations


class History:
    """The snapshots of a store.

    Args:
        tables: of the store.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables
        # A version of a table is a part of many snapshots.
        self._looked_up: dict[tuple[str, int], bool] = {}
        self._snapshots = tables["snapshots"]
        self._studies = tables["studies"]

    def record(self, snapshots: Mapping[str, Snapshot], study: Declarations, event: Event) -> int | None:
        """Note a state, unless it is the one noted last; the number of the newest snapshot."""
        versions = {
            name: one.version
            for name, one in snapshots.items()
            if one.version is not None and name not in RECORDS
        }
        digest = study.content_digest
        while True:
            last = self._last()
            if last is not None and last[1:] == (versions, digest):
                return last[0]
            if not versions:
                return None
            self._note(study)
            number = 1 if last is None else last[0] + 1
            noted = {
                "snapshot": number,
                "created_at": now(),
                "command": event.command,
                "run_id": event.run_id,
                "declarations_digest": digest,
                "table_versions": sorted(versions.items()),
            }
            # Another machine, which no lock here holds up, may have taken the number.
            if self._snapshots.insert(noted):
                return number

    def _note(self, study: Declarations) -> None:
        digest = study.content_digest
        if digest not in self._studies.read(["declarations_digest"]).column(0).to_pylist():
            self._studies.write(
                [
                    {
                        "declarations_digest": digest,
                        "study_digest": study.digest,
                        "declarations": study.to_json(),
                        "recorded_at": now(),
                    }
                ]
            )

    def _last(self) -> tuple[int, dict[str, int], str] | None:
        """The newest one, without making objects of all."""
        import pyarrow.compute as pc

        names = ["snapshot", "table_versions", "declarations_digest"]
        table = self._snapshots.read(names)
        if not table.num_rows:
            return None
        newest = table.filter(pc.equal(table.column("snapshot"), pc.max(table.column("snapshot"))))
        number, versions, digest = newest.to_pylist()[0].values()
        return number, dict(versions), digest

    def rows(self) -> list[dict[str, Any]]:
        """Every snapshot in order, as rows of the table `snapshots`."""
        rows = self._snapshots.read().to_pylist()
        for row in rows:
            row["table_versions"] = dict(row["table_versions"])
        return sorted(rows, key=lambda row: row["snapshot"])

    def is_readable(self, versions: Mapping[str, int]) -> bool:
        """Whether these versions of the tables still have all of their files."""
        self._looked_up.clear()
        return self._is_readable(versions)

    def are_readable(self, states: Iterable[Mapping[str, int]]) -> list[bool]:
        """The same for many states; a version is looked up once."""
        self._looked_up.clear()
        return [self._is_readable(versions) for versions in states]

    def _is_readable(self, versions: Mapping[str, int]) -> bool:
        for key in versions.items():
            if key[0] in RECORDS:
                continue  # always that of today
            if key not in self._looked_up:
                self._looked_up[key] = self._missing(*key)
            if self._looked_up[key]:
                return False
        return True

    def _missing(self, name: str, version: int) -> bool:
        if name not in self._tables:
            return True
        table = self._tables[name]
        try:
            files = table.snapshot(version).files
        except UnreachableError:
            raise
        except StoreError:
            return True
        return lacks(table.folder, files)

    def find(self, reference: str) -> Moment:
        """The state that a text names.

        Args:
            reference: number of a snapshot; run_id of an extraction or import, for what it left;
                or a time in ISO 8601, for the newest snapshot not after it. A time without zone
                is UTC; a date, a minute and a second mean their end.

        Raises:
            UsageError: nothing bears the name, or nothing is that old.
            StoreError: its files were removed.
        """
        rows = self.rows()
        if re.fullmatch("[0-9]{1,18}", reference):
            found = [row for row in rows if row["snapshot"] == int(reference)]
            if not found:
                newest = rows[-1]["snapshot"] if rows else 0
                raise UsageError(
                    f"there is no snapshot {reference}, the newest is {newest}; see `mvi store history`"
                )
        elif any(row["run_id"] == reference for row in rows):
            found = [row for row in rows if row["run_id"] == reference]
        else:
            moment = _time(reference)
            found = [row for row in rows if row["created_at"] <= moment]
            if not found:
                first = f"{rows[0]['created_at']:%Y-%m-%dT%H:%M:%SZ}" if rows else "never"
                raise UsageError(
                    f"nothing was stored by {reference}, the first snapshot is of {first}; "
                    "see `mvi store history`"
                )
        row = found[-1]
        return Moment(row["table_versions"], self._study(row["declarations_digest"]))

    def _study(self, digest: str) -> Declarations:
        for row in self._studies.read().to_pylist():
            if row["declarations_digest"] == digest:
                return Declarations.of_json(row["declarations"])
        raise StoreError("the study of this snapshot is not recorded; name a later one")

    def check(self, moment: Moment) -> None:
        """Raise StoreError when files of the moment were removed."""
        versions = {name: one for name, one in moment.versions.items() if name not in RECORDS}
        gone = sorted(name for name, version in versions.items() if self._missing(name, version))
        if gone:
            raise StoreError(
                f"that state can no longer be read, files of {', '.join(gone)} were removed "
                "by `mvi store gc` or `erase`; `mvi store history` lists what is left"
            )


def _time(text: str) -> datetime:
    try:
        if len(text) == len("2026-01-01"):
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no run, no number of a snapshot and no time such as 2026-11-23T17:50; "
            "see `mvi store history`"
        ) from None
    if "." not in text and "," not in text:
        # As people copy it from the history, which shows seconds.
        minute = re.fullmatch(r"[^T ]*[T ]\d{2}:?\d{2}([Zz]|[+-]\d{2}(:?\d{2})?)?", text) is not None
        moment = moment.replace(microsecond=999_999, second=59 if minute else moment.second)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
