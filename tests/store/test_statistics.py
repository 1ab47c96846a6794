"""Statistics of each feature, as the store keeps them."""

from __future__ import annotations

import numpy as np
import pytest

from mvi_ray.store.history import Event
from mvi_ray.store.statistics import is_current, refresh_statistics

_VALUES = (1.0, 2.0, 4.0, float("nan"), float("inf"))


@pytest.fixture
def filled(store, study, rows):
    """Five patients: three finite values, NaN and infinity; each with an embedding."""
    tables = store.tables
    names = [f"P{n}" for n in range(5)]
    tables["images"].write([rows.image(name) for name in names])
    tables["masks"].write([rows.mask(patient_id=name) for name in names])
    tables["cr"].write(
        [
            {**rows.cr(value, patient_id=name), "glcm_Id": 3.5, "ngtdm_Contrast": value}
            for name, value in zip(names, _VALUES, strict=True)
        ]
    )
    tables["dlr"].write([rows.dlr(patient_id=name) for name in names])
    store.settle(study, Event("extract"))
    return store


def _of(store, feature, columns="*"):
    query = f"SELECT {columns} FROM feature_statistics WHERE feature = ?"  # noqa: S608
    (row,) = store.query(query, [feature]).to_pylist()
    return row


def test_finite_values_are_summed_up_and_the_others_counted(filled):
    """Mean and standard deviation as NumPy has them."""
    found = _of(filled, "glcm_Contrast")
    finite = np.array(_VALUES[:3])
    assert (found["vois"], found["missing"], found["not_a_number"]) == (5, 0, 2)
    assert found["mean"] == pytest.approx(finite.mean(), rel=1e-15)
    assert found["sd"] == pytest.approx(finite.std(ddof=1), rel=1e-15)
    assert (found["minimum"], found["maximum"]) == (1.0, 4.0)
    assert (found["family"], found["image_type"], found["is_current"]) == ("CR", "original", True)


def test_equal_features_have_equal_fingerprints(filled):
    """And other ones have others."""
    prints = {
        name: _of(filled, name, "fingerprint")["fingerprint"]
        for name in ("glcm_Contrast", "ngtdm_Contrast", "glcm_Id")
    }
    assert prints["glcm_Contrast"] == prints["ngtdm_Contrast"] != prints["glcm_Id"]


def test_values_in_other_places_have_another_fingerprint(store, study, rows):
    """Two patients whose values are swapped, and two constants."""
    names = ("P1", "P2")
    store.tables["images"].write([rows.image(name) for name in names])
    store.tables["masks"].write([rows.mask(patient_id=name) for name in names])
    store.tables["cr"].write(
        [
            {**rows.cr(a, patient_id=name), "glcm_Id": b, "glcm_Idm": 0.0, "glcm_Idn": 9.0}
            for name, a, b in zip(names, (1.0, 2.0), (2.0, 1.0), strict=True)
        ]
    )
    store.settle(study, Event("extract"))
    features = ("glcm_Contrast", "glcm_Id", "glcm_Idm", "glcm_Idn")
    assert len({_of(store, name, "fingerprint")["fingerprint"] for name in features}) == 4


def test_each_value_of_an_embedding_has_a_row(filled):
    """512 of them, named as in a matrix."""
    query = "SELECT count(*) AS n FROM feature_statistics WHERE family = 'DLR'"
    assert filled.query(query).to_pylist() == [{"n": 512}]
    assert _of(filled, "dlr_001", "mean, sd, vois") == {"mean": -0.25, "sd": 0.0, "vois": 5}


def test_shape_has_no_row_where_it_is_not_defined(filled, study, rows):
    """Shape belongs to the original image; there it is listed also when it is missing."""
    filled.tables["cr"].write([rows.cr(1.0, image_type="square", feature_set_id="cr-square")])
    filled.settle(study, Event("extract"))
    query = "SELECT DISTINCT image_type FROM feature_statistics WHERE feature = 'shape_Sphericity'"
    assert filled.query(query).num_rows == 0
    query = "SELECT missing FROM feature_statistics WHERE feature = 'glcm_Idn' AND image_type = 'square'"
    assert filled.query(query).to_pylist() == [{"missing": 1}]


def test_rows_of_a_mask_that_was_replaced_do_not_count(filled, study, rows):
    """As in the views that models use."""
    filled.tables["masks"].write([rows.mask(patient_id="P0", digest="redrawn")])
    assert not is_current(filled)
    filled.settle(study, Event("ingest"))
    assert _of(filled, "glcm_Contrast", "vois, minimum") == {"vois": 4, "minimum": 2.0}


def test_statistics_are_made_again_only_when_rows_changed(filled, study):
    """A second settling writes nothing."""
    version = filled.tables["feature_statistics"].log_version
    filled.settle(study, Event("extract"))
    assert is_current(filled)
    assert filled.tables["feature_statistics"].log_version == version


def test_the_same_rows_give_the_same_digits(filled):
    """Whatever the number of files and the order of their rows."""
    before = filled.query("SELECT * EXCLUDE (is_current) FROM feature_statistics ORDER BY ALL")
    refresh_statistics(filled)
    after = filled.tables["feature_statistics"].read(before.column_names)
    keys = [(name, "ascending") for name in ("feature", "family")]
    assert before.sort_by(keys).equals(after.sort_by(keys).cast(before.schema))


def test_an_empty_store_has_none(store, study):
    """And is not behind."""
    store.settle(study, Event("ingest"))
    assert is_current(store)
    assert store.query("FROM feature_statistics").num_rows == 0


def test_huge_and_missing_values_are_summed_up_without_a_warning(store, study, rows):
    """A variance that overflows is NULL; NULL, NaN and zero of either sign are told apart."""
    values = [(1e200, None, 0.0), (3e200, None, -0.0), (2e200, 5.0, float("nan"))]
    names = [f"P{n}" for n in range(3)]
    store.tables["images"].write([rows.image(name) for name in names])
    store.tables["masks"].write([rows.mask(patient_id=name) for name in names])
    store.tables["cr"].write(
        [
            {**rows.cr(huge, patient_id=name), "glcm_Id": some, "glcm_Idm": zero, "glcm_Idn": 0.0}
            for name, (huge, some, zero) in zip(names, values, strict=True)
        ]
    )
    store.settle(study, Event("extract"))
    found = _of(store, "glcm_Contrast", "mean, sd, minimum, maximum")
    assert found == {"mean": 2e200, "sd": None, "minimum": 1e200, "maximum": 3e200}
    found = _of(store, "glcm_Id", "vois, missing, mean, sd")
    assert found == {"vois": 3, "missing": 2, "mean": 5.0, "sd": None}
    prints = [_of(store, name, "fingerprint")["fingerprint"] for name in ("glcm_Id", "glcm_Idm", "glcm_Idn")]
    assert len(set(prints)) == 3
