"""Names of a store, for completion."""

from __future__ import annotations

import pytest

from mvi_ray.cli.names import read_names
from mvi_ray.errors import StoreError


def test_names_are_those_of_the_catalog(extracted):
    """Views with their columns in order, and every feature that has a value."""
    project = extracted.open()
    names = read_names(project.sql)
    assert {"cr", "dlr", "features", "clinical", "feature_dictionary"} <= set(names.views)
    assert not any(name in names.columns for name in ("model_reader", "current_masks"))
    assert all(names.views.values())
    assert list(names.columns["coverage"])[:3] == ["patient_id", "session", "phase"]
    assert names.columns["cr"]["glcm_Contrast"] == "DOUBLE"
    found = project.sql("SELECT DISTINCT feature FROM features").column("feature").to_pylist()
    assert sorted(names.features) == sorted(found)


def test_an_empty_store_says_so(tiny):
    """Before a prompt appears."""
    with pytest.raises(StoreError, match="the store is empty"):
        read_names(tiny.open().sql)
