"""`mvi features`: statistics, agreement, drift and flags against plain NumPy and SciPy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import false_discovery_control, ks_2samp

from mvi_ray.errors import StoreError, UsageError
from mvi_ray.features import CR_FEATURES
from mvi_ray.stats.icc import icc
from mvi_ray.store.tables import now

if TYPE_CHECKING:
    from mvi_ray.project import Project
    from mvi_ray.project.feature_report import FeatureReport, Sort
    from tests.conftest import WrittenProject
    from tests.project.conftest import Measured

PREFIX = "AP_intratumoral_original_"


def _rows(report: FeatureReport) -> dict[str, dict[str, Any]]:
    return {row["feature"]: row for row in report.to_arrow().to_pylist()}


def _import(project: Project, family: str, rows: dict[str, dict[str, float | None]]) -> None:
    """Rows of an imported family in phase AP, region intratumoral, reader R1."""
    key = {"session": "baseline", "phase": "AP", "lesion": "1", "region": "intratumoral", "reader": "R1"}
    tables = project.store.tables
    tables["imported"].write(
        [
            {
                **key,
                "patient_id": patient,
                "feature_set_id": f"set-{family}",
                "family": family,
                "feature_names": list(values),
                "feature_values": list(values.values()),
            }
            for patient, values in rows.items()
        ]
    )
    tables["feature_sets"].write(
        [{"feature_set_id": f"set-{family}", "family": family, "settings": "{}", "created_at": now()}]
    )


def test_one_row_per_feature_under_its_name_in_a_matrix(measured: Measured) -> None:
    """Sorted by name, over the VOIs of the modelling reader."""
    report = measured.commit().features()
    found = report.to_arrow().column("feature").to_pylist()
    assert found == sorted(f"{PREFIX}{name}" for name in CR_FEATURES)
    row = _rows(report)[f"{PREFIX}glcm_Contrast"]
    values = measured.column("glcm_Contrast")
    assert (row["family"], row["class"], row["vois"], row["missing"]) == ("CR", "glcm", 12, 0)
    assert row["mean"] == pytest.approx(values.mean())
    assert row["sd"] == pytest.approx(values.std(ddof=1))
    assert (row["minimum"], row["maximum"]) == (values.min(), values.max())


def test_null_nan_and_infinity_are_missing(measured: Measured) -> None:
    """A share of the VOIs; the rest is of the finite values."""
    measured.set("glcm_Id", [None, math.nan, math.inf, *map(float, range(9))])
    row = _rows(measured.commit().features(["*glcm_Id"]))[f"{PREFIX}glcm_Id"]
    assert (row["missing"], row["mean"], row["flags"]) == (0.25, 4.0, "missing")


def test_a_feature_without_a_finite_value_has_no_statistics(measured: Measured) -> None:
    """NULL, and neither constant nor equal to another such feature."""
    for name in ("glcm_Id", "glcm_Idm"):
        measured.set(name, [math.nan] * 12)
    for row in measured.commit().features(["*glcm_Id", "*glcm_Idm"]).to_arrow().to_pylist():
        assert (row["mean"], row["icc"], row["drift"], row["flags"]) == (None, None, None, "missing")


def test_icc_is_over_what_all_readers_have_drawn(measured: Measured) -> None:
    """Ten of the twelve patients; as `stats.icc` has it of these alone."""
    report = measured.commit().features()
    both = list(measured.values["R2"])
    stacked = np.stack([measured.column("glcm_Contrast", r, both) for r in ("R1", "R2")], axis=1)
    expected = icc(stacked[:, :, None])
    row = _rows(report)[f"{PREFIX}glcm_Contrast"]
    assert (report.readers, row["icc_targets"]) == (("R1", "R2"), 10)
    assert row["icc"] == pytest.approx(expected.value[0])
    assert (row["icc_low"], row["icc_high"]) == pytest.approx((expected.low[0], expected.high[0]))


def test_a_mask_that_was_replaced_does_not_count_for_the_icc(measured: Measured) -> None:
    """Its values stay in `cr_all` only."""
    project = measured.commit()
    (mask,) = project.sql("SELECT * FROM masks WHERE patient_id = 'P00' AND reader = 'R2'").to_pylist()
    project.store.tables["masks"].write([{**mask, "input_digest": "another"}])
    row = _rows(project.features(["*glcm_Contrast"]))[f"{PREFIX}glcm_Contrast"]
    assert row["icc_targets"] == 9


@pytest.mark.parametrize("common", [0, 1])
def test_without_two_common_vois_there_is_no_icc(measured: Measured, common: int) -> None:
    """NULL rather than a number of nothing."""
    measured.values["R2"] = dict(list(measured.values["R2"].items())[:common])
    row = measured.commit().features(["*glcm_Contrast"]).to_arrow().to_pylist()[0]
    assert (row["icc"], row["icc_targets"]) == (None, common)


def test_a_study_that_compares_no_readers_has_no_icc(measured: Measured) -> None:
    """And says so by its readers."""
    del measured.values["R2"]
    report = measured.commit().features()
    assert report.readers == ("R1",)
    assert report.to_arrow().column("icc").null_count == len(CR_FEATURES)


def test_two_centres_are_compared_once(measured: Measured) -> None:
    """The distance of SciPy, q over all features that were asked for."""
    report = measured.commit().features(["*glcm*"])
    assert report.centres == {"A": 7, "B": 5}
    rows = report.to_arrow().to_pylist()
    tests = [
        ks_2samp(*(measured.column(r["name"].removeprefix("original_"), "R1", measured.of(c)) for c in "AB"))
        for r in rows
    ]
    np.testing.assert_allclose([r["drift"] for r in rows], [t.statistic for t in tests])
    np.testing.assert_allclose(
        [r["drift_q"] for r in rows], false_discovery_control([t.pvalue for t in tests])
    )


def test_of_several_centres_the_least_likely_is_kept(measured: Measured) -> None:
    """Each against all others; a patient without a centre is in neither."""
    centres = dict(zip(measured.centres, ["A"] * 4 + ["B"] * 4 + ["C"] * 3 + [None], strict=True))
    measured.centres = centres
    rows = measured.commit().features(["*glcm*"]).to_arrow().to_pylist()
    p, distance = np.empty((2, 3, len(rows)))
    for at, row in enumerate(rows):
        name = row["name"].removeprefix("original_")
        for place, centre in enumerate("ABC"):
            rest = measured.of(*{"A", "B", "C"} - {centre})
            test = ks_2samp(
                measured.column(name, "R1", measured.of(centre)), measured.column(name, "R1", rest)
            )
            p[place, at], distance[place, at] = test.pvalue, test.statistic
    q = false_discovery_control(p.ravel()).reshape(p.shape)
    for at, row in enumerate(rows):
        place = "ABC".index(row["drift_centre"])
        assert p[place, at] == p[:, at].min()
        assert row["drift"] == pytest.approx(distance[place, at])
        assert row["drift_q"] == pytest.approx(q[place, at])


def test_one_centre_has_no_drift(measured: Measured) -> None:
    """There is nothing to compare it with."""
    measured.centres = dict.fromkeys(measured.centres, "A")
    report = measured.commit().features()
    assert report.to_arrow().column("drift").null_count == len(CR_FEATURES)


def test_the_centre_of_the_clinical_table_goes_before_that_of_the_manifest(measured: Measured) -> None:
    """Under the name that the study gives it."""
    project = measured.commit()
    text = (project.folder / "study.yaml").read_text().replace("centre: centre", "centre: site")
    (project.folder / "study.yaml").write_text(text)
    import pyarrow as pa

    rows = [{"patient_id": p, "site": "east" if c == "A" else None} for p, c in measured.centres.items()]
    project.store.tables["clinical"].replace_all(pa.Table.from_pylist(rows))
    from mvi_ray.project import Project

    assert Project(project.folder).features(["*glcm_Id"]).centres == {"B": 5, "east": 7}


def test_constants_and_duplicates_are_flagged(measured: Measured) -> None:
    """Of equal features all but the first by name; equal constants are constants only."""
    same = [float(n) for n in range(12)]
    for name in ("glcm_Idm", "glcm_Id", "glrlm_RunEntropy"):
        measured.set(name, same)
    for name in ("glcm_MCC", "gldm_DependenceEntropy"):
        measured.set(name, [3.0] * 12)
    rows = _rows(measured.commit().features(flagged=True))
    assert {name.removeprefix(PREFIX): (r["flags"], r["duplicate_of"]) for name, r in rows.items()} == {
        "glcm_Idm": ("duplicate", f"{PREFIX}glcm_Id"),
        "glrlm_RunEntropy": ("duplicate", f"{PREFIX}glcm_Id"),
        "glcm_MCC": ("constant", None),
        "gldm_DependenceEntropy": ("constant", None),
    }


def test_a_tenth_missing_is_not_yet_flagged(measured: Measured) -> None:
    """More than 10 %: two of twelve are, one is not."""
    measured.set("glcm_Id", [None, *map(float, range(11))])
    measured.set("glcm_Idm", [None, None, *map(float, range(10))])
    rows = _rows(measured.commit().features(["*glcm_Id", "*glcm_Idm"]))
    assert [rows[f"{PREFIX}{name}"]["flags"] for name in ("glcm_Id", "glcm_Idm")] == ["", "missing"]


def test_patterns_are_globs_over_the_whole_name_in_any_case(measured: Measured) -> None:
    """Several add up; a feature that matches two comes once."""
    project = measured.commit()
    found = _rows(project.features(["ap_*_GLCM_cont?ast", "*contrast"]))
    assert [name.removeprefix(PREFIX) for name in found] == ["glcm_Contrast", "ngtdm_Contrast"]


def test_a_pattern_without_a_match_names_what_is_near(measured: Measured) -> None:
    """A misspelt name is an error, not an empty table; also beside one that matches."""
    project = measured.commit()
    for pattern, hint in (
        ("glcm_Contrast", r"write '\*glcm_Contrast\*' for the names with it inside: 1"),
        ("AP_intratumoral_orignal_glcm_Contrast", rf"near names: {PREFIX}glcm_Contrast"),
        ("original_glcm_Contrst", rf"near names: .*{PREFIX}glcm_Contrast"),
        ("xyz?", rf"names look like {PREFIX}"),
    ):
        with pytest.raises(UsageError, match=hint):
            project.features(["*glcm_Id", pattern])


def test_unknown_families_and_orders_are_refused(measured: Measured) -> None:
    """With what there is."""
    project = measured.commit()
    with pytest.raises(UsageError, match="no feature is of family 'DLR'; there are CR"):
        project.features(families=["DLR"])
    with pytest.raises(UsageError, match="cannot be sorted by 'size'; use name, icc"):
        project.features(sort="size")  # type: ignore[arg-type]
    assert project.features(families=["cr"]).to_arrow().num_rows == len(CR_FEATURES)


def test_the_worst_come_first_and_null_last(measured: Measured) -> None:
    """The limit counts after sorting."""
    measured.set("glcm_Id", [math.nan] * 12)
    measured.set("glcm_Idm", [math.nan] * 4 + [float(n) for n in range(8)])
    project = measured.commit()
    orders: dict[Sort, bool] = {"icc": False, "drift": True, "missing": True, "mean": True}
    for sort, falls in orders.items():
        values = project.features(sort=sort).to_arrow().column(sort).to_pylist()
        known = [v for v in values if v is not None]
        assert known == sorted(known, reverse=falls)
        assert values[: len(known)] == known
        assert project.features(sort=sort, limit=3).to_arrow().column(sort).to_pylist() == values[:3]


def test_a_single_feature_is_described(measured: Measured) -> None:
    """With what the dictionary says and a histogram of the modelling reader's VOIs."""
    detail = measured.commit().features([f"{PREFIX}glcm_Contrast"]).detail
    assert detail is not None
    assert (detail.unit, detail.ibsi) == ("grey levels2", "ACUI")
    assert detail.definition is not None
    counts, edges = np.histogram(measured.column("glcm_Contrast"), bins=10)
    assert detail.counts == tuple(counts.tolist())
    assert detail.edges == pytest.approx(edges)


def test_the_summary_counts_by_family_and_class(measured: Measured) -> None:
    """Of all features that were chosen, also those that --flagged leaves out."""
    measured.set("glcm_MCC", [3.0] * 12)
    project = measured.commit()
    report = project.features(flagged=True)
    assert report.to_arrow().num_rows == 1
    (glcm,) = (row for row in report.summary.to_pylist() if row["class"] == "glcm")
    all_rows = project.features(["*_glcm_*"]).to_arrow().to_pylist()
    values = [row["icc"] for row in all_rows if row["icc"] is not None]
    assert (glcm["family"], glcm["features"], glcm["vois"], glcm["constant"]) == ("CR", 24, 12, 1)
    assert glcm["icc"] == pytest.approx(np.median(values))
    assert glcm["icc_good"] == sum(v >= 0.8 for v in values)
    assert glcm["icc_good"] + glcm["icc_fair"] + glcm["icc_poor"] == len(values)


def test_imported_families_are_features_too(measured: Measured) -> None:
    """Also of patients without a mask: one lesion of each counts for drift."""
    project = measured.commit()
    rng = np.random.default_rng(5)
    rows: dict[str, dict[str, float | None]] = {
        p: {"score": value, "other": None}
        for p, value in zip(measured.centres, rng.normal(size=12), strict=True)
    }
    _import(project, "MINE", rows)
    project.settle("import")
    report = project.features(families=["MINE"])
    found = _rows(report)
    values = np.array([row["score"] for row in rows.values()], dtype=float)
    score = found["AP_intratumoral_score"]
    assert (score["class"], score["vois"]) == ("-", 12)
    assert score["mean"] == pytest.approx(values.mean())
    assert score["drift"] == pytest.approx(ks_2samp(values[:7], values[7:]).statistic)
    assert found["AP_intratumoral_other"]["flags"] == "missing"


def test_embeddings_are_features_too(written: WrittenProject) -> None:
    """Under the names that a matrix has."""
    for number in range(4):
        written.voi(f"P{number}", "AP", "intratumoral", shift=number)
    written.clinical([{"patient_id": f"P{n}", "centre": "AB"[n % 2], "mvi": 0} for n in range(4)])
    written.project.settle("extract")
    row = _rows(written.project.features(["*_dlr_007"]))["AP_intratumoral_dlr_007"]
    assert (row["family"], row["class"], row["mean"]) == ("DLR", "embedding", 8.5)
    assert row["drift"] == ks_2samp([7, 9], [8, 10]).statistic


def test_a_patient_with_several_lesions_counts_once_for_drift(written: WrittenProject) -> None:
    """The largest, as for the models; VOIs count all."""
    for number in range(6):
        for lesion, volume in (("1", 10.0), ("2", 20.0)):
            shift = number + (100 if lesion == "1" else 0)
            written.voi(f"P{number}", "AP", "intratumoral", lesion=lesion, volume=volume, shift=shift)
    written.clinical([{"patient_id": f"P{n}", "centre": "AAABBB"[n], "mvi": 0} for n in range(6)])
    written.project.settle("extract")
    row = written.project.features([f"{PREFIX}glcm_Contrast"]).to_arrow().to_pylist()[0]
    assert (row["vois"], row["drift"]) == (12, 1)
    assert row["drift_q"] == pytest.approx(ks_2samp([0, 1, 2], [3, 4, 5]).pvalue)


def test_the_store_as_it_was(measured: Measured) -> None:
    """Statistics, agreement and drift of an earlier snapshot."""
    project = measured.commit()
    before = project.features(["*glcm_Contrast"]).to_arrow()
    (old,) = project.sql(
        "SELECT * FROM cr_all WHERE patient_id = 'P00' AND reader = 'R1' AND image_type = 'original'"
    ).to_pylist()
    project.store.tables["cr"].write([{**old, "glcm_Contrast": 1e6}])
    project.settle("extract")
    assert project.features(["*glcm_Contrast"]).to_arrow() != before
    assert project.features(["*glcm_Contrast"], as_of="1").to_arrow() == before


def test_statistics_of_an_interrupted_command_are_made_anew(measured: Measured) -> None:
    """Rows that were committed count, whether the command came to its end or not."""
    project = measured.commit(settle=False)
    report = project.features(["*glcm_Contrast"])
    assert (report.to_arrow().column("vois").to_pylist(), report.notes) == ([12], ())


def test_while_another_command_writes_the_report_says_what_it_is_of(measured: Measured) -> None:
    """Nobody waits for an extraction of hours."""
    project = measured.commit()
    (old,) = project.sql(
        "SELECT * FROM cr_all WHERE patient_id = 'P00' AND reader = 'R1' AND image_type = 'original'"
    ).to_pylist()
    project.store.tables["cr"].write([{**old, "glcm_Contrast": 1e6}])
    with project.store.locked("extract"):
        report = project.features(["*glcm_Contrast"])
    assert "another command is writing" in report.notes[0]


def test_an_empty_store_says_what_to_do(written: WrittenProject) -> None:
    """Before ingest, and before extract."""
    with pytest.raises(StoreError, match="run `mvi ingest` first"):
        written.project.features()
    written.clinical([{"patient_id": "P1", "centre": "A", "mvi": 0}])
    with pytest.raises(StoreError, match="no features of this study; run `mvi extract` first"):
        written.project.features()
