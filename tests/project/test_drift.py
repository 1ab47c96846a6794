"""`mvi drift`: two groups of patients against plain NumPy and SciPy."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import false_discovery_control, ks_2samp

from mvi_ray.errors import MatrixError, QueryError, UsageError

if TYPE_CHECKING:
    from mvi_ray.project.drift import DriftReport
    from tests.conftest import WrittenProject
    from tests.project.conftest import Measured

PREFIX = "AP_intratumoral_original_"
A, B = "centre = 'A'", "centre = 'B'"


def _rows(report: DriftReport) -> dict[str, dict[str, Any]]:
    return {row["feature"].removeprefix(PREFIX): row for row in report.to_arrow().to_pylist()}


def test_each_feature_equals_its_own_comparison(measured: Measured) -> None:
    """SciPy's test, NumPy's medians; q over all features that were asked for."""
    report = measured.commit().drift(A, B, patterns=["*glcm*", "*ngtdm*"])
    rows = _rows(report)
    assert report.patients == (7, 5)
    assert (report.tested, len(rows)) == (29, 29)
    tests = {}
    for name, row in rows.items():
        a, b = (measured.column(name, "R1", measured.of(centre)) for centre in "AB")
        tests[name] = ks_2samp(a, b)
        assert (row["n_a"], row["n_b"]) == (7, 5)
        assert (row["median_a"], row["median_b"]) == (np.median(a), np.median(b))
        assert (row["ks"], row["p"]) == pytest.approx((tests[name].statistic, tests[name].pvalue))
        pooled = math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
        assert row["standardized_difference"] == pytest.approx((b.mean() - a.mean()) / pooled)
    q = false_discovery_control([test.pvalue for test in tests.values()])
    np.testing.assert_allclose([row["q"] for row in rows.values()], q)
    assert report.found() == (q < 0.05).sum()


def test_the_most_shifted_come_first(measured: Measured) -> None:
    """By distance, then by size of the difference; features without a test come last."""
    measured.set("glcm_Id", [1.0] * 7 + [2.0] * 5)
    measured.set("glcm_Idm", [*np.linspace(0, 1, 7), *np.linspace(1.1, 2, 5)])
    measured.set("glcm_MCC", [math.nan] * 12)
    report = measured.commit().drift(A, B)
    rows = list(_rows(report).items())
    assert [name for name, _ in rows[:2]] == ["glcm_Id", "glcm_Idm"]
    assert rows[0][1]["standardized_difference"] == math.inf
    keys = [(-row["ks"], -abs(row["standardized_difference"])) for _, row in rows[:-1]]
    assert keys == sorted(keys)
    name, last = rows[-1]
    assert (name, last["n_a"], last["ks"], last["q"]) == ("glcm_MCC", 0, None, None)
    assert report.tested == len(rows) - 1


def test_missing_values_are_left_out_of_their_feature_only(measured: Measured) -> None:
    """NULL, NaN and infinity."""
    measured.set("glcm_Id", [None, math.nan, math.inf, *map(float, range(9))])
    row = _rows(measured.commit().drift(A, B))["glcm_Id"]
    assert (row["n_a"], row["n_b"], row["median_a"], row["median_b"]) == (4, 5, 1.5, 6)


def test_flagged_features_are_counted(measured: Measured) -> None:
    """As `mvi features` flags them, over all VOIs."""
    measured.set("glcm_Id", [1.0] * 12)
    measured.set("glcm_Idm", [None, None, *map(float, range(10))])
    for name in ("glcm_MCC", "glcm_Imc1"):
        measured.set(name, [float(n) for n in range(12)])
    report = measured.commit().drift(A, B)
    assert (report.constant, report.missing, report.duplicate) == (1, 1, 1)


def test_conditions_name_clinical_values_and_identifiers(measured: Measured) -> None:
    """A patient in neither group is left out."""
    report = measured.commit().drift("patient_id IN ('P00', 'P01')", "mvi = 0 AND centre = 'B'")
    assert report.patients == (2, 5)


@pytest.mark.parametrize(
    ("a", "b", "error", "message"),
    [
        (A, "true", MatrixError, r"both groups hold P00 \(such patients: 7\); make the conditions exclude"),
        (A, "centre = 'Z'", MatrixError, r"second group \(centre = 'Z'\): 0; a comparison needs two"),
        ("patient_id = 'P00'", B, MatrixError, r"in the first group .*: 1; a comparison needs two"),
        ("hospital = 1", B, MatrixError, r"the first group \(hospital = 1\) cannot be chosen: .*; columns: "),
        (A, "true; DROP TABLE x", QueryError, "the second group is not one SQL condition"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(
    written: WrittenProject, a: str, b: str, error: type[Exception], message: str
) -> None:
    """Each with what was found; no feature is needed to say so."""
    written.clinical(
        [{"patient_id": f"P{n:02}", "centre": "A" if n < 7 else "B", "mvi": 0} for n in range(12)]
    )
    with pytest.raises(error, match=message):
        written.project.drift(a, b)


def test_a_pattern_without_a_match_is_an_error(measured: Measured) -> None:
    """As for `mvi features`."""
    with pytest.raises(UsageError, match=re.escape("no feature matches 'glcm'")):
        measured.commit().drift(A, B, patterns=["glcm"])


@pytest.mark.parametrize(("lesions", "median"), [("largest", 1.0), ("mean", 51.0)])
def test_a_patient_counts_once(written: WrittenProject, lesions: str, median: float) -> None:
    """One session, and lesions as the study's models choose them."""
    for number in range(6):
        for lesion, volume in (("1", 10.0), ("2", 20.0)):
            shift = number + (100 if lesion == "1" else 0)
            written.voi(f"P{number}", "AP", "intratumoral", lesion=lesion, volume=volume, shift=shift)
        written.voi(f"P{number}", "AP", "intratumoral", session="later", volume=90.0, shift=1000)
    for row in written._rows["dlr"]:
        row["trial_weights"] = True
    written.clinical([{"patient_id": f"P{n}", "centre": "AAABBB"[n], "mvi": 0} for n in range(6)])
    folder = written.project.folder
    text = (folder / "study.yaml").read_text().replace("models:\n", f"models:\n  lesions: {lesions}\n")
    (folder / "study.yaml").write_text(text)
    from mvi_ray.project import Project

    report = Project(folder).drift(A, B, patterns=["*_dlr_000", f"{PREFIX}glcm_Contrast"])
    rows = report.to_arrow().to_pylist()
    assert {(row["n_a"], row["n_b"], row["ks"]) for row in rows} == {(3, 3, 1.0)}
    (embedding,) = (row for row in rows if row["family"] == "DLR")
    assert (embedding["median_a"], embedding["median_b"]) == (median, median + 3)
    assert report.trial_weights


def test_values_of_the_most_shifted_are_kept_for_the_figure(measured: Measured) -> None:
    """Sorted, without their patients; the figure carries the mark of a synthetic cohort."""
    report = measured.commit().drift(A, B)
    names = report.to_arrow().column("feature").to_pylist()
    assert [curve.feature for curve in report.curves] == names[:4]
    first = report.curves[0]
    name = first.feature.removeprefix(PREFIX)
    for values, centre in ((first.a, "A"), (first.b, "B")):
        np.testing.assert_array_equal(values, np.sort(measured.column(name, "R1", measured.of(centre))))
    assert b"Synthetic cohort" in report.figure()
    assert report.figure("png").startswith(b"\x89PNG")


def test_progress_is_in_features(measured: Measured) -> None:
    """From none to all."""
    seen: list[tuple[str, float, float]] = []

    def show(task: str, done: float, total: float, note: str = "") -> None:
        seen.append((task, done, total))

    measured.commit().drift(A, B, progress=show)
    assert seen == [("drift", 0, 107), ("drift", 107, 107)]
