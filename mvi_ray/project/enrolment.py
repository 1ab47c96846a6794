"""`mvi enrolment`: how the screened patients became those of the models."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import MatrixError
from mvi_ray.extract.cr import image_type_names
from mvi_ray.matrix.cohort import read_cohorts
from mvi_ray.matrix.complete import complete_patients
from mvi_ray.matrix.criteria import judge
from mvi_ray.report.flow import Flow, Step

if TYPE_CHECKING:
    from mvi_ray.matrix.cohort import Cohorts
    from mvi_ray.matrix.criteria import Verdict
    from mvi_ray.project.project import Project
    from mvi_ray.store.store import Store
    from mvi_ray.study import Study


def read_enrolment(project: Project) -> Flow:
    """Count the patients at each step; every patient counts at the first that applies.

    Raises:
        MatrixError: a criterion names what is not there.
        QueryError: a criterion is not one SQL condition.
        StoreError: nothing was ingested yet.
    """
    study = project.study
    with project.pinned() as (store, _):
        rows = store.query("FROM raw.screening").to_pylist()
        reasons = {
            row["patient_id"]: row["reason"] for row in store.query("FROM raw.current_exclusions").to_pylist()
        }
        with store.connect() as connection:
            verdicts = judge(connection, study.enrolment)
        walk = _Walk({row["patient_id"] for row in rows})
        walk.step("no image", {row["patient_id"] for row in rows if not row["has_image"]})
        walk.step("no tumour mask", {row["patient_id"] for row in rows if not row["has_mask"]})
        for one in study.enrolment.criteria:
            walk.criterion(one.name, one.keeps, verdicts)
        walk.step("by hand", set(reasons), reasons)
        return _flow(store, study, len(rows), walk)


@dataclass(slots=True, init=False)
class _Walk:
    """Patients who are left, and the steps so far."""

    left: set[str]
    steps: list[Step]

    def __init__(self, screened: set[str]) -> None:
        self.left = screened
        self.steps = []

    def step(self, kind: Any, who: set[str], reasons: dict[str, str] | None = None) -> None:
        """Patients leave for what they lack, or by hand."""
        out = self.left & who
        self.left = self.left - out
        counted = Counter(reasons[patient] for patient in out) if reasons else Counter[str]()
        told = tuple(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
        self.steps.append(Step(kind, "", len(out), 0, 0, len(self.left), told))

    def criterion(self, name: str, keeps: bool, verdicts: dict[str, Verdict]) -> None:
        """Patients leave by a criterion, or for what it cannot know of them."""
        out = {patient for patient in self.left if verdicts[patient].criterion == name}
        unknown = {patient for patient in out if verdicts[patient].is_unknown}
        kept = sum(name in verdicts[patient].unknown for patient in self.left - out)
        # Who is removed by a later criterion had this one unknown all the same.
        self.left = self.left - out
        self.steps.append(
            Step(
                "include" if keeps else "exclude",
                name,
                len(out - unknown),
                len(unknown) + kept,
                len(unknown),
                len(self.left),
            )
        )


def _flow(store: Store, study: Study, screened: int, walk: _Walk) -> Flow:
    notes: list[str] = []
    counts: dict[str, int] = {}
    models: list[tuple[str, dict[str, int]]] = []
    without_outcome = without_cohort = 0
    try:
        cohorts = read_cohorts(store, study)
    except MatrixError as error:
        notes.append(f"cohorts and models are not counted: {error.message}")
    else:
        names = list(study.cohorts or {"train": ""})
        counts = _by_cohort(names, cohorts, walk.left)
        without_outcome = len(cohorts.without_outcome & walk.left)
        without_cohort = len(walk.left) - without_outcome - sum(counts.values())
        beside = len(cohorts.members.keys() - walk.left)
        if beside:
            notes.append(
                f"patients of the cohorts without an image or a tumour mask: {beside}; only models of "
                "clinical variables alone take them"
            )
        images = {family: image_type_names(one.image_types) for family, one in study.families.cr_like.items()}
        models = [
            (name, _by_cohort(names, cohorts, complete_patients(store, study, name, cohorts, images)))
            for name in study.models.fit
        ]
    return Flow(
        study.name,
        study.synthetic,
        screened,
        tuple(walk.steps),
        len(walk.left),
        counts,
        without_outcome,
        without_cohort,
        tuple(models),
        tuple(notes),
    )


def _by_cohort(names: list[str], cohorts: Cohorts, patients: set[str] | frozenset[str]) -> dict[str, int]:
    counted = Counter(cohorts.members[patient] for patient in cohorts.members.keys() & patients)
    return {name: counted[name] for name in names}  # type: ignore[index]
