"""`mvi train`: pinned tables, matrices, models, metrics, figures and a page in one run directory."""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Self

from mvi_ray import __version__
from mvi_ray.errors import MatrixError, ModelError, StoreError
from mvi_ray.extract.cr import image_type_names
from mvi_ray.matrix.assemble import assemble
from mvi_ray.matrix.cohort import Cohorts, read_cohorts
from mvi_ray.project.declarations import declarations
from mvi_ray.project.history import write_pin
from mvi_ray.project.progress import Progress, silent
from mvi_ray.project.status import trial_families
from mvi_ray.store.history import Moment
from mvi_ray.store.tables import now
from mvi_ray.study import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from mvi_ray.matrix.matrix import Matrix
    from mvi_ray.model.result import Evaluation
    from mvi_ray.project.project import Project
    from mvi_ray.store.store import Store
    from mvi_ray.study import Study

_PACKAGES = (
    "duckdb",
    "numpy",
    "pyradiomics-bhklab",
    "scikit-learn",
    "scipy",
    "SimpleITK",
    "torch",
)


@dataclass(frozen=True, slots=True)
class TrainSummary:
    """What one training did.

    Args:
        run: its directory.
        page: its report.
        rows: model, patients, events, cross-validated AUC, test AUC; the last two in words.
        metrics: what stands in metrics.json.
        notes: who was left out, in words; what is written gives numbers instead of pseudonyms.
        left_out: patients that a model lacks, and models that could not be fitted.
        synthetic, trial_weights: marks of every result.
    """

    run: Path
    page: Path
    rows: tuple[tuple[str, int, int, str, str], ...]
    metrics: dict[str, Any]
    notes: tuple[str, ...]
    left_out: int
    synthetic: bool
    trial_weights: bool

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {"run": str(self.run), "page": str(self.page), **self.metrics, "notes": list(self.notes)}


def train(project: Project, jobs: int = 1, progress: Progress | None = None) -> TrainSummary:
    """Fit and judge every model of the study.

    The run directory appears whole: it is written aside and renamed at the end.

    Raises:
        MatrixError: the store lacks the outcome, or the features of every model.
        ModelError: no model can be fitted on its matrix.
        StoreError: nothing was ingested yet, or a patient was erased meanwhile.
    """
    from mvi_ray.model.evaluation import evaluate

    study = project.study
    if not study.models.fit:
        raise ModelError("the study names no models; add models.fit")
    created = now()
    run_id = f"{created:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"
    aside = project.runs / f".{run_id}"
    show = progress or silent
    aside.mkdir(parents=True)
    try:
        catalog = aside / "catalog.duckdb"
        declared = declarations(project)
        store = project.store.pinned(catalog, declared)
        data = _gather(store, study)
        catalog.unlink()
        write_pin(aside, Moment(data.versions, declared))
        evaluations: list[Evaluation] = []
        refused: list[ModelError] = []
        for number, matrix in enumerate(data.matrices):
            _write_matrix(aside, matrix, synthetic=study.synthetic)
            total = len(data.matrices)

            def fits(
                done: int, of: int, number: int = number, name: str = matrix.name, total: int = total
            ) -> None:
                show("train", number + done / of, total, f"model {number + 1} of {total}, {name}")

            fits(0, 1)
            try:
                evaluations.append(evaluate(matrix, study.models, n_jobs=jobs, progress=fits))
            except ModelError as error:
                refused.append(error)
            fits(1, 1)
        if not evaluations:
            raise refused[0]
        data = data.without(refused, {one.name for one in evaluations})
        result = _Run(project, run_id, created, data, evaluations)
        metrics = result.write(aside)
        final = project.runs / run_id
        aside.rename(final)
    except FileNotFoundError:
        if aside.exists():
            raise
        raise StoreError("a patient was erased while the models were fitted; train them again") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return TrainSummary(
        final,
        final / "report.html",
        result.rows(),
        metrics,
        data.told,
        data.left_out,
        study.synthetic,
        data.trial_weights,
    )


@dataclass(frozen=True, slots=True)
class _Data:
    """What one moment of the store gives to the models.

    Args:
        versions: of the tables.
        cohorts: who takes part.
        matrices: of the models that can be fitted.
        notes: who and what was left out, in words.
        incomplete: model to the patients that it lacks.
        left_out: patients that a model lacks, and models that cannot be fitted.
        trial_models: models that use embeddings of random weights.
    """

    versions: dict[str, int]
    cohorts: Cohorts
    matrices: tuple[Matrix, ...]
    notes: tuple[str, ...]
    incomplete: Mapping[str, tuple[str, ...]]
    left_out: int
    trial_models: frozenset[str]

    @property
    def trial_weights(self) -> bool:
        """Whether a model uses embeddings of random weights."""
        return bool(self.trial_models)

    @property
    def told(self) -> tuple[str, ...]:
        """The notes for the screen: with pseudonyms."""
        named = (f"{_incomplete(name, found)} ({_some(found)})" for name, found in self.incomplete.items())
        return (*self.notes, *named)

    @property
    def written(self) -> tuple[str, ...]:
        """The notes for files, which would else name patients who take no part in the run."""
        return (*self.notes, *(_incomplete(name, found) for name, found in self.incomplete.items()))

    def without(self, refused: list[ModelError], fitted: set[str]) -> Self:
        """The same without the models that could not be fitted, and with the reasons."""
        return replace(
            self,
            matrices=tuple(matrix for matrix in self.matrices if matrix.name in fitted),
            notes=(*self.notes, *(f"left out: {error.message}" for error in refused)),
            left_out=self.left_out + len(refused),
        )


def _gather(store: Store, study: Study) -> _Data:
    """Read everything from one catalog, so that all models see the same rows."""
    cohorts = read_cohorts(store, study)
    images = {family: image_type_names(one.image_types) for family, one in study.families.cr_like.items()}
    matrices: list[Matrix] = []
    notes = list(cohorts.left_out)
    incomplete: dict[str, tuple[str, ...]] = {}
    refused: list[MatrixError] = []
    for name in study.models.fit:
        try:
            made = assemble(store, study, name, cohorts, images)
        except MatrixError as error:
            refused.append(error)
            notes.append(f"left out: {error.message}")
            continue
        if made.incomplete:
            incomplete[name] = made.incomplete
        matrices.append(made.matrix)
    if not matrices:
        raise refused[0]
    trial = trial_families(store)
    return _Data(
        store.versions(),
        cohorts,
        tuple(matrices),
        tuple(notes),
        incomplete,
        len(set().union(*incomplete.values())) + len(refused),
        frozenset(m.name for m in matrices if not trial.isdisjoint(study.models.fit[m.name].families)),
    )


def _incomplete(model: str, patients: tuple[str, ...]) -> str:
    return f"{model}: patients without one of its phases or regions, left out: {len(patients)}"


def _some(patients: tuple[str, ...]) -> str:
    return ", ".join(patients[:5]) + (" …" if len(patients) > 5 else "")


def _write_matrix(folder: Path, matrix: Matrix, *, synthetic: bool) -> None:
    import pyarrow.parquet as pq

    target = folder / "matrices" / f"{matrix.name}.parquet"
    target.parent.mkdir(exist_ok=True)
    marked = matrix.to_arrow().replace_schema_metadata({"synthetic": str(synthetic).lower()})
    pq.write_table(marked, target)


def _packages() -> dict[str, str]:
    found = {"mvi-ray": __version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True, slots=True)
class _Run:
    """Everything a run directory is written from."""

    project: Project
    run_id: str
    created: datetime
    data: _Data
    evaluations: list[Evaluation]

    def rows(self) -> tuple[tuple[str, int, int, str, str], ...]:
        """The table that `mvi train` prints."""
        from mvi_ray.report.text import interval

        return tuple(
            (
                one.name,
                one.cross_validation.n,
                one.cross_validation.events,
                interval(one.cross_validation.metrics["auc"]),
                interval(one.test.metrics["auc"]) if one.test else "-",
            )
            for one in self.evaluations
        )

    def write(self, folder: Path) -> dict[str, Any]:
        """Study, versions, bundles, metrics, figure and page."""
        from mvi_ray.report.figure import roc_figure
        from mvi_ray.report.page import marks, page

        (folder / FILE_NAME).write_bytes(self.project.study_bytes)
        self._write_bundles(folder, self.project.study_digest)
        metrics = {
            "run_id": self.run_id,
            "created": self.created.isoformat(),
            "study": self.project.study.name,
            "synthetic": self.project.study.synthetic,
            "trial_weights": self.data.trial_weights,
            "table_versions": self.data.versions,
            "package_versions": _packages(),
            "notes": list(self.data.written),
            "models": [one.to_json() for one in self.evaluations],
        }
        _write_json(folder / "metrics.json", metrics)
        for kind in ("svg", "png"):
            said = marks(self.project.study.synthetic, self.data.trial_weights)
            (folder / f"roc.{kind}").write_bytes(roc_figure(self.evaluations, kind=kind, marks=said))
        (folder / "report.html").write_text(page(self._summary()), encoding="utf-8")
        return metrics

    def _write_bundles(self, folder: Path, digest: str) -> None:
        from mvi_ray.model.bundle import BundleInfo, save_bundle

        for matrix, one in zip(self.data.matrices, self.evaluations, strict=True):
            trained = matrix.part("train")
            info = BundleInfo(
                one.name,
                len(trained.patients),
                int(trained.outcome.sum()),
                digest,
                _packages(),
                self.project.study.synthetic,
                one.name in self.data.trial_models,
            )
            save_bundle(folder / "models" / one.name, one.model, info)

    def _summary(self) -> Any:
        from mvi_ray.report.page import CohortCount, RunSummary

        study = self.project.study
        predicates = study.cohorts or {"train": ""}
        counts = []
        for name, rule in predicates.items():
            inside = [p for p, cohort in self.data.cohorts.members.items() if cohort == name]
            events = sum(self.data.cohorts.outcome[p] for p in inside)
            counts.append(CohortCount(name, "" if rule == "true" else rule, len(inside), events))
        return RunSummary(
            study=study.name,
            run_id=self.run_id,
            created=self.created,
            synthetic=study.synthetic,
            trial_weights=self.data.trial_weights,
            cohorts=tuple(counts),
            evaluations=tuple(self.evaluations),
            models=study.models,
            table_versions=self.data.versions,
            package_versions=_packages(),
            warnings=self.data.written,
        )


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
