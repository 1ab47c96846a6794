"""The committer: results of one extraction to rows of the store, in batches."""

from __future__ import annotations

import time
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import UnreachableError
from mvi_ray.features import CR_FEATURES
from mvi_ray.project.planning import settings_digests
from mvi_ray.store.history import Event
from mvi_ray.store.tables import now
from mvi_ray.store.upkeep import compact

if TYPE_CHECKING:
    from collections.abc import Collection

    from mvi_ray.cluster.unit import VoiResult
    from mvi_ray.project.extraction import ExtractSummary
    from mvi_ray.project.project import Project
    from mvi_ray.store.declarations import Declarations

# A kill costs what was computed since the last commit, so one comes as often as its own time allows: a
# hundredth of that of one core.
_SOONEST_S, _LATEST_S, _TIMES_ITS_OWN = 2.0, 15.0, 100.0
_COMMIT_VOIS = 64
# The catalog costs as much as several commits, and every `mvi` command looks past an old one.
_PUBLISH_S = 30.0
# Files of one partition; a long run joins them now and then, so that its commits stay quick.
_PILED_UP = 64


class Committer:
    """Gathers results and commits them by count and by time.

    Rows go in by key, so a commit whose outcome is not known may be made again.

    Args:
        project: where to.
        study: what is current.
        summary: counts as rows are committed, so that it never claims more than is stored.
        run_id: of the extraction.
        in_quarantine: family and VOI of the failures that are recorded; they go when solved.
    """

    def __init__(
        self,
        project: Project,
        study: Declarations,
        summary: ExtractSummary,
        run_id: str,
        in_quarantine: Collection[tuple[str, ...]] = (),
    ) -> None:
        self._project = project
        self._study = study
        self._summary = summary
        self._run = run_id
        self.event = Event("extract", run_id)
        self._digests = settings_digests(study)
        self._in_quarantine = set(in_quarantine)
        self._rows: dict[str, list[dict[str, Any]]] = {"cr": [], "dlr": []}
        self._solved: list[tuple[str, VoiResult]] = []
        self._failed: list[dict[str, Any]] = []
        self._since = self._published = time.monotonic()
        self._took = self._publishing = 0.0

    def add(self, family: str, results: Collection[VoiResult]) -> None:
        """Take results; commit when enough have come or enough time has passed.

        Raises:
            StoreError: the store is gone or cannot be written.
        """
        for result in results:
            if result.failure is None:
                self._keep(family, result)
            else:
                self._fail(family, result)
        self.commit_if_due()

    def commit_if_due(self) -> None:
        """Commit when enough results have come or enough time has passed.

        Raises:
            StoreError: the store cannot be written.
        """
        pending = len(self._solved) + len(self._failed)
        wait = min(max(_SOONEST_S, _TIMES_ITS_OWN * self._took), _LATEST_S)
        if pending >= _COMMIT_VOIS or (pending and time.monotonic() - self._since >= wait):
            self.commit()

    def _keep(self, family: str, result: VoiResult) -> None:
        run = {"run_id": self._run, "computed_at": now(), "duration_s": result.duration_s}
        origin = {**dict(result.voi.key), "input_digest": result.voi.input_digest}
        for row in result.rows:
            self._rows["dlr" if "embedding" in row else "cr"].append({**origin, **row, **run})
        self._solved.append((family, result))

    def _fail(self, family: str, result: VoiResult) -> None:
        failure, key = result.failure, dict(result.voi.key)
        if failure is None:
            return
        if failure.error == UnreachableError.__name__:
            # Else every VOI that is left would be given up for a disk that is not there.
            raise UnreachableError(f"{failure.reason}; {failure.way_out}")
        self._summary.failures.append((f"{result.voi.name} {family}", failure.reason, failure.way_out))
        self._failed.append(
            {
                **key,
                "stage": "extract",
                "family": family,
                "input_digest": result.voi.input_digest,
                "settings_digest": self._digests[family, key["phase"]],
                "reason": failure.reason,
                "way_out": failure.way_out,
                "error": failure.error,
                "traceback": failure.traceback,
                "attempts": failure.attempts,
                "duration_s": failure.duration_s,
                "memory_bytes": failure.memory_bytes,
                "run_id": self._run,
                "failed_at": now(),
            }
        )

    def commit(self) -> None:
        """Values first; what failed and what is no longer failed follows; then, now and then, the catalog.

        Raises:
            StoreError: the store cannot be written. What is committed stays, and the rest is kept
                for another call.
        """
        if not (self._solved or self._failed):
            return
        begin = time.monotonic()
        tables = self._project.store.tables
        for name, rows in self._rows.items():
            tables[name].write(rows)
            self._summary.values += _values(rows)
            rows.clear()
        solved = [
            {**dict(result.voi.key), "stage": "extract", "family": family}
            for family, result in self._solved
            if (family, *(value for _, value in result.voi.key)) in self._in_quarantine
        ]
        tables["quarantine"].delete(*solved)
        tables["quarantine"].write(self._failed)
        self._summary.computed += len(self._solved)
        self._summary.failed += len(self._failed)
        self._solved.clear()
        self._failed.clear()
        self._since = time.monotonic()
        self._took = self._since - begin
        if self._since - self._published >= max(_PUBLISH_S, _TIMES_ITS_OWN * self._publishing):
            self._publish()

    def _publish(self) -> None:
        """Let the catalog show what is committed, and record the state."""
        begin = time.monotonic()
        for name in ("cr", "dlr", "snapshots"):
            compact(self._project.store.tables[name], _PILED_UP)
        self._project.store.publish(self._study, self.event)
        self._published = self._since = time.monotonic()
        self._publishing = self._published - begin

    def settle(self, *, is_last: bool) -> None:
        """At the end: join small files and renew statistics, unless others go on and will do it.

        Args:
            is_last: whether no other extraction runs on this store.

        Raises:
            StoreError: the store cannot be written.
        """
        if is_last:
            self._project.store.settle(self._study, self.event)
        else:
            self._publish()


_of_cr = itemgetter(*CR_FEATURES)


def _values(rows: list[dict[str, Any]]) -> int:
    """Numbers in rows of either family."""
    return sum(
        len(row["embedding"]) if "embedding" in row else len(CR_FEATURES) - _of_cr(row).count(None)
        for row in rows
    )
