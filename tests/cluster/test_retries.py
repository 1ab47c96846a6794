"""What is tried again, and what has failed."""

from __future__ import annotations

import pytest

from mvi_ray.cluster.limits import Limits
from mvi_ray.cluster.memory import MemoryClasses, Node
from mvi_ray.cluster.retries import Ended, Job, Loss, after_loss

_GIB = 1024**3
_CLASSES = MemoryClasses((Node(2, 8 * _GIB),))


@pytest.fixture
def make_job(make_unit):
    """Make a job of VOIs P0, P1 and so on."""

    def make(vois, needed=0, attempts=0):
        return Job(make_unit("P", vois, attempts=attempts), needed)

    return make


def _after(job, loss, left=None, classes=_CLASSES, **ended):
    left = job.unit.vois if left is None else left
    return after_loss(job, left, Ended(loss, "WorkerCrashedError", 12.4, **ended), classes, Limits())


def _names(jobs):
    return [[voi.name for voi in job.unit.vois] for job in jobs]


@pytest.mark.parametrize("loss", [Loss.CRASHED, Loss.TIME, Loss.MEMORY])
def test_the_voi_that_was_computed_is_tried_alone_and_its_siblings_without_it(loss, make_job):
    """What was finished before is not computed again; who was not begun is not blamed."""
    job = make_job(4)
    again, results = _after(job, loss, job.unit.vois[1:])
    assert results == []
    assert _names(again) == [["P1 AP"], ["P2 AP", "P3 AP"]]
    assert [one.unit.attempts for one in again] == [1, 0]


def test_a_voi_that_was_lost_twice_the_second_time_alone_has_failed(make_job):
    """With the number of attempts and for how long it ran."""
    again, _ = _after(make_job(2), Loss.CRASHED)
    again, results = _after(again[0], Loss.CRASHED)
    (failure,) = [result.failure for result in results]
    assert again == []
    assert failure.reason == "the worker process died after 12 s"
    assert "grey levels" in failure.way_out
    assert (failure.attempts, failure.duration_s, failure.error) == (2, 12.4, "WorkerCrashedError")
    assert results[0].family == "CR"


def test_attempts_of_earlier_runs_are_counted_but_do_not_use_up_those_of_this_one(make_job):
    """A run that was killed says nothing about what it was computing."""
    again, results = _after(make_job(1, attempts=7), Loss.CRASHED)
    assert ([one.unit.attempts for one in again], results) == ([8], [])
    again, results = _after(again[0], Loss.CRASHED)
    assert [result.failure.attempts for result in results] == [9]


def test_a_lost_machine_is_not_the_fault_of_the_voi(make_job):
    """The unit goes on as it was; only what takes down machine after machine is given up."""
    job = make_job(3)
    for _ in range(Limits().nodes - 1):
        (job,), results = _after(job, Loss.NODE)
        assert (len(job.unit.vois), job.crashes, job.unit.attempts, results) == (3, 0, 0, [])
    again, results = _after(job, Loss.NODE)
    assert _names(again) == [["P1 AP", "P2 AP"]]
    assert again[0].nodes == 0
    assert results[0].failure.reason == "its machine was lost 5 times while it was computed"


def test_a_worker_that_was_gone_before_it_began_costs_no_attempt(make_job):
    """However often."""
    job = make_job(2)
    assert _after(job, Loss.UNBEGUN) == ([job], [])


def test_what_ran_out_of_memory_gets_the_next_class_until_it_had_the_largest(make_job):
    """2, 4, 5.7 and 8 GiB of a node of 8 GiB with two cores."""
    job, reserved = make_job(1), []
    while True:
        reserved.append(round(_CLASSES.size(job.needed) / _GIB, 1))
        again, results = _after(job, Loss.MEMORY)
        if not again:
            break
        (job,) = again
    assert reserved == [2.0, 4.0, 5.7, 8.0]
    failure = results[0].failure
    assert failure.reason == (
        "the worker ran out of memory after 12 s: it needs more than 8.0 GiB, "
        "and the largest node offers 8.0 GiB"
    )
    assert failure.attempts == 4


def test_classes_that_are_known_to_be_too_small_are_passed_over(make_job):
    """By what the worker used."""
    (job,), _ = _after(make_job(1), Loss.MEMORY, memory_bytes=5 * _GIB)
    assert round(_CLASSES.size(job.needed) / _GIB, 1) == 5.7


def test_a_failure_says_what_the_worker_held_where_that_is_known(make_job):
    """A node may be full of what others hold."""
    _, results = _after(make_job(1, needed=8 * _GIB), Loss.MEMORY, memory_bytes=3 * _GIB)
    assert results[0].failure.reason == (
        "the worker ran out of memory after 12 s: it held 3.0 GiB when no more was to be had, "
        "and the largest node offers 8.0 GiB"
    )
    assert results[0].failure.memory_bytes == results[0].memory_bytes == 3 * _GIB


def test_what_needs_more_than_any_machine_is_tried_once_on_the_largest(make_job):
    """Alone: the VOIs before it may have left something behind."""
    again, results = _after(make_job(2, needed=20 * _GIB), Loss.MEMORY)
    assert (_names(again), results) == ([["P0 AP"], ["P1 AP"]], [])
    again, results = _after(again[0], Loss.MEMORY)
    assert again == []
    assert "it needs about 20.0 GiB, and the largest node offers 8.0 GiB" in results[0].failure.reason


def test_without_classes_memory_is_a_crash_that_says_so(make_job):
    """The cluster does not tell what it has."""
    (job,), _ = _after(make_job(1), Loss.MEMORY, classes=MemoryClasses(()))
    again, results = _after(job, Loss.MEMORY, classes=MemoryClasses(()))
    assert again == []
    assert results[0].failure.reason == "the worker ran out of memory after 12 s"


def test_a_voi_alone_that_does_not_end_is_not_tried_again(make_job):
    """It would cost the same time once more."""
    again, results = _after(make_job(1), Loss.TIME, limit_s=12)
    assert again == []
    assert results[0].failure.way_out.startswith("look at the VOI")


@pytest.mark.parametrize(
    ("limit_s", "told"),
    [(2, "2 s"), (0.5, "0.5 s"), (90, "90 s"), (600, "10 minutes"), (2050, "34.2 minutes")],
)
def test_a_voi_that_did_not_end_is_told_its_limit(limit_s, told, make_job):
    """Not the seconds until somebody looked."""
    _, results = _after(make_job(1), Loss.TIME, limit_s=limit_s)
    assert results[0].failure.reason == f"it did not end within {told}"
    assert results[0].failure.duration_s == 12.4


@pytest.mark.parametrize(
    ("given", "cost", "units", "seconds"),
    [(None, 1.0, 1, 600.0), (None, 100.0, 3, 2000.0), (2.5, 100.0, 1, 2.5), (2.5, 100.0, 8, 20.0)],
)
def test_the_time_of_a_unit_grows_with_its_predicted_cost(given, cost, units, seconds):
    """Never less than ten minutes, unless somebody says so, for each image."""
    assert Limits(unit_s=given).seconds(cost, units) == seconds
