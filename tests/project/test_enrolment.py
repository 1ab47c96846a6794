"""The flow chart's counts: everybody once, from screening to the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.errors import MatrixError, StoreError
from mvi_ray.project import Project
from mvi_ray.report.flow import Step

if TYPE_CHECKING:
    from tests.conftest import WrittenProject

CRITERIA = """\
enrolment:
  include: {adult: age >= 18}
  exclude: {male_sex: sex = 'male'}
"""


def _screen(written: WrittenProject, criteria: str = CRITERIA) -> Project:
    """Twelve patients; each way out is taken by one or two of them."""
    path = written.project.folder / "study.yaml"
    path.write_text(path.read_text(encoding="utf-8") + criteria, encoding="utf-8")
    written.project = Project(written.project.folder)
    key = {"session": "-", "phase": "-", "lesion": "-", "region": "-", "reader": "-", "stage": "ingest"}
    # Nothing of this one could be stored.
    written.project.store.tables["quarantine"].write([{**key, "patient_id": "P99", "family": "-"}])
    rows: list[dict[str, object]] = []
    for at in range(12):
        rows.append(
            {
                "patient_id": f"P{at}",
                "centre": "A" if at < 8 else "B" if at < 11 else "C",
                "mvi": None if at == 5 else at % 2,
                "age": None if at in (3, 9) else 10.0 + 4 * at,
                "sex": "male" if at in (0, 7) else "female",
            }
        )
        for phase in ("AP", "PP") if at != 9 else ():
            for region in ("intratumoral", "peritumoral"):
                if (at, phase) != (8, "PP"):
                    written.voi(f"P{at}", phase, region)
    written.clinical(rows)
    written.project.store.tables["masks"].delete({"patient_id": "P4"})
    written.project.settle("ingest")
    return written.project


def test_every_patient_leaves_once_at_the_first_step_that_applies(written: WrittenProject) -> None:
    """Without images, without a mask, by a criterion, by hand; the rest are in cohorts and models."""
    project = _screen(written)
    project.exclude("P10", "motion artefacts")
    # Excluded as well, and not an adult: counted where the criterion is.
    project.exclude("P1", "poor contrast")
    flow = project.enrolment()
    assert flow.screened == 13
    assert flow.steps == (
        Step("no image", "", 2, 0, 0, 11),
        Step("no tumour mask", "", 1, 0, 0, 10),
        Step("include", "adult", 2, 1, 0, 8),
        Step("exclude", "male_sex", 1, 0, 0, 7),
        Step("by hand", "", 1, 0, 0, 6, (("motion artefacts", 1),)),
    )
    assert flow.enrolled == 6
    assert (flow.cohorts, flow.without_outcome, flow.without_cohort) == ({"train": 3, "test": 1}, 1, 1)
    # P8 lacks a phase of CR and joined, and the one phase of the other.
    assert dict(flow.models) == {name: {"train": 3, "test": 0} for name in ("CR", "both", "joined")}
    (note,) = flow.notes
    assert note.startswith("patients of the cohorts without an image or a tumour mask: 2; only models of")
    removed = sum(step.removed + step.unknown_left for step in flow.steps)
    assert flow.screened - removed == flow.enrolled
    assert "P1" not in str(flow)


def test_the_view_says_of_each_patient_where_it_left(written: WrittenProject) -> None:
    """In SQL, with the same counts; it follows an exclusion and its undoing."""
    project = _screen(written)
    project.exclude("P10", "motion artefacts")
    query = "SELECT patient_id, state, criterion, unknown FROM enrolment ORDER BY patient_id"
    found = {row["patient_id"]: tuple(row.values())[1:] for row in project.sql(query).to_pylist()}
    assert found["P99"] == ("no image", None, ["adult", "male_sex"])
    assert found["P9"][0] == "no image"
    assert found["P4"] == ("no tumour mask", None, [])
    assert found["P0"] == ("not eligible", "adult", [])
    assert found["P7"] == ("not eligible", "male_sex", [])
    assert found["P10"] == ("excluded", None, [])
    assert found["P3"] == ("enrolled", None, ["adult"])
    project.exclude("P10", undo=True)
    states = project.sql("SELECT state FROM enrolment WHERE patient_id = 'P10'").to_pylist()
    assert states == [{"state": "enrolled"}]


def test_missing_value_removes_only_by_a_stated_rule(written: WrittenProject) -> None:
    """Counted apart from who does not meet the criterion."""
    project = _screen(written, CRITERIA + "  missing: remove\n")
    flow = project.enrolment()
    assert flow.steps[2] == Step("include", "adult", 2, 1, 1, 7)
    state = project.sql("SELECT state, criterion FROM enrolment WHERE patient_id = 'P3'").to_pylist()
    assert state == [{"state": "unknown", "criterion": "adult"}]


def test_edited_criteria_reach_the_view_with_the_next_question(written: WrittenProject) -> None:
    """No command has to write in between."""
    project = _screen(written, "")
    assert not project.store.tables["enrolment"].exists
    query = "SELECT count(*) AS n FROM enrolment WHERE state = 'not eligible'"
    assert project.sql(query).to_pylist() == [{"n": 0}]
    path = project.folder / "study.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + CRITERIA, encoding="utf-8")
    assert Project(project.folder).sql(query).to_pylist() == [{"n": 3}]
    path.write_text(text, encoding="utf-8")
    assert Project(project.folder).sql(query).to_pylist() == [{"n": 0}]


def test_criterion_that_cannot_be_applied_stops_the_chart_and_no_other_command(
    written: WrittenProject,
) -> None:
    """The view has it as not known until it is corrected."""
    project = _screen(written, "enrolment: {include: {light: weight < 80}}\n")
    with pytest.raises(MatrixError, match=r"enrolment\.include\.light \(weight < 80\) cannot be applied"):
        project.enrolment()
    rows = project.sql("SELECT DISTINCT unknown FROM enrolment").to_pylist()
    assert rows == [{"unknown": ["light"]}]


def test_chart_without_an_outcome_ends_with_the_enrolled(written: WrittenProject) -> None:
    """Why cohorts are not counted is told."""
    project = _screen(written, "")
    path = project.folder / "study.yaml"
    text = path.read_text(encoding="utf-8").replace("  outcome: mvi\n", "")
    path.write_text(text, encoding="utf-8")
    flow = Project(project.folder).enrolment()
    assert (flow.cohorts, flow.models, flow.enrolled) == ({}, (), 10)
    assert flow.notes == (
        "cohorts and models are not counted: the study names no outcome; set clinical.outcome to its column",
    )


def test_empty_store_is_told(written: WrittenProject) -> None:
    """There is nobody to count."""
    with pytest.raises(StoreError, match="the store is empty; run `mvi ingest` first"):
        written.project.enrolment()
