"""`mvi store erase`: everything of one patient goes, and a search shows that nothing is left."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StoreError, UsageError
from mvi_ray.project.declarations import declarations
from mvi_ray.project.invalidated import InvalidRun, end_run, invalid_runs, unfinished_runs
from mvi_ray.project.progress import Progress, silent
from mvi_ray.project.quality_files import PAGE, PICTURES, remove_quality_page
from mvi_ray.project.sql_history import forget
from mvi_ray.store.erase import erase_from_tables, remove_unpublished
from mvi_ray.store.patient import count_rows, gather_needles, is_known, volumes_without
from mvi_ray.store.search.needles import Needles
from mvi_ray.store.search.plants import plant_and_find
from mvi_ray.store.search.traces import Trace, find_traces
from mvi_ray.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mvi_ray.project.project import Project


@dataclass(frozen=True, slots=True)
class Proof:
    """A search, and what it can see.

    Args:
        plants: kinds of places that it was shown to find a plant in.
        files, size: what was read; size in bytes.
        traces: what is left of the patient, or could not be searched.
    """

    plants: tuple[str, ...]
    files: int
    size: int
    traces: tuple[Trace, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "plants": list(self.plants),
            "files": self.files,
            "bytes": self.size,
            "traces": [
                {"path": one.path.as_posix(), "kind": one.kind, "what": one.what} for one in self.traces
            ],
        }


@dataclass(frozen=True, slots=True)
class EraseSummary:
    """What an erasure removed, or would remove. It does not hold the pseudonym, its paths may.

    Args:
        dry_run: whether nothing was removed.
        rows: by table, of the tables as they are now; earlier versions go besides.
        volumes: files of images and masks that no other patient uses.
        runs: trainings that used the patient, with their bundles.
        unfinished: folders of trainings that never ended.
        bundles_kept: whether the bundles of these runs stay.
        proof: the search at the end; of a dry run without the store, where it has the patient.
        entries: of the history of the SQL prompt that were removed; None where it could not be changed.
    """

    dry_run: bool
    rows: Mapping[str, int]
    volumes: int
    runs: tuple[InvalidRun, ...]
    unfinished: tuple[str, ...]
    bundles_kept: bool
    proof: Proof
    entries: int | None = 0

    @property
    def is_absent(self) -> bool:
        """Whether nothing of the patient is left."""
        removes = self.dry_run and (self.rows or self.volumes)
        return not removes and not self.proof.traces and self.entries is not None

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "dry_run": self.dry_run,
            "absent": self.is_absent,
            "rows": dict(self.rows),
            "volumes": self.volumes,
            "runs": [one.to_json() for one in self.runs],
            "unfinished_runs": list(self.unfinished),
            "bundles_kept": self.bundles_kept,
            "prompt_entries": self.entries,
            "proof": self.proof.to_json(),
        }


def erase(
    project: Project,
    patient: str,
    *,
    dry_run: bool = False,
    keep_bundles: bool = False,
    progress: Progress | None = None,
) -> EraseSummary:
    """Remove a patient from the tables and their history, and every run that used it.

    A call that was killed is finished by the same call again.

    Args:
        project: whose store.
        patient: its pseudonym, as in the manifest.
        dry_run: only tell what would go, and search what is not the store's.
        keep_bundles: leave the fitted models of the runs that used the patient.
        progress: told about the search.

    Raises:
        UsageError: neither a table nor a file names the patient.
        StoreError: nothing was ingested yet, another command writes to the store, a table is
            damaged, or the search cannot show that a patient is absent.
    """
    if not patient.strip():
        raise UsageError("the pseudonym is empty; give it as it stands in the manifest")
    if not project.store.exists:
        raise StoreError("the store is empty; run `mvi ingest` first")
    # A study file that cannot be read would stop the work when half of it is done.
    declarations(project)
    work = _Erasure(project, patient, progress or silent)
    if dry_run:
        return work.tell(keep_bundles)
    with project.store.locked("store erase"):
        return work.do(keep_bundles)


@dataclass(slots=True)
class _Erasure:
    project: Project
    patient: str
    show: Progress
    needles: Needles = field(init=False)
    plants: tuple[str, ...] = field(init=False)
    known: bool = field(init=False)
    rows: Mapping[str, int] = field(init=False)
    volumes: int = field(init=False, default=0)

    def tell(self, keep_bundles: bool) -> EraseSummary:
        self._look()
        # The store may be a link, here or into another folder of the project.
        places = [self.project.folder / "store", self.project.store.root]
        places += [self.project.folder / name for name in (PAGE, PICTURES)]
        proof = self._search("search", places if self.known else [])
        runs, unfinished = self._runs(proof)
        return EraseSummary(True, self.rows, self.volumes, runs, unfinished, keep_bundles, proof)

    def do(self, keep_bundles: bool) -> EraseSummary:
        self._look()
        # Of a patient whom the tables know, only the runs are still to be found.
        elsewhere = [path for path in self.project.folder.iterdir() if path != self.project.runs]
        before = self._search("look", elsewhere if self.known else [])
        if not self.known and not any(map(_names, before.traces)):
            raise UsageError(
                "neither a table nor a file of this project names the patient; check the pseudonym, "
                "capital letters count"
            )
        runs, unfinished = self._runs(before)
        for run in runs:
            end_run(self.project.runs / run.run_id, run, keep_bundles=keep_bundles)
        for name in unfinished:
            shutil.rmtree(self.project.runs / name, ignore_errors=True)
        # After a kill the rows may be gone, and the log, which names the patient, still there.
        if self.known or any(_is_in(trace, "store") and _names(trace) for trace in before.traces):
            erase_from_tables(self.project.store, self.patient, self.project.publish)
            remove_unpublished(self.project.store)
            self.project.settle("store erase")
        # After the rows, so that no page is made of them any more.
        remove_quality_page(self.project)
        entries = self._forget()
        proof = self._search("search")
        return EraseSummary(False, self.rows, self.volumes, runs, unfinished, keep_bundles, proof, entries)

    def _look(self) -> None:
        """What the store has of the patient, and whether the search is able to find it."""
        import duckdb

        store = self.project.store
        try:
            self.known = is_known(store, self.patient)
            self.rows = count_rows(store, self.patient)
            self.needles = gather_needles(store, self.patient)
            if _is_word(self.project, self.patient):
                self.needles = replace(self.needles, words=(self.patient,))
            self.volumes = len(volumes_without(store, self.patient)) if self.known else 0
        except duckdb.Error:
            raise StoreError(
                "a table of the store cannot be read; run `mvi store check --repair`, then erase again"
            ) from None
        self.plants = plant_and_find(self.needles)

    def _search(self, task: str, skip: Sequence[Path] = ()) -> Proof:
        files, size = 0, 0

        def told(done: int, total: int) -> None:
            nonlocal files, size
            files, size = files + 1, total
            self.show(task, done, total, f"{files:,} files")

        # Both may be links to another disk, and the erasure goes through them.
        follow = [self.project.folder / "store", self.project.runs]
        traces = find_traces(self.project.folder, self.needles, skip=skip, follow=follow, progress=told)
        return Proof(self.plants, files, size, tuple(traces))

    def _runs(self, before: Proof) -> tuple[tuple[InvalidRun, ...], tuple[str, ...]]:
        named = {
            trace.path.parts[1]
            for trace in before.traces
            if _is_in(trace, "runs") and len(trace.path.parts) > 1 and _names(trace)
        }
        if not (self.known or named):
            return (), ()
        return invalid_runs(self.project.runs, named), unfinished_runs(self.project.runs)

    def _forget(self) -> int | None:
        try:
            return forget([self.patient])
        except OSError:
            return None


def _is_word(project: Project, patient: str) -> bool:
    """Whether a pseudonym is a word that a catalog holds before any patient is in it, such as NULL or AP.

    The study's title is no such word: it may name a patient by mistake.
    """
    clinical = project.study.clinical
    levels = (level for variable in clinical.variables.values() for level in variable.levels)
    if patient in {*clinical.columns, *levels}:
        return True
    needles, store = Needles.of([patient]), project.store
    others = [path for path in store.root.iterdir() if path != store.catalog]
    if not find_traces(store.root, needles, skip=others):
        return False
    with TemporaryDirectory(prefix="mvi-words-") as folder:
        root = Path(folder)
        empty = Store(root / "store")
        empty.root.mkdir()
        empty.pinned(root / "mvi.duckdb", replace(declarations(project), name=""))
        found = find_traces(root, needles, skip=[empty.root])
    return any(map(_names, found))


def _is_in(trace: Trace, folder: str) -> bool:
    return trace.path.parts[:1] == (folder,)


def _names(trace: Trace) -> bool:
    return trace.kind != "unreadable"
