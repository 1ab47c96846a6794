"""Memory classes: fitted to the nodes, few, and no brake on ordinary work."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.cluster.memory import MemoryClasses, Node

_GIB = 1024**3
_LAPTOP = MemoryClasses((Node(2, 6 * _GIB),))
_NODES = st.lists(
    st.builds(Node, st.integers(1, 64), st.integers(2 * _GIB, 2048 * _GIB)), min_size=1, max_size=6
).map(lambda nodes: MemoryClasses(tuple(nodes)))


def _fill(classes, needed):
    """Send as many tasks of one need as are admitted."""
    flying = Counter()
    while classes.admits(classes.size(needed), flying, waiting=False):
        flying[classes.size(needed)] += 1
    return flying.total()


def test_sizes_of_a_laptop():
    """Half a share, a share, the square root of share and whole, the whole."""
    assert [round(size / _GIB, 2) for size in _LAPTOP.sizes] == [1.5, 3.0, 4.24, 6.0]


@pytest.mark.parametrize(
    ("needed", "size"), [(0, 1.5), (1.5, 1.5), (1.6, 3.0), (5.0, 6.0), (6.0, 6.0), (60.0, 6.0)]
)
def test_the_smallest_class_that_holds_it_is_reserved(needed, size):
    """What nobody knows gets the smallest, what no node holds the largest."""
    assert _LAPTOP.size(int(needed * _GIB)) == size * _GIB


@settings(deadline=None)
@given(_NODES)
def test_there_are_four_sizes_at_most_and_the_largest_fits_a_node(classes):
    """Ray keeps a queue for each size, and a task that fits nowhere waits for ever."""
    assert 1 <= len(classes.sizes) <= 4
    assert classes.sizes == tuple(sorted(set(classes.sizes)))
    assert classes.largest == max(node.memory_bytes for node in classes.nodes)
    assert all(classes.at_once(size) >= 1 for size in classes.sizes)


@settings(deadline=None)
@given(_NODES)
def test_ordinary_work_fills_every_core_twice(classes):
    """A task that needs no more than its core's share runs on each core of each node."""
    cpus = sum(node.cpus for node in classes.nodes)
    for needed in (0, classes.share):
        assert classes.at_once(classes.size(needed)) == cpus
        assert _fill(classes, needed) == 2 * cpus


@settings(deadline=None)
@given(_NODES, st.data())
def test_something_is_always_admitted_to_an_idle_cluster(classes, data):
    """Whatever it needs, and however often its turn was put off."""
    needed = data.draw(st.integers(0, 2 * classes.largest))
    assert classes.admits(classes.size(needed), {}, waiting=False)


@settings(deadline=None)
@given(_NODES, st.data())
def test_large_tasks_that_are_sent_fit_the_cluster_together(classes, data):
    """None is sent ahead: it would keep small ones from a place it cannot use."""
    needed = data.draw(st.integers(0, classes.largest))
    size = classes.size(needed)
    flying = _fill(classes, needed)
    if size > classes.share:
        assert flying <= classes.at_once(size)
        assert flying * size <= sum(node.memory_bytes for node in classes.nodes)


def test_two_of_the_largest_never_run_at_once_on_one_node():
    """And nothing runs beside one."""
    assert _fill(_LAPTOP, 6 * _GIB) == 1
    assert not _LAPTOP.admits(_LAPTOP.size(0), {6 * _GIB: 1}, waiting=False)


def test_small_work_goes_on_beside_a_large_one():
    """With the memory that is left."""
    large = _LAPTOP.size(4 * _GIB)
    small = _LAPTOP.size(0)
    assert _LAPTOP.admits(small, {large: 1}, waiting=False)
    assert _LAPTOP.admits(small, {large: 1, small: 1}, waiting=False)
    assert not _LAPTOP.admits(small, {large: 1, small: 2}, waiting=False)


def test_nothing_small_is_sent_ahead_while_a_large_one_waits():
    """It would take each byte that is freed, and the large one would wait until the end."""
    large, small = _LAPTOP.size(4 * _GIB), _LAPTOP.size(0)
    assert _LAPTOP.admits(small, {large: 1}, waiting=True)
    assert not _LAPTOP.admits(small, {large: 1, small: 1}, waiting=True)
    assert not _LAPTOP.admits(large, {large: 1, small: 1}, waiting=True)


def test_a_cluster_that_does_not_tell_its_memory_has_no_classes():
    """Its cores are filled all the same."""
    classes = MemoryClasses((Node(2, 0), Node(4, 8 * _GIB)))
    assert (classes.sizes, classes.largest, classes.size(5 * _GIB)) == ((), 0, 0)
    assert _fill(classes, 5 * _GIB) == 12


def test_only_living_nodes_with_a_core_count():
    """A head without cores takes no task."""
    listed = [
        {"Alive": True, "Resources": {"CPU": 2.0, "memory": 5.0, "node:10.0.0.1": 1.0}},
        {"Alive": True, "Resources": {"memory": 50.0}},
        {"Alive": False, "Resources": {}},
        {"Alive": True, "Resources": {"CPU": 1.0}},
    ]
    assert Node.alive(listed) == (Node(2, 5), Node(1, 0))
