"""Ray's errors are told apart by whose fault they are."""

from __future__ import annotations

import pytest
from ray.exceptions import (
    ActorDiedError,
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RaySystemError,
    RayTaskError,
    RuntimeEnvSetupError,
    TaskCancelledError,
    WorkerCrashedError,
)

from mvi_ray.cluster.losses import cause_of, first_sentence, loss_of, memory_of, unable
from mvi_ray.cluster.retries import Loss
from mvi_ray.errors import ClusterError, ExtractionError, WeightsError


def _raised(error):
    return RayTaskError("compute_cr", "Traceback", error)


@pytest.mark.parametrize(
    ("error", "loss"),
    [
        (WorkerCrashedError(), Loss.CRASHED),
        (TaskCancelledError(), Loss.CRASHED),
        (ActorDiedError(), Loss.CRASHED),
        (OutOfMemoryError("Task was killed"), Loss.MEMORY),
        (_raised(MemoryError()), Loss.MEMORY),
        (NodeDiedError("node died"), Loss.NODE),
        (ObjectLostError("00" * 28, None, ""), Loss.NODE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_became_of_a_task_is_known_from_its_error(error, loss):
    """A worker's end is the unit's fault, a node's is not."""
    assert loss_of(error) is loss


@pytest.mark.parametrize(
    "error", [LocalRayletDiedError(), RaySystemError("no connection"), RuntimeEnvSetupError("disk full; x")]
)
def test_what_befalls_ray_itself_is_no_failure_of_a_voi(error):
    """The run ends, and says what to do."""
    with pytest.raises(
        ClusterError, match=r"the Ray cluster was lost: .*; what was committed is kept"
    ) as caught:
        loss_of(error)
    assert type(error).__name__ in caught.value.reason
    assert caught.value.way_out.startswith("what was committed is kept")


def test_an_exception_of_a_worker_keeps_its_own_reason():
    """Not Ray's wrapping."""
    failure = cause_of(_raised(ExtractionError("mask is empty; check the label")), 3)
    assert (failure.reason, failure.way_out) == ("mask is empty", "check the label")
    assert (failure.error, failure.attempts) == ("ExtractionError", 3)


def test_the_memory_of_a_killed_worker_is_read_from_the_report_of_the_monitor():
    """In its table of processes; what it does not list stays unknown."""
    report = "Task was killed.\nTop 10 memory users:\nPID\tMEM(GB)\tCOMMAND\n4711\t2.50\tray::compute_cr\n"
    error = OutOfMemoryError(report)
    assert memory_of(error, 4711) == int(2.5 * 1024**3)
    assert memory_of(error, 471) is None
    assert memory_of(error, None) is None
    assert memory_of(WorkerCrashedError(), 4711) is None


def test_advice_of_ray_stays_out_of_a_reason():
    """Its first sentence only, and no semicolon, which would end the reason."""
    assert first_sentence(RuntimeError("disk full; really. See:\nthe docs.")) == "disk full, really"
    assert first_sentence(RuntimeError()) == "RuntimeError"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ClusterError("node7 has scipy 1.16 instead of 1.15"), "node7 has scipy 1.16 instead of 1.15"),
        (
            RuntimeError("It failed to import.\nTraceback:\nModuleNotFoundError: No module named 'mvi_ray'"),
            "ModuleNotFoundError: No module named 'mvi_ray'",
        ),
        (AssertionError(), "AssertionError"),
    ],
    ids=["ours", "no program", "no words"],
)
def test_a_worker_that_cannot_begin_says_why_in_its_own_words(error, told):
    """Not with the name of a task in colours, which is where Ray's text begins."""
    wrapped = RayTaskError("compute_cr", f"\x1b[36mray::compute_cr()\x1b[39m (pid=1)\n{error!r}", error)
    for one in (wrapped, wrapped.as_instanceof_cause()):
        assert unable(one).reason == f"a worker of the cluster cannot run this program ({told})"
        assert unable(one).way_out == "install the same versions on every machine"


def test_a_network_that_cannot_be_loaded_names_what_is_missing():
    """Ray gives only the text of what its start raised."""
    error = WeightsError("/w/own.pth cannot be read: No such file; it must lie there on every machine")
    start = "\x1b[36mray::EmbeddingWorker.__init__()\x1b[39m (pid=1)\nTraceback"
    text = f"{start}\nmvi_ray.errors.WeightsError: {error}"
    with pytest.raises(ClusterError) as caught:
        loss_of(ActorDiedError(RayTaskError("__init__", text, error)))
    assert caught.value.reason == (
        "the network could not be loaded by its worker: "
        "/w/own.pth cannot be read: No such file, it must lie there on every machine"
    )
    assert caught.value.way_out == "check the weights and the memory of the nodes"
