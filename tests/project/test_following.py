"""What is told of a run: counts, rate and time left, by family."""

from __future__ import annotations

from pathlib import Path

import pytest

from mvi_ray.cluster.unit import Failure, Unit, Voi, VoiResult
from mvi_ray.project import following as module
from mvi_ray.project.following import Following


class _Committer:
    """Takes everything."""

    def __init__(self):
        self.taken, self.looked = [], 0

    def add(self, family, results):
        self.taken += [(family, len(results))]

    def commit_if_due(self):
        self.looked += 1


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the test sets."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def _unit(family, patient, *costs):
    vois = tuple(
        Voi((("patient_id", patient), ("region", str(n))), "digest", None, {"original": "f"}, cost)
        for n, cost in enumerate(costs)
    )
    return Unit(family, Path("store"), None, vois)


def _done(unit, n, failure=None):
    return VoiResult(unit.vois[n], failure=failure, family=unit.family)


def test_each_family_has_a_bar_and_those_of_one_queue_share_its_time(clock):
    """Counts in words and as numbers; time left from predicted cost, not from counts."""
    large, small = _unit("CR", "P1", 60.0, 20.0), _unit("CR_BW10", "P2", 10.0)
    told, committer = [], _Committer()
    follow = Following(
        {"CR": [large], "CR_BW10": [small]},
        committer,
        lambda task, done, total, note, *, left_s, counts: told.append(
            (task, done, total, note, left_s, counts)
        ),
    )
    follow.begin(["CR", "CR_BW10"], 1)
    assert [(one[0], one[1:4]) for one in told] == [
        ("extract CR", (0.0, 80.0, "0 of 2 VOIs")),
        ("extract CR_BW10", (0.0, 10.0, "0 of 1 VOIs")),
    ]
    # One core, 90 predicted seconds: nothing is behind yet.
    assert [one[4] for one in told] == pytest.approx([90.0, 90.0])
    told.clear()
    clock[0] = 60.0
    follow.add([_done(large, 0)])
    follow.add([])
    (one,) = told
    assert one[:4] == ("extract CR", 60.0, 80.0, "1 of 2 VOIs, 1.0/min")
    # What is left is told from its cost, 30 s: of three VOIs one is done, which would say 120 s.
    assert 15.0 < one[4] < 45.0
    assert one[5] == {"vois": 2, "done": 1, "failed": 0, "rate_per_min": 1.0}
    assert (committer.taken, committer.looked) == ([("CR", 1)], 1)


def test_failures_are_counted_and_the_end_is_full(clock):
    """A failed VOI is behind as well, and sums of shares need not meet their total."""
    unit = _unit("CR", "P1", 0.1, 0.2)
    told = []
    follow = Following({"CR": [unit]}, _Committer(), lambda *seen, **more: told.append((*seen, more)))
    follow.begin(["CR"], 2)
    clock[0] = 30.0
    follow.add([_done(unit, 0, Failure("no", "look", "ExtractionError")), _done(unit, 1)])
    follow.end()
    assert told[-1][1] == told[-1][2]
    assert told[-1][3] == "2 of 2 VOIs, 4.0/min, 1 failed"
    assert told[-1][4]["left_s"] is None
    assert told[-1][4]["counts"]["failed"] == 1


def test_work_taken_over_from_another_run_is_no_error(clock):
    """What a killed run held comes late and stands in no plan of this queue; it is counted all the same."""
    ours, theirs = _unit("CR", "P1", 5.0), _unit("CR", "P9", 5.0)
    told, committer = [], _Committer()
    follow = Following({"CR": [ours]}, committer, lambda *seen, **more: told.append((*seen, more)))
    follow.begin(["CR"], 1)
    clock[0] = 1.0
    follow.add([_done(ours, 0), _done(theirs, 0)])
    assert committer.taken == [("CR", 2)]
    # Never more than full, though the plan had half of it.
    assert told[-1][1:3] == (5.0, 5.0)
    assert told[-1][4]["counts"]["done"] == 2


def test_what_is_left_after_a_takeover_is_told_without_what_is_done(clock):
    """A second queue of the same families begins when another run was killed."""
    first, second = _unit("CR", "P1", 100.0, 100.0), _unit("CR", "P2", 40.0)
    told = []
    follow = Following(
        {"CR": [first, second]}, _Committer(), lambda *seen, **more: told.append((*seen, more))
    )
    follow.begin(["CR"], 1)
    assert told[-1][4]["left_s"] == pytest.approx(240.0)
    clock[0] = 200.0
    follow.add([_done(first, 0), _done(first, 1)])
    clock[0] = 1_000.0
    follow.begin(["CR"], 1)
    assert told[-1][4]["left_s"] == pytest.approx(40.0)
    clock[0] = 1_060.0
    follow.add([_done(second, 0)])
    assert told[-1][3] == "3 of 3 VOIs, 1.0/min"
