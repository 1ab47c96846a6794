"""A study on disk: the object behind every command, and the Python API."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from mvi_ray.errors import StoreError, StudyError
from mvi_ray.project.extractions import Extractions
from mvi_ray.project.queries import Queries
from mvi_ray.store.place import Bucket
from mvi_ray.store.store import Store
from mvi_ray.study import FILE_NAME, Study, load_study

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from mvi_ray.ingest.features import KeyRules
    from mvi_ray.ingest.pseudonym import Identify
    from mvi_ray.project.checking import CheckSummary
    from mvi_ray.project.drift import DriftReport
    from mvi_ray.project.erasure import EraseSummary
    from mvi_ray.project.exclusion import Exclusion
    from mvi_ray.project.exporting import Choice, ExportSummary
    from mvi_ray.project.feature_report import FeatureReport, Sort
    from mvi_ray.project.garbage import GcSummary
    from mvi_ray.project.history import HistoryRow
    from mvi_ray.project.importing import ImportSummary
    from mvi_ray.project.ingestion import IngestSummary
    from mvi_ray.project.progress import Progress
    from mvi_ray.project.proposing import DicomSource, FileSource, ProposeSummary
    from mvi_ray.project.quality_page import QualityPage
    from mvi_ray.project.status import Status
    from mvi_ray.project.training import TrainSummary
    from mvi_ray.report.flow import Flow
    from mvi_ray.store.declarations import Declarations


# A study without the word need not be parsed for the place of its store.
_NAMES_STORE = re.compile(rb"\bstore\b")


class Project(Extractions, Queries):
    """A project directory: `study.yaml`, `store/` and `runs/`.

    Args:
        folder: the directory, or one below it.

    Raises:
        StudyError: neither the folder nor one above it holds a study file.
    """

    def __init__(self, folder: str | Path = ".") -> None:
        self.folder = _find(Path(folder))

    @classmethod
    def init(cls, folder: str | Path, phases: Sequence[str] = ("AP", "PP", "HBP")) -> Self:
        """Write a commented study file and make the directory.

        Raises:
            UsageError: a study file is there already, the directory cannot be written, or a phase
                is not a name.
        """
        from mvi_ray.project.template import write_study

        write_study(Path(folder), phases)
        return cls(folder)

    @cached_property
    def _study_file(self) -> tuple[Study, bytes]:
        path = self.folder / FILE_NAME
        return load_study(path), path.read_bytes()

    @property
    def study(self) -> Study:
        """The study file, read once: an edit during a long command does not reach it."""
        return self._study_file[0]

    @property
    def study_bytes(self) -> bytes:
        """The text of `study`."""
        return self._study_file[1]

    @property
    def study_digest(self) -> str:
        """SHA-256 of the study file."""
        return hashlib.sha256(self.study_bytes).hexdigest()

    @cached_property
    def store(self) -> Store:
        """The feature store."""
        # Not asked of the whole study: a query must not wait until it is checked.
        if _NAMES_STORE.search((self.folder / FILE_NAME).read_bytes()) is None or self.study.store is None:
            return Store(self.folder / "store")
        return Store(self.folder / ".mvi", place=Bucket.of(self.study.store))

    @property
    def runs(self) -> Path:
        """Folder with one directory for each training."""
        return self.folder / "runs"

    def ingest(
        self,
        manifest: str | Path | None = None,
        clinical: str | Path | Sequence[str | Path] | None = None,
        *,
        identify: Identify | None = None,
        dates_key: bytes | None = None,
        progress: Progress | None = None,
    ) -> IngestSummary:
        """Take images, masks and clinical values, of one table or several, into the store."""
        from mvi_ray.project.ingestion import ingest

        tables = [clinical] if isinstance(clinical, str | Path) else clinical or ()
        paths = [Path(one) for one in tables]
        return ingest(self, _path(manifest), paths, progress, identify, dates_key)

    def propose(
        self,
        source: FileSource | DicomSource,
        manifest: str | Path | None = None,
        *,
        identify: Identify | None = None,
        force: bool = False,
        progress: Progress | None = None,
    ) -> ProposeSummary:
        """Scan a tree and write a manifest to check; nothing is stored. See `proposing.propose`."""
        from mvi_ray.project.proposing import propose

        return propose(self, source, _path(manifest), identify, progress, force=force)

    def train(self, *, jobs: int = 1, progress: Progress | None = None) -> TrainSummary:
        """Fit and judge the study's models; write a run directory."""
        from mvi_ray.project.training import train

        return train(self, jobs, progress)

    def enrolment(self) -> Flow:
        """How many patients were screened, left at each step, and came into cohorts and models."""
        from mvi_ray.project.enrolment import read_enrolment

        return read_enrolment(self)

    def exclude(self, patient: str | None = None, reason: str = "", *, undo: bool = False) -> list[Exclusion]:
        """Take a patient out of cohorts and models, or in again; without a patient only list."""
        from mvi_ray.project.exclusion import exclude

        return exclude(self, patient, reason, undo=undo)

    def import_features(
        self,
        file: str | Path,
        family: str,
        rules: KeyRules | None = None,
        *,
        layout: str = "auto",
        dry_run: bool = False,
    ) -> ImportSummary:
        """Take a table of features that was made elsewhere into the store."""
        from mvi_ray.ingest.features import KeyRules
        from mvi_ray.project.importing import import_features

        return import_features(self, Path(file), family, rules or KeyRules(), layout, dry_run=dry_run)

    def export(
        self, file: str | Path, choice: Choice | None = None, *, as_of: str | None = None, force: bool = False
    ) -> ExportSummary:
        """Write features to a Parquet, CSV or Arrow file."""
        from mvi_ray.project.exporting import Choice, export

        return export(self, Path(file), choice or Choice(), as_of, force=force)

    def wide(self, choice: Choice | None = None, *, as_of: str | None = None) -> pa.Table:
        """What `export` would write, as an Arrow table."""
        from mvi_ray.project.exporting import Choice, wide

        return wide(self, choice or Choice(), as_of)

    def status(self) -> Status:
        """What is there, what is missing, what failed."""
        from mvi_ray.project.status import read_status

        return read_status(self)

    @contextmanager
    def reading(self, as_of: str | None = None) -> Iterator[Store]:
        """The store as it is, or as it was.

        Args:
            as_of: a training run, an extraction or import, the number of a snapshot, or a time.

        Raises:
            UsageError: it names nothing.
            StoreError: the files of that state were removed.
        """
        if as_of is None and not self._is_stale():
            self.refresh()
            yield self.store
            return
        with self.pinned(as_of) as (store, _):
            yield store

    def features(
        self,
        patterns: Sequence[str] = (),
        *,
        families: Sequence[str] = (),
        flagged: bool = False,
        sort: Sort = "name",
        limit: int | None = None,
        as_of: str | None = None,
        progress: Progress | None = None,
    ) -> FeatureReport:
        """Statistics of each feature, agreement of readers, drift between centres, flags.

        Args:
            patterns: shell globs over names such as ``AP_intratumoral_original_glcm_Contrast``.
            families: only these.
            flagged: only constant, missing or duplicated features.
            sort: name, icc, drift, missing or mean, the worst first.
            limit: number of features; None for all.
            as_of: the store as it was, see `reading`.
            progress: receives the state of the work.

        Raises:
            UsageError: a pattern, a family or the order is unknown.
            StoreError: there are no features yet.
        """
        from mvi_ray.project.feature_report import Choice, read_features

        return read_features(self, Choice(patterns, families, flagged, sort, limit), as_of, progress)

    def drift(
        self,
        a: str,
        b: str,
        *,
        patterns: Sequence[str] = (),
        families: Sequence[str] = (),
        as_of: str | None = None,
        progress: Progress | None = None,
    ) -> DriftReport:
        """Compare two groups of patients, feature by feature; the most shifted features come first.

        Args:
            a: SQL condition over patients and clinical values, for example ``centre = 'A'``.
            b: condition of the other group.
            patterns: shell globs over names of features.
            families: only these.
            as_of: the store as it was, see `reading`.
            progress: receives the state of the work.

        Raises:
            MatrixError: a condition names what is not there or chooses fewer than two patients,
                or a patient is in both groups.
            QueryError: a condition is not one SQL condition.
            UsageError: a pattern or a family is unknown.
            StoreError: there are no features yet.
        """
        from mvi_ray.project.drift import read_drift

        return read_drift(self, (a, b), (patterns, families), as_of, progress)

    @contextmanager
    def pinned(self, as_of: str | None = None) -> Iterator[tuple[Store, Declarations]]:
        """One state of the store for many queries, whatever is committed meanwhile.

        Args:
            as_of: as for `reading`.

        Yields:
            The store, and what the study said in that state.

        Raises:
            UsageError: `as_of` names nothing.
            StoreError: nothing was ingested yet, or the files of that state were removed.
        """
        from mvi_ray.project.declarations import declarations
        from mvi_ray.project.history import find_moment

        with TemporaryDirectory(prefix="mvi-") as folder:
            catalog = Path(folder) / "mvi.duckdb"
            if as_of is None:
                declared = declarations(self)
                yield self.store.pinned(catalog, declared), declared
            else:
                moment = find_moment(self, as_of)
                yield self.store.as_of(catalog, moment), moment.study

    def quality_page(self, *, progress: Progress | None = None) -> QualityPage:
        """Write `quality.html`: pictures of images and masks, and what is worth a look."""
        from mvi_ray.project.quality_page import write_quality_page

        return write_quality_page(self, progress)

    def history(self, limit: int | None = None) -> list[HistoryRow]:
        """States of the store that were recorded, and the trainings that pinned one, oldest first."""
        from mvi_ray.project.history import read_history

        return read_history(self, limit)

    def check(
        self, *, repair: bool = False, volumes: bool = True, progress: Progress | None = None
    ) -> CheckSummary:
        """Check the store; mend what can be mended when asked to."""
        from mvi_ray.project.checking import check

        return check(self, repair=repair, volumes=volumes, progress=progress)

    def gc(self, *, keep_days: float | None = None, dry_run: bool = False) -> GcSummary:
        """Remove stale feature sets, dead files and orphan volumes."""
        from mvi_ray.project.garbage import KEEP_DAYS, collect_garbage

        days = KEEP_DAYS if keep_days is None else keep_days
        return collect_garbage(self, keep_days=days, dry_run=dry_run)

    def export_store(self, file: str | Path, *, force: bool = False) -> Path:
        """Write every table and view into one DuckDB file, which needs nothing else to be read."""
        from mvi_ray.project.store_file import write_store_file

        return write_store_file(self, Path(file), force=force)

    def erase(
        self,
        patient: str,
        *,
        dry_run: bool = False,
        keep_bundles: bool = False,
        progress: Progress | None = None,
    ) -> EraseSummary:
        """Remove a patient, earlier versions and runs included, and search for what is left."""
        from mvi_ray.project.erasure import erase

        return erase(self, patient, dry_run=dry_run, keep_bundles=keep_bundles, progress=progress)

    def _is_stale(self) -> bool:
        """Whether the catalog is behind and this user cannot publish it: a catalog aside is read then."""
        root = self.store.root
        return (
            self.store.exists
            and root.is_dir()
            and not os.access(root, os.W_OK)
            and not self.store.is_published(self.study_digest)
        )

    def refresh(self) -> None:
        """Publish the catalog when it is behind: after an edit, a kill, or a move of the project."""
        if self.store.exists and not self.store.is_published(self.study_digest):
            from mvi_ray.project.verdicts import follow_study

            self.publish()
            follow_study(self)

    def settle(self, command: str, run_id: str | None = None) -> None:
        """End a writing command: join small files, renew statistics, record the state, publish."""
        from mvi_ray.project.declarations import declarations
        from mvi_ray.project.verdicts import record_verdicts
        from mvi_ray.store.history import Event

        record_verdicts(self)
        self.store.settle(declarations(self), Event(command, run_id))

    def publish(self) -> None:
        """Write the catalog anew from what is committed and from the study file."""
        from mvi_ray.project.declarations import declarations

        root = self.store.root
        if os.access(root if root.is_dir() else root.parent, os.W_OK):
            self.store.publish(declarations(self))
        elif not self.store.catalog.exists():
            raise StoreError(
                "the store may only be read, and it has no catalog; ask its owner to run `mvi status`"
            )


def _find(start: Path) -> Path:
    folder = start.resolve()
    for place in (folder, *folder.parents):
        if (place / FILE_NAME).is_file():
            return place
    raise StudyError(f"no {FILE_NAME} in {start} or above it; run `mvi init`, or name the project with -C")


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)
