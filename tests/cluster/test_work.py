"""What a worker says of a unit when it cannot read its image."""

from __future__ import annotations

from dataclasses import replace

from mvi_ray.cluster.work import compute_cr


def test_a_store_out_of_sight_is_told_from_an_image_that_is_gone(make_unit, tmp_path):
    """The one ends the run, the other is a failure of its VOIs."""
    seen, unseen = replace(make_unit("P"), store=tmp_path), replace(make_unit("P"), store=tmp_path / "no")
    (gone,) = compute_cr(seen, {"CR": None})
    (blind,) = compute_cr(unseen, {"CR": None})
    assert (gone.failure.error, blind.failure.error) == ("StoreError", "UnreachableError")
    assert "is missing or unreadable" in gone.failure.reason
    assert blind.failure.reason == "a worker does not see the store"
    assert blind.failure.way_out == "every machine of the cluster must have it at the same place"
