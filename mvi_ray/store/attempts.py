"""The table `attempts`: what running extractions hold, and what they held when they were killed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mvi_ray.store.clauses import reading
from mvi_ray.store.parquet import writer_properties
from mvi_ray.store.place import Bucket
from mvi_ray.store.tables import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from deltalake import DeltaTable

    from mvi_ray.store.presence import Presence
    from mvi_ray.store.tables import Table

# Every claim takes the next number under this name: of two at once one must look again.
_TURN = "mvi.claim"
BEGUN, RELEASED = "begun", "released"

FORGOTTEN_S = 7 * 86_400.0
"""A run claims something every minute or so; one that has not for a week is over, wherever it was."""

Key = tuple[str, ...]
"""Family, the six names of a VOI, and the digest of its input."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One VOI that a run began.

    Args:
        key: what was begun.
        feature_sets: of the rows that were to be computed.
        number: counts from 1.
        is_alone: whether nothing else was computed meanwhile.
        is_released: whether it was given back.
        noted_at: POSIX time.
    """

    key: Key
    feature_sets: frozenset[str]
    number: int
    is_alone: bool = False
    is_released: bool = False
    noted_at: float = 0.0


class Attempts:
    """Attempts of all runs, read file by file: a file never changes, and each is read once.

    Each run writes into a folder of its own, so what one has begun itself is never read, and all
    of it is taken out in one commit that rewrites nothing.

    Args:
        table: the table.
        presence: which runs live.
        run_id: the run that asks.
    """

    def __init__(self, table: Table, presence: Presence, run_id: str) -> None:
        self._table = table
        self._presence = presence
        self._run = run_id
        self._files: set[str] = set()
        self._runs: dict[str, dict[Key, Attempt]] = {}
        self._turn: int | None = None
        self.has_company = False
        """Whether another run lived at the first look, or has begun anything since."""
        self.living: frozenset[str] = frozenset()
        """Other runs that go on, at the last look."""

    def look(self) -> None:
        """Learn what other runs have begun, and which of them live."""
        if self._table.exists:
            self._look(self._table.open())
        else:
            self._turn = self._turn or 0
            self._see(set())

    def begin(self, choose: Callable[[], Sequence[Attempt]]) -> None:
        """Record what is chosen, decided on a state that nobody changes before it is recorded.

        Args:
            choose: called after a look at that state, and again when another run was quicker.

        Raises:
            StoreError: the store cannot be written.
        """
        from deltalake import CommitProperties, Transaction, write_deltalake

        def claim() -> None:
            table = self._table.open()
            turn = (table.transaction_version(_TURN) or 0) + 1
            # Another run's claim lies between this one and the one before.
            self.has_company |= self._turn is not None and turn != self._turn + 1
            self._look(table)
            chosen = choose()
            if not chosen:
                return
            write_deltalake(
                table,
                self._rows(chosen, BEGUN),
                mode="append",
                commit_properties=CommitProperties(app_transactions=[Transaction(_TURN, turn)]),
                writer_properties=writer_properties(),
            )
            self._turn = turn

        self._table.commit(claim)

    def release(self, attempts: Sequence[Attempt]) -> None:
        """Record that they were given back."""
        from deltalake import write_deltalake

        rows = self._rows(attempts, RELEASED)
        self._table.commit(
            lambda: write_deltalake(
                self._table.open(), rows, mode="append", writer_properties=writer_properties()
            )
        )

    def of(self, run_id: str) -> dict[Key, Attempt]:
        """The newest attempt of each VOI by another run, as of the last look."""
        return self._runs.get(run_id, {})

    @property
    def killed(self) -> list[str]:
        """Runs that could not say that they were over, as of the last look."""
        return [run for run in self._runs if run not in self.living and self._presence.was_killed(run)]

    def drop(self, is_needed: Callable[[Attempt], bool]) -> None:
        """Take out the rows of this run, of those that ended, and of killed ones that nobody needs.

        In a bucket a run that this machine does not know may live on another one: its rows stay for a
        week after its last claim.

        Args:
            is_needed: whether an attempt of a killed run must still be remembered.
        """
        self.look()
        killed = self.killed
        kept = {run for run in killed if any(map(is_needed, self._runs[run].values()))}
        if isinstance(self._table.folder, Bucket):
            oldest = now().timestamp() - FORGOTTEN_S
            strange = self._runs.keys() - set(killed)
            kept |= {run for run in strange if _last(self._runs[run].values()) >= oldest}
        gone = {self._run, *self._runs} - self.living - kept
        if self._table.exists and self._stored() & gone:
            self._table.delete({"run_id": sorted(gone)})
        self._presence.forget(run for run in self._presence.killed() if run not in kept)

    def _stored(self) -> set[str]:
        return {run for _, run in _parts(self._table.open())}

    def _look(self, table: DeltaTable) -> None:
        if self._turn is None:
            self._turn = table.transaction_version(_TURN) or 0
        there = dict(_parts(table))
        fresh = [path for path, run in there.items() if run != self._run and path not in self._files]
        if fresh:
            for run, attempt in self._read(fresh):
                known = self._runs.setdefault(run, {})
                before = known.get(attempt.key)
                if before is None or _order(before) <= _order(attempt):
                    known[attempt.key] = attempt
            self._files.update(fresh)
        self._see(set(there.values()))

    def _see(self, stored: set[str]) -> None:
        self._runs = {run: known for run, known in self._runs.items() if run in stored}
        # A run that has begun nothing yet has no row, and its plan may be made already.
        self.living = frozenset(run for run in self._presence.living() if run != self._run)
        self.has_company |= bool(self.living)

    def _read(self, paths: Iterable[str]) -> list[tuple[str, Attempt]]:
        scan = self._table.scan([str(self._table.folder / path) for path in sorted(paths)])
        columns = ", ".join(self._table.spec.columns)
        with reading(self._table.spec.name), self._table.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            rows = connection.sql(f"SELECT {columns} FROM ({scan})").fetchall()  # noqa: S608
        return [
            (
                run,
                Attempt(
                    (family, *voi, digest), frozenset(sets), number, alone, state == RELEASED, at.timestamp()
                ),
            )
            for *voi, family, number, state, run, digest, sets, alone, at in rows
        ]

    def _rows(self, attempts: Sequence[Attempt], state: str) -> pa.Table:
        voi = self._table.spec.keys[:6]
        rows: list[dict[str, Any]] = [
            {
                **dict(zip(voi, one.key[1:7], strict=True)),
                "family": one.key[0],
                "attempt": one.number,
                "state": state,
                "run_id": self._run,
                "input_digest": one.key[7],
                "feature_sets": sorted(one.feature_sets),
                "is_alone": one.is_alone,
                "noted_at": now(),
            }
            for one in attempts
        ]
        return pa.Table.from_pylist(rows, schema=self._table.spec.schema)


def _last(attempts: Iterable[Attempt]) -> float:
    return max((one.noted_at for one in attempts), default=0.0)


def forget_old(table: Table) -> None:
    """Take out what no run has added to for a week, whichever machine it was on.

    Raises:
        StoreError: the store cannot be read or written.
    """
    if not table.exists:
        return
    last: dict[str, float] = {}
    for row in table.read(["run_id", "noted_at"]).to_pylist():
        last[row["run_id"]] = max(last.get(row["run_id"], 0.0), row["noted_at"].timestamp())
    oldest = now().timestamp() - FORGOTTEN_S
    table.delete({"run_id": sorted(run for run, at in last.items() if at < oldest)})


def _parts(table: DeltaTable) -> list[tuple[str, str]]:
    """Live files, and the run that wrote each."""
    added = pa.table(table.get_add_actions(flatten=True))
    if not added.num_rows:
        return []
    return list(
        zip(added.column("path").to_pylist(), added.column("partition.run_id").to_pylist(), strict=True)
    )


def _order(attempt: Attempt) -> tuple[int, bool]:
    return attempt.number, attempt.is_released
