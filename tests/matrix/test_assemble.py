"""Tests of mvi_ray.matrix.assemble: the right value in the right place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mvi_ray.errors import MatrixError
from mvi_ray.features import CR_FEATURES, INTENSITY_FEATURES
from mvi_ray.matrix.assemble import Assembled, assemble
from mvi_ray.matrix.cohort import read_cohorts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import WrittenProject

IMAGES = ("original", "square")


def _assemble(written: WrittenProject, name: str) -> Assembled:
    project = written.project
    cohorts = read_cohorts(project.store, project.study)
    return assemble(project.store, project.study, name, cohorts, {"CR": IMAGES})


def _patients(written: WrittenProject, names: str = "ABC", regions: tuple[str, ...] = ()) -> None:
    rows: list[dict[str, object]] = []
    for shift, patient in enumerate(names):
        for phase in ("AP", "PP"):
            for region in regions or ("intratumoral", "peritumoral"):
                written.voi(patient, phase, region, shift=shift / 10)
        centre = "A" if shift < 2 else "B"
        rows.append(
            {"patient_id": patient, "mvi": shift % 2, "centre": centre, "age": 50.0 + shift, "sex": "male"}
        )
    written.clinical(rows)


def test_every_value_stands_under_its_own_name(written: WrittenProject, code: Callable[..., float]) -> None:
    """Names are built from phase, region, image type and feature; so are the values here."""
    _patients(written)
    matrix = _assemble(written, "CR").matrix
    places = [
        (phase, image, name)
        for phase in ("AP", "PP")
        for image in IMAGES
        for name in (CR_FEATURES if image == "original" else INTENSITY_FEATURES)
    ]
    assert matrix.columns == tuple(f"{p}_intratumoral_{i}_{n}" for p, i, n in places)
    wanted = np.array([code(p, "intratumoral", i, n) for p, i, n in places])
    for row, shift in enumerate((0.0, 0.1, 0.2)):
        np.testing.assert_array_equal(matrix.values[row], wanted + shift)
    assert matrix.patients == ("A", "B", "C")
    assert matrix.cohort.tolist() == ["train", "train", "test"]
    assert matrix.outcome.tolist() == [0, 1, 0]


def test_columns_follow_the_study_not_the_order_in_the_model(written: WrittenProject) -> None:
    """Drawn region first, as the study lists them; one phase only; CR before DLR."""
    _patients(written)
    columns = _assemble(written, "both").matrix.columns
    assert len(columns) == 2 * (107 + 93) + 2 * 512
    assert columns[0] == "PP_intratumoral_original_shape_Elongation"
    assert columns[200] == "PP_peritumoral_original_shape_Elongation"
    assert columns[400] == "PP_intratumoral_dlr_000"
    assert columns[-1] == "PP_peritumoral_dlr_511"
    assert not any(column.startswith("AP_") for column in columns)


def test_clinical_variables_join_with_levels_as_columns(written: WrittenProject) -> None:
    """The first level is the reference and has no column."""
    _patients(written)
    matrix = _assemble(written, "joined").matrix
    assert matrix.columns[-2:] == ("clinical_age", "clinical_sex=male")
    np.testing.assert_array_equal(matrix.values[:, -2:], [[50, 1], [51, 1], [52, 1]])
    np.testing.assert_array_equal(matrix.values[1, :3], np.float32([0.1, 1.1, 2.1]).astype(float))


def test_an_incomplete_patient_is_named_and_left_out(written: WrittenProject) -> None:
    """A model that does not need the missing phase keeps the patient."""
    _patients(written)
    written.project.store.tables["cr"].delete({"patient_id": "B", "phase": "AP"})
    written.project.publish()
    found = _assemble(written, "CR")
    assert found.incomplete == ("B",)
    assert found.matrix.patients == ("A", "C")
    assert _assemble(written, "both").incomplete == ()


def test_nobody_complete_is_an_error(written: WrittenProject) -> None:
    """The message says where to look."""
    _patients(written, regions=("intratumoral",))
    with pytest.raises(MatrixError, match="both: no patient of the training cohort has all"):
        _assemble(written, "both")


def test_the_largest_lesion_stands_for_the_patient(
    written: WrittenProject, code: Callable[..., float]
) -> None:
    """Largest by its mean volume over the phases, the same lesion in every phase."""
    for phase, sizes in (("AP", (100.0, 90.0)), ("PP", (100.0, 300.0))):
        for lesion, volume in zip("12", sizes, strict=True):
            written.voi("A", phase, "intratumoral", lesion=lesion, volume=volume, shift=int(lesion))
    written.clinical([{"patient_id": "A", "mvi": 1, "centre": "A", "age": 60.0}])
    matrix = _assemble(written, "CR").matrix
    expected = code("AP", "intratumoral", "original", "shape_Elongation") + 2
    assert matrix.values[0, 0] == expected


def test_lesions_can_be_averaged(written: WrittenProject, code: Callable[..., float]) -> None:
    """Every value is the mean over the lesions, embeddings too."""
    for phase in ("AP", "PP"):
        for lesion, shift in (("1", 1.0), ("2", 4.0)):
            written.voi("A", phase, "intratumoral", lesion=lesion, shift=shift)
    written.clinical([{"patient_id": "A", "mvi": 1, "centre": "A", "age": 60.0}])
    study = written.project.study
    models = study.models.model_copy(update={"lesions": "mean"})
    mean = study.model_copy(update={"models": models})
    cohorts = read_cohorts(written.project.store, mean)
    found = assemble(written.project.store, mean, "CR", cohorts, {"CR": IMAGES}).matrix
    assert found.values[0, 0] == code("AP", "intratumoral", "original", "shape_Elongation") + 2.5
    joined = assemble(written.project.store, mean, "joined", cohorts, {"CR": IMAGES}).matrix
    np.testing.assert_allclose(joined.values[0, :3], [2.5, 3.5, 4.5])


def test_other_sessions_are_not_mixed_in(written: WrittenProject, code: Callable[..., float]) -> None:
    """A follow-up examination of the same patient changes nothing."""
    _patients(written)
    written.voi("A", "AP", "intratumoral", session="followup", shift=1000)
    written.write()
    matrix = _assemble(written, "CR").matrix
    assert matrix.values[0, 0] == code("AP", "intratumoral", "original", "shape_Elongation")


def test_a_mean_of_lesions_has_the_same_digits_each_time(written: WrittenProject) -> None:
    """Sums in another order differ in the last digit; five lesions lie in five files."""
    for number, shift in enumerate((0.1, 1e8, -1e8, 0.3, 1e-3), start=1):
        for phase in ("AP", "PP"):
            for region in ("intratumoral", "peritumoral"):
                written.voi("P1", phase, region, lesion=str(number), shift=shift)
        written.write()
    written.clinical([{"patient_id": "P1", "mvi": 1, "centre": "A", "age": 50.0, "sex": "male"}])
    study = written.project.study
    mean = study.model_copy(update={"models": study.models.model_copy(update={"lesions": "mean"})})
    cohorts = read_cohorts(written.project.store, mean)
    found = {
        assemble(written.project.store, mean, "both", cohorts, {"CR": IMAGES}).matrix.values.tobytes()
        for _ in range(8)
    }
    assert len(found) == 1
