"""Units are claimed in chunks, sent in order, and given back when they did not end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from mvi_ray.cluster.claims import FREE
from mvi_ray.cluster.memory import MemoryClasses, Node
from mvi_ray.cluster.retries import Job
from mvi_ray.cluster.supply import Supply
from mvi_ray.cluster.window import Window
from mvi_ray.project.planning import largest_first

_GIB = 1024**3
_NODE = MemoryClasses((Node(2, 8 * _GIB),))


class _Recording:
    """Claims that remember what was asked."""

    def __init__(self, refused=()):
        self.taken, self.released, self._refused = [], [], set(refused)

    def take(self, units):
        self.taken.append(len(units))
        return [replace(u, attempts=3) for u in units if u.vois[0].name not in self._refused]

    def release(self, units):
        self.released.extend(units)


def _drain(window):
    """The order in which jobs are sent when each ends at once."""
    names = []
    while not window.empty:
        job = window.next({}, waiting=False)
        if job is not None:
            names.append(job.unit.vois[0].name)
    return names


@pytest.mark.parametrize(("cost", "first"), [(1.0, 4 + 20), (4.0, 4 + 5), (0.001, 256), (1e6, 5)])
def test_a_chunk_fills_the_cluster_twice_and_some_seconds_behind_it(cost, first, make_unit):
    """A claim is a commit: neither one for each unit, nor one for all."""
    claims = _Recording()
    supply = Supply([make_unit(f"P{n}-", cost=cost) for n in range(1000)], claims, cpus=2)
    supply.take()
    assert claims.taken == [first]


def test_the_largest_is_taken_first_and_what_runs_alone_last(make_unit):
    """Whatever its size."""
    units = [make_unit("small", cost=1), make_unit("alone", cost=99, alone=True), make_unit("large", cost=5)]
    taken = Supply(units, FREE, cpus=2).take()
    assert [unit.vois[0].name for unit in taken] == ["large0 AP", "small0 AP", "alone0 AP"]


def test_equal_units_are_taken_in_the_order_of_the_plan(make_unit):
    """By name, whatever order they come in."""
    taken = Supply([make_unit(name) for name in "cabd"], FREE, cpus=2).take()
    assert [unit.vois[0].name for unit in taken] == ["a0 AP", "b0 AP", "c0 AP", "d0 AP"]
    assert taken == largest_first(taken)


def test_what_another_run_holds_is_left_out(make_unit):
    """And nobody waits for it."""
    supply = Supply([make_unit("mine"), make_unit("theirs")], _Recording(["theirs0 AP"]), cpus=2)
    window = Window(supply, _NODE)
    assert _drain(window) == ["mine0 AP"]


def test_only_what_has_no_result_is_given_back(make_unit):
    """With its attempts as they were claimed."""
    claims = _Recording()
    supply = Supply(
        [make_unit("whole", cost=9), make_unit("half", cost=5, vois=2), make_unit("none", cost=1)],
        claims,
        cpus=2,
    )
    whole, half, _ = supply.take()
    for voi in (*whole.vois, half.vois[0]):
        supply.ended("CR", voi)
    supply.release()
    assert [[voi.name for voi in unit.vois] for unit in claims.released] == [["half1 AP"], ["none0 AP"]]
    assert {unit.attempts for unit in claims.released} == {3}
    supply.release()
    assert len(claims.released) == 2


def test_nothing_is_given_back_when_all_has_ended(make_unit):
    """Not even an empty list."""
    claims = _Recording()
    supply = Supply([make_unit("P")], claims, cpus=2)
    (unit,) = supply.take()
    supply.ended("CR", unit.vois[0])
    claims.release = None
    supply.release()


def test_units_that_run_alone_come_one_by_one_after_all_others(make_unit):
    """Also those that their claim says so of, and what is tried again."""
    window = Window(
        Supply([make_unit("a", alone=True), make_unit("b", alone=True), make_unit("c")], FREE, 2), _NODE
    )
    first = window.next({}, waiting=False)
    assert first.unit.vois[0].name == "c0 AP"
    assert window.next({2 * _GIB: 1}, waiting=False) is None
    window.add([Job.of(first.unit)])
    assert window.next({}, waiting=False).unit == first.unit
    assert window.next({}, waiting=False).unit.alone
    assert window.next({2 * _GIB: 1}, waiting=False) is None
    assert window.next({}, waiting=False).unit.alone
    assert window.empty


def test_a_small_unit_passes_a_large_one_that_has_no_place(make_unit):
    """Cores do not idle behind it, and it keeps its turn."""
    units = [
        make_unit("huge", cost=9, memory_bytes=7 * _GIB),
        make_unit("large", cost=8, memory_bytes=7 * _GIB),
        make_unit("s", cost=2),
        make_unit("t", cost=1),
    ]
    window = Window(Supply(units, FREE, 2), MemoryClasses((Node(4, 16 * _GIB),)))
    assert window.next({}, waiting=False).unit.vois[0].name == "huge0 AP"
    flying = {8 * _GIB: 1}
    assert window.next(flying, waiting=True).unit.vois[0].name == "s0 AP"
    assert window.next({}, waiting=False).unit.vois[0].name == "large0 AP"
    assert _drain(window) == ["t0 AP"]


def test_more_is_claimed_only_when_there_is_a_place(make_unit):
    """What is claimed here cannot be computed elsewhere."""
    claims = _Recording()
    window = Window(Supply([make_unit(f"P{n}-", cost=1e3) for n in range(9)], claims, 2), _NODE)
    flying = Counter()
    while (job := window.next(flying, waiting=False)) is not None:
        flying[_NODE.size(job.needed)] += 1
    assert flying.total() == 4
    assert claims.taken == [5]
