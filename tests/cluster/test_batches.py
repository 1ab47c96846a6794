"""Batches of actors: what the driver does when one fails, runs late or finds no place."""

from __future__ import annotations

import pytest
from ray.exceptions import ActorDiedError, RayTaskError

from mvi_ray.cluster.actors import Actors
from mvi_ray.cluster.claims import FREE
from mvi_ray.cluster.limits import Limits
from mvi_ray.cluster.session import Resources
from mvi_ray.cluster.unit import Failure, VoiResult
from mvi_ray.cluster.work import Begun
from mvi_ray.errors import ClusterError, ExtractionError


def _actors(units, scripted_ray, *, own=True, count=1, size=4, **limits):
    return Actors(
        units,
        scripted_ray.actor,
        count=count,
        size=size,
        resources=Resources(2, 0, own),
        claims=FREE,
        limits=Limits(**limits),
    )


def _results(actors):
    return [result for batch in actors.results() for result in batch]


def _names(units):
    return [voi.name for unit in units for voi in unit.vois]


def _ended(units, failures=()):
    """What an actor sends for a batch."""
    failures = dict(failures)
    vois = [voi for unit in units for voi in unit.vois]
    results = [VoiResult(voi, failure=failures.get(voi.name), family="CR") for voi in vois]
    return [Begun(1), results, StopIteration]


def _no_memory():
    error = ExtractionError("cuda has not enough memory for one VOI; lower it")
    error.__cause__ = MemoryError()
    return Failure.of(error)


def test_want_of_memory_in_a_batch_is_tried_again_alone(make_unit, scripted_ray):
    """What is too large even alone fails, with what the worker said of it."""
    bad = {"large0 AP": _no_memory(), "endless0 AP": _no_memory()}

    def answer(units):
        return _ended(units, {k: v for k, v in bad.items() if k.startswith("endless") or len(units) > 1})

    scripted_ray.answer = answer
    units = [make_unit(name) for name in ("large", "endless", "P", "Q")]
    results = _results(_actors(units, scripted_ray))
    assert sorted(r.voi.name for r in results) == sorted(_names(units))
    failures = {r.voi.name: r.failure for r in results if r.failure is not None}
    assert {name: (f.error, f.way_out) for name, f in failures.items()} == {
        "endless0 AP": ("MemoryError", "lower it")
    }
    sent = [_names(stream.sent) for stream in scripted_ray.streams]
    assert [len(names) for names in sent] == [4, 1, 1]
    assert {unit.attempts for stream in scripted_ray.streams[1:] for unit in stream.sent} == {1}


def test_what_is_raised_beside_a_batch_is_narrowed_down_to_its_voi(make_unit, scripted_ray):
    """The others of the batch have their values."""

    def answer(units):
        if "bad0 AP" not in _names(units):
            return _ended(units)
        return [Begun(1), RayTaskError("serve", "Traceback", ZeroDivisionError("not a number"))]

    scripted_ray.answer = answer
    units = [make_unit("bad"), make_unit("P", 2), make_unit("Q")]
    results = _results(_actors(units, scripted_ray))
    assert sorted(r.voi.name for r in results) == sorted(_names(units))
    (failure,) = [r.failure for r in results if r.failure is not None]
    assert (failure.reason, failure.error, failure.attempts) == ("not a number", "ZeroDivisionError", 2)


def test_the_limit_of_time_is_that_of_an_image(make_unit, scripted_ray):
    """A batch of four has four times as long; the message of one alone names its own limit."""
    ends = []

    def kill(actor):
        ends.append(scripted_ray.now - begin)
        for stream in scripted_ray.streams:
            if not stream.news:
                stream.news.append(ActorDiedError())

    def answer(units):
        return [Begun(1)] if "hang0 AP" in _names(units) else _ended(units)

    scripted_ray.answer, scripted_ray.kill = answer, kill
    begin = scripted_ray.now
    units = [make_unit(name) for name in ("hang", "P", "Q", "R")]
    results = _results(_actors(units, scripted_ray, unit_s=30))
    assert [round(seconds) for seconds in ends] == [120, 150]
    assert sorted(r.voi.name for r in results) == sorted(_names(units))
    (failure,) = [r.failure for r in results if r.failure is not None]
    assert failure.reason == "it did not end within 30 s"


def test_a_worker_that_was_told_to_end_is_awaited_for_a_minute(make_unit, scripted_ray):
    """In steps of a second, not at full speed; then the run ends."""
    scripted_ray.answer = lambda _: [Begun(1)]
    waits = []
    scripted_ray.on_wait = lambda: waits.append(scripted_ray.now)
    begin = scripted_ray.now
    with pytest.raises(ClusterError, match=r"did not end within 60 s of being told to; look at the machines"):
        _results(_actors([make_unit("P")], scripted_ray, unit_s=30))
    assert 90 <= scripted_ray.now - begin < 92
    assert len(waits) < 100
    assert len(scripted_ray.ended) == 1


def test_an_own_ray_without_a_place_for_a_network_is_given_up(make_unit, scripted_ray):
    """After five minutes."""
    begin = scripted_ray.now
    with pytest.raises(ClusterError, match="no worker got a place within 300 s"):
        _results(_actors([make_unit("P")], scripted_ray))
    assert 299 < scripted_ray.now - begin < 310


def test_a_busy_cluster_of_others_is_waited_for(make_unit, scripted_ray, caplog):
    """The log says so, every five minutes; at last there is a place."""
    begin = scripted_ray.now

    def free_at_last():
        if scripted_ray.now - begin > 1000:
            for stream in scripted_ray.streams:
                stream.news.extend(_ended(stream.sent))
            scripted_ray.on_wait = lambda: None

    scripted_ray.on_wait = free_at_last
    results = _results(_actors([make_unit("P")], scripted_ray, own=False))
    assert [r.failure for r in results] == [None]
    told = [record.message for record in caplog.records]
    assert len(told) == 3
    assert all("no worker of the cluster has been free" in text for text in told)
