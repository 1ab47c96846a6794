"""Tasks: what the driver does when workers cannot begin, and when nodes come and go."""

from __future__ import annotations

import pytest
from ray.exceptions import RayTaskError, TaskCancelledError

from mvi_ray.cluster.claims import FREE
from mvi_ray.cluster.limits import Limits
from mvi_ray.cluster.session import Resources
from mvi_ray.cluster.tasks import Tasks
from mvi_ray.cluster.unit import VoiResult
from mvi_ray.cluster.work import Begun
from mvi_ray.errors import ClusterError

_GIB = 1024**3


def _tasks(units, *, own=True, cpus=2):
    return Tasks(units, None, None, Resources(cpus, 0, own), claims=FREE, limits=Limits(), name="compute")


def _results(tasks):
    return [result for batch in tasks.results() for result in batch]


def _ended(unit):
    return [Begun(1), *(VoiResult(voi, family=unit.family) for voi in unit.vois), StopIteration]


def _cancelled(scripted_ray):
    """Let a cancelled task say so."""

    def cancel(stream, *, force):
        assert force
        scripted_ray.ended.append(stream)
        stream.news.append(TaskCancelledError())

    return cancel


def test_a_worker_with_another_version_ends_the_run_and_fails_no_voi(make_unit, scripted_ray):
    """The message names the package and both versions."""
    error = ClusterError("node7 has SimpleITK 2.4.0 instead of 2.5.3")
    scripted_ray.answer = lambda _: [RayTaskError("compute_cr", "\x1b[36mray::x", error)]
    text = r"cannot run this program \(node7 has SimpleITK 2.4.0 instead of 2.5.3\); install the same"
    with pytest.raises(ClusterError, match=text):
        _results(_tasks([make_unit("P", 2), make_unit("Q")]))


def test_want_of_memory_before_a_unit_begins_is_no_other_program(make_unit, scripted_ray):
    """The worker goes, and the unit to another one."""
    news = [[RayTaskError("compute_cr", "Traceback", MemoryError())]]
    scripted_ray.answer = lambda unit: news.pop() if news else _ended(unit)
    results = _results(_tasks([make_unit("P", 2)]))
    assert [r.failure for r in results] == [None, None]
    assert len(scripted_ray.streams) == 2
    assert scripted_ray.streams[1].sent.attempts == 0


def test_a_cluster_that_begins_without_a_node_gets_one_task_to_grow_for(make_unit, scripted_ray):
    """An autoscaler sees nothing else; once a node is there, it is filled."""
    scripted_ray.listed = []
    begin, together = scripted_ray.now, []

    def grow():
        waiting = [one for one in scripted_ray.streams if not one.news and one.sent is not None]
        together.append(len(waiting))
        if scripted_ray.now - begin > 120:
            scripted_ray.listed = [scripted_ray.node(4)]
            for stream in waiting:
                stream.news.extend(_ended(stream.sent))
                stream.sent = None

    scripted_ray.on_wait = grow
    units = [make_unit(f"P{n}-") for n in range(20)]
    results = _results(_tasks(units, own=False, cpus=1))
    assert len(results) == 20
    assert {r.failure for r in results} == {None}
    # Twice its cores, less the first one, which has not said yet that it ended.
    assert (together[0], max(together)) == (1, 7)


def test_a_cluster_that_stays_without_a_node_is_given_up(make_unit, scripted_ray):
    """After five minutes; an own one at once."""
    scripted_ray.listed = []
    begin = scripted_ray.now
    with pytest.raises(ClusterError, match="it has no node with a core"):
        _results(_tasks([make_unit("P")], own=False))
    assert 300 <= scripted_ray.now - begin < 320
    begin = scripted_ray.now
    with pytest.raises(ClusterError, match="it has no node with a core"):
        _results(_tasks([make_unit("P")]))
    assert scripted_ray.now - begin < 20


def test_nodes_that_join_a_busy_cluster_are_used(make_unit, scripted_ray):
    """Though there is always something that computes."""
    scripted_ray.answer = lambda _: [Begun(1)]
    begin, sent = scripted_ray.now, []

    def join():
        if scripted_ray.now - begin < 30:
            sent.append(len(scripted_ray.streams))
        if scripted_ray.now - begin > 5:
            scripted_ray.listed = [scripted_ray.node(2), scripted_ray.node(8, 32)]
        if scripted_ray.now - begin > 30:
            for stream in scripted_ray.streams:
                if not stream.news and stream.sent is not None:
                    stream.news.extend(_ended(stream.sent)[1:])
                    stream.sent = None

    scripted_ray.on_wait = join
    assert len(_results(_tasks([make_unit(f"P{n}-") for n in range(40)]))) == 40
    assert (sent[0], sent[-1]) == (4, 20)


def test_a_task_too_large_for_the_nodes_that_are_left_is_sent_anew(make_unit, scripted_ray):
    """It would wait for the lost node for ever; that is no attempt."""
    scripted_ray.listed = [scripted_ray.node(2), scripted_ray.node(2, 64)]
    scripted_ray.cancel = _cancelled(scripted_ray)
    scripted_ray.answer = lambda unit: _ended(unit) if scripted_ray.ended else []

    def lose():
        scripted_ray.listed = [scripted_ray.node(2)]

    scripted_ray.on_wait = lose
    (result,) = _results(_tasks([make_unit("P", memory_bytes=60 * _GIB)], own=False))
    assert result.failure is None
    first, second = scripted_ray.streams
    assert scripted_ray.ended == [first]
    assert second.sent == first.sent
