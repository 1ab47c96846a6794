"""What a worker says of a unit, before it begins and when it cannot read its image."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from mvi_ray.cluster import work
from mvi_ray.cluster.program import Program
from mvi_ray.cluster.unit import VoiResult
from mvi_ray.cluster.work import Begun, EmbeddingWorker, compute_cr, each_cr, serve
from mvi_ray.errors import ClusterError
from mvi_ray.extract import cr, dlr
from mvi_ray.extract.weights import resolve
from mvi_ray.study import DeepRadiomics

_OTHER = Program("CR", (("SimpleITK", "1.0"),))

_SETTINGS = SimpleNamespace(engine="pyradiomics")


def _compute(unit, _argument):
    for voi in unit.vois:
        yield VoiResult(voi, family=unit.family)


def test_a_store_out_of_sight_is_told_from_an_image_that_is_gone(make_unit, tmp_path):
    """The one ends the run, the other is a failure of its VOIs."""
    seen, unseen = replace(make_unit("P"), store=tmp_path), replace(make_unit("P"), store=tmp_path / "no")
    (gone,) = compute_cr(seen, {"CR": _SETTINGS})
    (blind,) = compute_cr(unseen, {"CR": _SETTINGS})
    assert (gone.failure.error, blind.failure.error) == ("StoreError", "UnreachableError")
    assert "is missing or unreadable" in gone.failure.reason
    assert blind.failure.reason == "a worker does not see the store"
    assert blind.failure.way_out == "every machine of the cluster must have it at the same place"


def test_a_worker_with_another_program_begins_nothing(make_unit):
    """Its values would be stored under the versions of the command."""
    with pytest.raises(ClusterError, match=r"SimpleITK .* instead of 1.0"):
        next(serve(_compute, make_unit("P"), None, 0, _OTHER))
    begun, *results = serve(_compute, make_unit("P", 2), None, 0, Program.here("CR"))
    assert isinstance(begun, Begun)
    assert len(results) == 2


def test_a_network_with_another_program_begins_nothing(make_unit, monkeypatch):
    """As a task of CR."""
    monkeypatch.setattr(dlr, "Embedder", lambda *_: None)
    monkeypatch.setattr(work, "_pin", lambda: None)
    settings = DeepRadiomics(weights="random", input_size=16, batch_size=4)
    worker = EmbeddingWorker(resolve("random"), settings, Program("DLR", (("torch", "1.0"),)))
    with pytest.raises(ClusterError, match=r"torch .* instead of 1.0"):
        next(worker.serve([make_unit("P")]))


def test_an_engine_that_cannot_be_loaded_is_no_failure_of_a_voi(make_unit, monkeypatch):
    """It is loaded before the unit begins, so the run ends instead."""

    def load(_):
        raise ImportError("libgomp.so.1 is not there")

    monkeypatch.setattr(cr, "load_engine", load)
    with pytest.raises(ClusterError, match=r"cannot load engine pyradiomics: libgomp.so.1 is not there"):
        next(serve(each_cr, make_unit("P"), {"CR": _SETTINGS}, 0))


def test_the_engine_is_there_and_its_threads_are_pinned_before_the_unit_begins(make_unit, monkeypatch):
    """In this order: a library that comes later would not be reached."""
    done = []
    monkeypatch.setattr(cr, "load_engine", lambda _: done.append("loaded"))
    monkeypatch.setattr(work, "_pin", lambda: done.append("pinned"))
    begun = next(serve(each_cr, make_unit("P"), {"CR": _SETTINGS}, 0))
    assert isinstance(begun, Begun)
    assert done == ["loaded", "pinned"]


def test_a_worker_that_has_grown_ends_before_it_begins(make_unit, monkeypatch):
    """Unless it is fresh, or what it holds can be given back to the system."""
    held = [9, 9]
    monkeypatch.setattr(work, "_SERVED", iter(range(3)))
    monkeypatch.setattr(work, "resident_bytes", lambda: held[0])
    monkeypatch.setattr(work, "give_back", lambda: held.pop(0))
    assert isinstance(next(serve(_compute, make_unit("P"), None, 5)), Begun)
    with pytest.raises(SystemExit) as caught:
        next(serve(_compute, make_unit("P"), None, 5))
    assert caught.value.code == 0
    held[:] = [9, 5]
    assert isinstance(next(serve(_compute, make_unit("P"), None, 5)), Begun)
