"""`mvi train`: pinned tables, matrices, models, metrics, figures and a page in one run directory."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from mvi_ray import __version__
from mvi_ray.errors import ModelError
from mvi_ray.extract.cr import image_type_names
from mvi_ray.matrix.assemble import assemble
from mvi_ray.matrix.cohort import Cohorts, read_cohorts
from mvi_ray.project.progress import Progress, silent
from mvi_ray.store.tables import now
from mvi_ray.study import FILE_NAME

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from mvi_ray.matrix.matrix import Matrix
    from mvi_ray.model.result import Evaluation
    from mvi_ray.project.project import Project

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
        notes: who was left out, in words.
        left_out: patients of the cohorts that a model lacks.
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
        return {"run": str(self.run), "page": str(self.page), "notes": list(self.notes), **self.metrics}


def train(project: Project, jobs: int = 1, progress: Progress | None = None) -> TrainSummary:
    """Fit and judge every model of the study.

    The run directory appears whole: it is written aside and renamed at the end.

    Raises:
        MatrixError: the store lacks the outcome or the features.
        ModelError: a model cannot be fitted on its matrix.
        StoreError: nothing was ingested yet.
    """
    from mvi_ray.model.evaluation import evaluate

    study = project.study
    if not study.models.fit:
        raise ModelError("the study names no models; add models.fit")
    if project.store.root.is_dir():
        project.publish()
    created = now()
    run_id = f"{created:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"
    aside = project.runs / f".{run_id}"
    show = progress or silent
    pinned = {name: t.log_version for name, t in project.store.tables.items()}
    versions = {name: number for name, number in pinned.items() if number is not None}
    cohorts = read_cohorts(project.store, study)
    images = () if study.families.cr is None else image_type_names(study.families.cr.image_types)
    evaluations: list[Evaluation] = []
    matrices: list[Matrix] = []
    notes = list(cohorts.left_out)
    left_out: set[str] = set()
    aside.mkdir(parents=True)
    try:
        for number, name in enumerate(study.models.fit):
            made = assemble(project.store, study, name, cohorts, images)
            if made.incomplete:
                left_out.update(made.incomplete)
                notes.append(f"{name}: {_incomplete(made.incomplete)}")
            matrices.append(made.matrix)
            _write_matrix(aside, made.matrix)
            total = len(study.models.fit)

            def fits(done: int, of: int, number: int = number, name: str = name, total: int = total) -> None:
                show("train", number + done / of, total, f"model {number + 1} of {total}, {name}")

            fits(0, 1)
            evaluations.append(evaluate(made.matrix, study.models, n_jobs=jobs, progress=fits))
            fits(1, 1)
        result = _Run(project, run_id, created, versions, cohorts, notes, matrices, evaluations)
        metrics = result.write(aside)
        final = project.runs / run_id
        aside.rename(final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return TrainSummary(
        final,
        final / "report.html",
        result.rows(),
        metrics,
        tuple(notes),
        len(left_out),
        study.synthetic,
        result.trial_weights,
    )


def _incomplete(patients: tuple[str, ...]) -> str:
    shown = ", ".join(patients[:5]) + (" …" if len(patients) > 5 else "")
    return f"{len(patients)} patients lack a phase, region or value and were left out ({shown})"


def _write_matrix(folder: Path, matrix: Matrix) -> None:
    import pyarrow.parquet as pq

    target = folder / "matrices" / f"{matrix.name}.parquet"
    target.parent.mkdir(exist_ok=True)
    pq.write_table(matrix.to_arrow(), target)


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
    table_versions: dict[str, int]
    cohorts: Cohorts
    notes: list[str]
    matrices: list[Matrix]
    evaluations: list[Evaluation]

    @property
    def trial_weights(self) -> bool:
        """Whether a model uses embeddings of random weights."""
        study = self.project.study
        used = any("DLR" in spec.families for spec in study.models.fit.values())
        return used and study.families.dlr is not None and study.families.dlr.weights == "random"

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

        study_file = (self.project.folder / FILE_NAME).read_bytes()
        (folder / FILE_NAME).write_bytes(study_file)
        self._write_bundles(folder, hashlib.sha256(study_file).hexdigest())
        metrics = {
            "run_id": self.run_id,
            "created": self.created.isoformat(),
            "study": self.project.study.name,
            "synthetic": self.project.study.synthetic,
            "trial_weights": self.trial_weights,
            "table_versions": self.table_versions,
            "package_versions": _packages(),
            "notes": self.notes,
            "models": [one.to_json() for one in self.evaluations],
        }
        _write_json(folder / "metrics.json", metrics)
        for kind in ("svg", "png"):
            said = marks(self.project.study.synthetic, self.trial_weights)
            (folder / f"roc.{kind}").write_bytes(roc_figure(self.evaluations, kind=kind, marks=said))
        (folder / "report.html").write_text(page(self._summary()), encoding="utf-8")
        return metrics

    def _write_bundles(self, folder: Path, digest: str) -> None:
        from mvi_ray.model.bundle import BundleInfo, save_bundle

        for matrix, one in zip(self.matrices, self.evaluations, strict=True):
            trained = matrix.part("train")
            uses = "DLR" in self.project.study.models.fit[one.name].families
            info = BundleInfo(
                one.name,
                len(trained.patients),
                int(trained.outcome.sum()),
                digest,
                _packages(),
                self.project.study.synthetic,
                uses and self.trial_weights,
            )
            save_bundle(folder / "models" / one.name, one.model, info)

    def _summary(self) -> Any:
        from mvi_ray.report.page import CohortCount, RunSummary

        study = self.project.study
        predicates = study.cohorts or {"train": ""}
        counts = []
        for name, rule in predicates.items():
            inside = [p for p, cohort in self.cohorts.members.items() if cohort == name]
            events = sum(self.cohorts.outcome[p] for p in inside)
            counts.append(CohortCount(name, "" if rule == "true" else rule, len(inside), events))
        return RunSummary(
            study=study.name,
            run_id=self.run_id,
            created=self.created,
            synthetic=study.synthetic,
            trial_weights=self.trial_weights,
            cohorts=tuple(counts),
            evaluations=tuple(self.evaluations),
            models=study.models,
            table_versions=self.table_versions,
            package_versions=_packages(),
            warnings=tuple(self.notes),
        )


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
