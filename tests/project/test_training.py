"""Tests of mvi_ray.project.training: a run directory from rows that are in the store."""

from __future__ import annotations

import json
import shutil
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mvi_ray.errors import MatrixError, ModelError, StoreError
from mvi_ray.model.bundle import load_bundle
from mvi_ray.project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import WrittenProject

MODELS = ("CR", "both", "joined")


@pytest.fixture
def cohort(written: WrittenProject) -> Project:
    """24 patients of centre A and 8 of centre B; values rise with the outcome."""
    rows: list[dict[str, object]] = []
    for number in range(32):
        patient, outcome = f"SYN-{number:02d}", number % 2
        shift = 0.6 * outcome + ((number * 7919) % 32) / 32
        for phase in ("AP", "PP"):
            for region in ("intratumoral", "peritumoral"):
                written.voi(patient, phase, region, shift=shift)
        rows.append(
            {
                "patient_id": patient,
                "mvi": outcome,
                "centre": "A" if number < 24 else "B",
                "age": 50.0 + shift,
                "sex": "male" if number % 3 else "female",
            }
        )
    written.clinical(rows)
    return written.project


def _files(run: Path) -> set[str]:
    return {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}


def test_a_run_directory_holds_all_of_a_run(cohort: Project) -> None:
    """Frozen study, matrices, bundles, metrics, figures and the page; nothing half-made beside it."""
    summary = cohort.train()
    assert _files(summary.run) == {
        "study.yaml",
        "snapshot.json",
        "metrics.json",
        "report.html",
        "roc.svg",
        "roc.png",
        *(f"matrices/{name}.parquet" for name in MODELS),
        *(f"models/{name}/{file}" for name in MODELS for file in ("model.json", "model.skops")),
    }
    assert [path.name for path in cohort.runs.iterdir()] == [summary.run.name]
    study = (cohort.folder / "study.yaml").read_text(encoding="utf-8")
    assert (summary.run / "study.yaml").read_text(encoding="utf-8") == study
    assert summary.left_out == 0


def test_metrics_say_what_they_were_made_from(cohort: Project) -> None:
    """Versions of tables and packages, marks, and each model's numbers with intervals."""
    summary = cohort.train()
    metrics = json.loads((summary.run / "metrics.json").read_text(encoding="utf-8"))
    tables = cohort.store.tables
    assert metrics["table_versions"] == {
        name: tables[name].log_version for name in tables if tables[name].exists
    }
    assert metrics["package_versions"]["scikit-learn"]
    assert metrics["synthetic"] is True
    assert [model["name"] for model in metrics["models"]] == list(MODELS)
    for model in metrics["models"]:
        inside, outside = model["cross_validation"], model["test"]
        assert (inside["n"], inside["events"], outside["n"], outside["events"]) == (24, 12, 8, 4)
        for part in (inside, outside):
            assert set(part["metrics"]) == {"auc", "accuracy", "sensitivity", "specificity", "ppv", "npv"}
        area = inside["metrics"]["auc"]
        assert 0.5 < area["lower"] <= area["value"] <= area["upper"] <= 1


def test_the_saved_matrix_and_bundle_give_the_reported_scores(cohort: Project) -> None:
    """What is kept is what was used: the test cohort is scored again from files alone."""
    summary = cohort.train()
    metrics = json.loads((summary.run / "metrics.json").read_text(encoding="utf-8"))
    for model in metrics["models"]:
        table = pq.read_table(summary.run / "matrices" / f"{model['name']}.parquet")
        frame = table.to_pandas().query("cohort == 'test'")
        fitted, info = load_bundle(summary.run / "models" / model["name"])
        values = frame.drop(columns=["patient_id", "cohort", "outcome"])
        found = fitted.probability(fitted.pick(values.to_numpy(float), tuple(values.columns)))
        told = {row["patient_id"]: row["probability"] for row in model["test"]["patients"]}
        assert found.tolist() == pytest.approx([told[p] for p in frame["patient_id"]], rel=1e-9)
        assert info.synthetic is True


def test_random_weights_are_marked_in_every_result(cohort: Project) -> None:
    """Summary, metrics, page, figure and the bundles of the models that use embeddings."""
    tables = cohort.store.tables
    rows = tables["dlr"].read().to_pylist()
    tables["dlr"].write([{**row, "trial_weights": True} for row in rows])
    summary = cohort.train()
    assert summary.trial_weights is True
    assert summary.metrics["trial_weights"] is True
    for file in ("report.html", "roc.svg"):
        text = (summary.run / file).read_text(encoding="utf-8")
        assert "weights are random" in text.replace("&#39;", "'")
        assert "images made by a program" in text
    marked = {name: load_bundle(summary.run / "models" / name)[1].trial_weights for name in MODELS}
    assert marked == {"CR": False, "both": True, "joined": True}


def test_the_same_store_gives_the_same_metrics(cohort: Project) -> None:
    """Whatever the number of threads; only run id and time differ."""
    first, second = cohort.train().metrics, cohort.train(jobs=2).metrics
    assert first.pop("run_id") != second.pop("run_id")
    first.pop("created")
    second.pop("created")
    assert first == second


def test_no_value_of_a_patient_stands_in_a_bundle(cohort: Project) -> None:
    """An extreme value planted in one training row is in no bundle, unpacked or not."""
    tables = cohort.store.tables
    planted = 987654.321012
    rows = tables["cr"].read().to_pylist()
    column = "firstorder_Mean"
    for row in rows:
        if row["patient_id"] == "SYN-03":
            row[column] = planted
    tables["cr"].write(rows)
    summary = cohort.train()
    for path in (summary.run / "models").rglob("*.*"):
        content = path.read_bytes()
        if path.suffix == ".skops":
            with zipfile.ZipFile(BytesIO(content)) as archive:
                content += b"".join(archive.read(name) for name in archive.namelist())
        assert b"987654.32" not in content
        assert b"SYN-03" not in content


def test_a_model_without_features_is_left_out_and_told(cohort: Project) -> None:
    """The others are fitted: a user who extracts CR first gets the CR models."""
    cohort.store.tables["dlr"].delete({"region": ["intratumoral", "peritumoral"]})
    summary = cohort.train()
    assert [row[0] for row in summary.rows] == ["CR"]
    assert summary.left_out == 2
    assert any("left out: both: no patient of the training cohort" in note for note in summary.notes)
    assert "left out: both" in summary.page.read_text(encoding="utf-8")


def test_an_incomplete_patient_is_told(cohort: Project) -> None:
    """By pseudonym, for the models that need what is missing."""
    cohort.store.tables["cr"].delete({"patient_id": "SYN-03", "phase": "AP"})
    summary = cohort.train()
    assert summary.left_out == 1
    assert summary.notes == ("CR: patients without one of its phases or regions, left out: 1 (SYN-03)",)
    assert [row[1] for row in summary.rows] == [23, 24, 24]
    assert summary.to_json()["notes"] == list(summary.notes)


def test_no_file_names_a_patient_who_takes_no_part(cohort: Project) -> None:
    """A run without the patient stays when the patient is erased: its files give numbers only."""
    for table in ("cr", "dlr"):
        cohort.store.tables[table].delete({"patient_id": "SYN-03"})
    summary = cohort.train()
    written = json.loads((summary.run / "metrics.json").read_text(encoding="utf-8"))["notes"]
    assert "CR: patients without one of its phases or regions, left out: 1" in written
    assert len(written) == len(summary.notes) == 3
    page = summary.page.read_text(encoding="utf-8")
    assert written[0] in page
    assert not any(b"SYN-03" in path.read_bytes() for path in summary.run.rglob("*") if path.is_file())


def test_a_training_whose_folder_went_says_why(cohort: Project) -> None:
    """An erasure removes unfinished runs, since they have read the patient."""

    def erased(*_: object) -> None:
        for folder in cohort.runs.iterdir():
            shutil.rmtree(folder)

    with pytest.raises(StoreError, match="a patient was erased while the models were fitted; train"):
        cohort.train(progress=erased)
    assert list(cohort.runs.iterdir()) == []


def test_what_cannot_be_trained_is_an_error_and_leaves_nothing(cohort: Project) -> None:
    """No features at all, folds that the classes do not fill, no models."""
    text = (cohort.folder / "study.yaml").read_text(encoding="utf-8")

    def study(old: str, new: str) -> Project:
        assert old in text
        (cohort.folder / "study.yaml").write_text(text.replace(old, new), encoding="utf-8")
        return Project(cohort.folder)

    with pytest.raises(ModelError, match="lower it to 12"):
        study("folds: 3", "folds: 13").train()
    with pytest.raises(ModelError, match="names no models"):
        study(text[text.index("  fit:") :], "").train()
    with pytest.raises(MatrixError, match="no outcome 'grade'"):
        study("outcome: mvi", "outcome: grade").train()
    changed = text.replace("bin_count: 8", "bin_count: 9").replace("input_size: 16", "input_size: 32")
    (cohort.folder / "study.yaml").write_text(changed, encoding="utf-8")
    with pytest.raises(MatrixError, match="CR: no patient of the training cohort"):
        Project(cohort.folder).train()
    assert list(cohort.runs.iterdir()) == []


def test_training_before_ingest_says_so(written: WrittenProject) -> None:
    """The store is empty."""
    with pytest.raises(StoreError, match="run `mvi ingest` first"):
        written.project.train()


def test_progress_ends_at_the_whole(cohort: Project) -> None:
    """Each model counts one; the note names it."""
    said: list[tuple[str, float, float, str]] = []
    cohort.train(progress=lambda *state: said.append(state))  # type: ignore[arg-type]
    assert said[-1][:3] == ("train", 3, 3)
    assert [state[1] for state in said] == sorted(state[1] for state in said)
    assert said[0][3] == "model 1 of 3, CR"


def test_a_model_that_cannot_be_fitted_does_not_cost_the_others(cohort: Project) -> None:
    """A constant variable: told, left out, and the others stand."""
    path = cohort.folder / "study.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + "    constant: {clinical: [sex]}\n", encoding="utf-8")
    rows = cohort.store.tables["clinical"].read().to_pylist()
    cohort.store.tables["clinical"].replace_all(
        pa.Table.from_pylist([{**row, "sex": "male"} for row in rows])
    )
    summary = Project(cohort.folder).train()
    assert [row[0] for row in summary.rows] == list(MODELS)
    assert summary.left_out == 1
    assert any(note.startswith("left out: constant: ") for note in summary.notes)


def test_the_message_names_what_everybody_lacks(cohort: Project) -> None:
    """One phase was never extracted."""
    cohort.store.tables["cr"].delete({"phase": "AP"})
    summary = cohort.train()
    assert any("(none has AP intratumoral original)" in note for note in summary.notes)
