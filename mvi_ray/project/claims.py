"""Which VOIs an extraction may compute, when others run on the same store or were killed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mvi_ray.cluster.unit import Failure, VoiResult
from mvi_ray.store.attempts import Attempt, Attempts
from mvi_ray.store.clauses import reading
from mvi_ray.voi import VOI_KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from mvi_ray.cluster.unit import Unit, Voi
    from mvi_ray.store.attempts import Key
    from mvi_ray.store.presence import Presence
    from mvi_ray.store.store import Store
    from mvi_ray.store.tables import Table

# Of kills: after so many a VOI is suspected and computed last and alone ...
_SUSPECT = 2
# ... and after so many given up, so many of them while nothing else was computed.
_GIVEN_UP, _ALONE = 6, 4
_VALUES = ("cr", "dlr")


class StoreClaims:
    """What this run may compute; the `Claims` that the scheduler asks.

    A VOI is held by the run that recorded it as begun, for as long as that run lives. What a
    killed run had begun may be taken, and counts as an attempt that ended the program.

    Args:
        store: where others are seen.
        presence: which runs live.
        run_id: the run that asks; it is present already.
        settings: (family, phase) to the digest of what this run computes there, see `settings_digests`.
    """

    def __init__(
        self, store: Store, presence: Presence, run_id: str, settings: Mapping[tuple[str, str], str]
    ) -> None:
        self._store = store
        self._run = run_id
        self._settings = settings
        self._attempts = Attempts(store.tables["attempts"], presence, run_id)
        self._attempts.look()
        self.failures = _failures(store.tables["quarantine"])
        """Family and VOI to its failure, as of before the plan."""
        self._seen = {name: frozenset(store.tables[name].files()) for name in _VALUES}
        self._own: dict[Key, Attempt] = {}
        self._planned: set[Key] = set()
        self._given_up: set[Key] = set()
        self._held: list[Unit] = []
        self._elsewhere: set[Key] = set()
        self._failed: set[Key] = set()

    @property
    def elsewhere(self) -> int:
        """VOIs that another run holds, or has computed since this one began."""
        return len(self._elsewhere - self._failed)

    @property
    def failed_elsewhere(self) -> int:
        """VOIs that another run has failed at since this one began, as of the last look."""
        return len(self._elsewhere & self._failed)

    def sorted_out(self, units: Sequence[Unit]) -> Sorted:
        """The units of a plan by what killed runs tell of them. A suspected VOI becomes a unit of its own."""
        self._planned.update(_key(unit, voi) for unit in units for voi in unit.vois)
        killed = self._killed()
        found = Sorted([], [], [])
        for unit in units:
            kills = [self._kills(unit, voi, killed) for voi in unit.vois]
            calm = [voi for voi, of in zip(unit.vois, kills, strict=True) if len(of) < _SUSPECT]
            if calm:
                found.ordinary.append(unit.of(calm))
            for voi, of in zip(unit.vois, kills, strict=True):
                if len(of) >= _GIVEN_UP and sum(one.is_alone for one in of) >= _ALONE:
                    found.given_up.append((unit.family, VoiResult(voi, failure=_given_up(len(of)))))
                    self._given_up.add(_key(unit, voi))
                elif len(of) >= _SUSPECT:
                    found.suspects.append(replace(unit.of([voi]), attempts=len(of)))
        return found

    def take(self, units: Sequence[Unit]) -> list[Unit]:
        """Record units as begun, without what other runs hold, have computed or found to fail.

        Raises:
            StoreError: the store cannot be read or written.
        """
        taken: list[Unit] = []
        own: dict[Key, Attempt] = {}

        def choose() -> list[Attempt]:
            taken.clear()
            own.clear()
            held, done = self._held_by_others(), self._done_by_others(units)
            killed = self._killed()
            for unit in units:
                free = [voi for voi in (self._rest(unit, voi, held, done) for voi in unit.vois) if voi]
                if not free:
                    continue
                kills = [self._kills(unit, voi, killed) for voi in free]
                most = max(map(len, kills))
                # Those that the plan suspected come as few at a time as they may.
                alone = unit.alone or unit.attempts < _SUSPECT <= most
                taken.append(replace(unit.of(free), attempts=max(unit.attempts, most), alone=alone))
                for voi, of in zip(free, kills, strict=True):
                    key = _key(unit, voi)
                    before = self._own[key].number if key in self._own else len(of)
                    own[key] = Attempt(key, _sets(voi), before + 1, alone and len(units) == 1)
            return list(own.values())

        self._attempts.begin(choose)
        self._own.update(own)
        self._note_left_out(units, taken)
        return taken

    def release(self, units: Sequence[Unit]) -> None:
        """Give back what was not run to an end: it counts for nothing, and others may take it.

        Raises:
            StoreError: the store cannot be written.
        """
        keys = [_key(unit, voi) for unit in units for voi in unit.vois]
        given = [replace(self._own[k], is_released=True) for k in keys if k in self._own]
        if given:
            self._attempts.release(given)
            self._own.update({one.key: one for one in given})

    def freed(self) -> list[Unit]:
        """Units that were left out, and whose holder lives no longer; each is handed out once."""
        if not self._held:
            return []
        self._attempts.look()
        held = self._held_by_others()
        free = [unit for unit in self._held if any(_key(unit, voi) not in held for voi in unit.vois)]
        self._held = [unit for unit in self._held if unit not in free]
        return free

    def settle(self, families: Collection[str]) -> None:
        """At the end: take out what nobody needs to know any more.

        Args:
            families: those that were asked for; of others the plan says nothing.

        Raises:
            StoreError: the store cannot be written.
        """
        if self._elsewhere:
            self._failed = self._failed_since()
        ended = {key for key, one in self._own.items() if not one.is_released} | self._given_up

        def is_needed(one: Attempt) -> bool:
            return not one.is_released and (
                one.key[0] not in families or (one.key in self._planned and one.key not in ended)
            )

        self._attempts.drop(is_needed)

    def _killed(self) -> list[Mapping[Key, Attempt]]:
        return [self._attempts.of(run) for run in self._attempts.killed]

    def _kills(self, unit: Unit, voi: Voi, killed: Sequence[Mapping[Key, Attempt]]) -> list[Attempt]:
        """Attempts at the same rows that ended the program."""
        key = _key(unit, voi)
        found = [run[key] for run in killed if key in run]
        failure = self.failures.get(key[:7])
        # What was in quarantine since then had run to an end, and is tried again on request.
        since = failure["failed_at"].timestamp() if failure else float("-inf")
        wanted = _sets(voi)
        return [
            one for one in found if not one.is_released and one.feature_sets & wanted and one.noted_at > since
        ]

    def _held_by_others(self) -> dict[Key, frozenset[str]]:
        """Key to the feature sets that living runs compute."""
        held: dict[Key, frozenset[str]] = {}
        for run in self._attempts.living:
            for key, one in self._attempts.of(run).items():
                if not one.is_released:
                    held[key] = held.get(key, frozenset()) | one.feature_sets
        return held

    def _rest(
        self, unit: Unit, voi: Voi, held: Mapping[Key, frozenset[str]], done: Mapping[Key, set[str]]
    ) -> Voi | None:
        """The VOI with the rows that nobody else makes; None when there are none."""
        key = _key(unit, voi)
        others = held.get(key, frozenset()) | done.get(key, set())
        if not others:
            return voi
        rest = {image: one for image, one in voi.feature_sets.items() if one not in others}
        return replace(voi, feature_sets=rest) if rest else None

    def _done_by_others(self, units: Sequence[Unit]) -> dict[Key, set[str]]:
        """Key to the feature sets that other runs have stored, or failed at, since before the plan."""
        if not self._attempts.has_company:
            return {}
        done: dict[Key, set[str]] = {}
        by_voi: dict[Key, list[tuple[Key, frozenset[str]]]] = {}
        for unit in units:
            for voi in unit.vois:
                key = _key(unit, voi)
                by_voi.setdefault(key[1:], []).append((key, _sets(voi)))
        for name in _VALUES:
            for *stored, one in self._stored_since(name, by_voi):
                for key, sets in by_voi[tuple(stored)]:
                    if one in sets:
                        done.setdefault(key, set()).add(one)
        self._failed = self._failed_since()
        for key, sets in itertools.chain.from_iterable(by_voi.values()):
            if key in self._failed:
                done[key] = set(sets)
        return done

    def _failed_since(self) -> set[Key]:
        """What other runs under the same settings have put into quarantine since before the plan."""
        phase = 1 + VOI_KEY.index("phase")
        return {
            (*key, row["input_digest"])
            for key, row in _failures(self._store.tables["quarantine"]).items()
            if row["run_id"] != self._run
            and row != self.failures.get(key)
            and row["settings_digest"] == self._settings.get((key[0], key[phase]))
        }

    def _stored_since(self, name: str, vois: Mapping[Key, Any]) -> list[tuple[str, ...]]:
        table = self._store.tables[name]
        files = sorted(set(table.files()) - self._seen[name])
        if not files:
            return []
        names = (*VOI_KEY, "input_digest")
        wanted = pa.table(list(map(pa.array, zip(*vois, strict=True))), names=names)
        with reading(name), table.connect() as connection:
            connection.register("wanted", wanted)
            return connection.execute(
                f"SELECT {', '.join(names)}, feature_set_id FROM ({table.scan(files)}) "  # noqa: S608
                f"SEMI JOIN wanted USING ({', '.join(names)}) WHERE run_id <> ?",
                [self._run],
            ).fetchall()

    def _note_left_out(self, units: Sequence[Unit], taken: Sequence[Unit]) -> None:
        here = {_key(unit, voi) for unit in taken for voi in unit.vois}
        self._elsewhere -= here
        held = self._held_by_others()
        for unit in units:
            out = [voi for voi in unit.vois if _key(unit, voi) not in here]
            self._elsewhere.update(_key(unit, voi) for voi in out)
            later = [voi for voi in out if _key(unit, voi) in held]
            if later:
                self._held.append(unit.of(later))


@dataclass(frozen=True, slots=True)
class Sorted:
    """The units of a plan.

    Args:
        ordinary: nothing speaks against them.
        suspects: the program was killed again and again while they were computed; one VOI each.
        given_up: family and result of those that are not tried any more.
    """

    ordinary: list[Unit]
    suspects: list[Unit]
    given_up: list[tuple[str, VoiResult]]

    def of(self, families: Collection[str]) -> Sorted:
        """Those of some families that are to be computed."""
        return Sorted(
            [unit for unit in self.ordinary if unit.family in families],
            [unit for unit in self.suspects if unit.family in families],
            [],
        )

    def waves(self, cpus: int) -> Iterator[list[Unit]]:
        """What is computed one after the other: suspects last, and the more kills the fewer at once.

        A kill of many says little about each: their number falls to a quarter with each further
        one, so that the guilty one is soon alone, on a thousand cores as well.

        Args:
            cpus: cores; twice as many units are on their way at once.
        """
        if self.ordinary:
            yield self.ordinary
        waiting = sorted(self.suspects, key=lambda unit: unit.attempts)
        while waiting:
            size = max(1, 2 * cpus // 4 ** (waiting[0].attempts - 1))
            size = sum(unit.attempts == waiting[0].attempts for unit in waiting[:size])
            wave, waiting = waiting[:size], waiting[size:]
            yield [replace(unit, alone=True) for unit in wave] if size == 1 else wave


def _key(unit: Unit, voi: Voi) -> Key:
    return (unit.family, *(value for _, value in voi.key), voi.input_digest)


def _sets(voi: Voi) -> frozenset[str]:
    return frozenset(voi.feature_sets.values())


def _failures(quarantine: Table) -> dict[tuple[str, ...], dict[str, Any]]:
    known = ("run_id", "input_digest", "settings_digest", "failed_at")
    rows = quarantine.read(("family", *VOI_KEY, "stage", *known)).to_pylist()
    return {
        (row["family"], *(row[k] for k in VOI_KEY)): {k: row[k] for k in known}
        for row in rows
        if row["stage"] == "extract"
    }


def _given_up(kills: int) -> Failure:
    return Failure(
        f"the program ended {kills} times while it was computed, {_ALONE} times or more with nothing else",
        "see whether the machine runs out of memory there, then `mvi extract --retry-failed`",
        "Killed",
        attempts=kills,
    )
