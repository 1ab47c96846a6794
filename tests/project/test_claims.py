"""Which VOIs a run may compute: never what another holds, last and alone what killed it before."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvi_ray.cluster.unit import Unit, Voi
from mvi_ray.project.claims import StoreClaims
from mvi_ray.store.presence import Presence
from mvi_ray.store.store import Store
from mvi_ray.store.tables import now
from mvi_ray.voi import VOI_KEY


def _unit(store, patient, regions=("intratumoral",), family="CR", sets=None, digest="input"):
    """A unit whose volumes nobody opens."""
    vois = tuple(
        Voi(
            tuple(zip(VOI_KEY, (patient, "baseline", "AP", "1", region, "R1"), strict=True)),
            digest,
            None,
            sets or {"original": "set-1"},
            1.0,
        )
        for region in regions
    )
    return Unit(family, store.root, None, vois)


class Runs:
    """Runs on one store, all in this process."""

    def __init__(self, store):
        self.store = store
        self.presence = Presence(store.root)
        self._open = {}
        self._count = 0

    def start(self, settings=None):
        """A run that lives; its claims."""
        self._count += 1
        name = f"run-{self._count}"
        self._open[name] = ExitStack()
        self._open[name].enter_context(self.presence.entered(name))
        claims = StoreClaims(self.store, self.presence, name, settings or {})
        claims.name = name
        return claims

    def end(self, claims, families=("CR", "DLR")):
        """It ends and says so."""
        claims.settle(families)
        self._open.pop(claims.name).close()

    def kill(self, claims):
        """It leaves what SIGKILL leaves: its rows, and its file, which nobody holds."""
        self._open.pop(claims.name).close()
        (self.store.root / ".extractions" / f"{claims.name}.lock").write_text(claims.name)

    def close(self):
        """All are over."""
        for one in self._open.values():
            one.close()


@contextmanager
def _runs_on(folder):
    folder.mkdir(parents=True)
    runs = Runs(Store(folder))
    try:
        yield runs
    finally:
        runs.close()


@pytest.fixture
def runs(tmp_path):
    """Runs on an empty store."""
    with _runs_on(tmp_path / "store") as found:
        yield found


@pytest.fixture
def unit(runs):
    """Makes units of the store."""
    return lambda *args, **more: _unit(runs.store, *args, **more)


def _vois(units):
    return {
        (unit.family, dict(voi.key)["patient_id"], dict(voi.key)["region"])
        for unit in units
        for voi in unit.vois
    }


def _stored(runs, unit, by, one="set-1"):
    for voi in unit.vois:
        row = {
            "image_type": "original",
            "feature_set_id": one,
            "input_digest": voi.input_digest,
            "run_id": by,
        }
        runs.store.tables["cr"].write([{**dict(voi.key), **row}])


def test_what_one_run_has_begun_no_other_is_given(runs, unit):
    """It is counted by the one that goes without."""
    one, two = runs.start(), runs.start()
    units = [unit("P1"), unit("P2", ("intratumoral", "ring")), unit("P3")]
    assert _vois(one.take(units[:2])) == _vois(units[:2])
    assert _vois(two.take(units)) == {("CR", "P3", "intratumoral")}
    assert (one.elsewhere, two.elsewhere) == (0, 3)
    assert _vois(two.take([unit("P1", family="DLR", sets={None: "network"})])) == {
        ("DLR", "P1", "intratumoral")
    }


def test_what_was_given_back_another_run_may_take(runs, unit):
    """And the first one again, when that gives it back, too."""
    one, two = runs.start(), runs.start()
    units = [unit("P1"), unit("P2")]
    one.take(units)
    one.release(units[:1])
    assert _vois(two.take(units)) == {("CR", "P1", "intratumoral")}
    assert one.take(units[:1]) == []
    two.release(units[:1])
    assert [found.attempts for found in one.take(units[:1])] == [0]


def test_only_rows_that_nobody_else_makes_are_handed_out(runs, unit):
    """One run began before the study got another image type."""
    one, two = runs.start(), runs.start()
    one.take([unit("P1", sets={"original": "a", "square": "b"})])
    (found,) = two.take([unit("P1", sets={"original": "a", "square": "b", "log": "c"})])
    assert dict(found.vois[0].feature_sets) == {"log": "c"}


def test_what_another_run_stored_since_the_plan_is_left_out(runs, unit):
    """Also when that run is over by then."""
    one, two = runs.start(), runs.start()
    units = [unit("P1"), unit("P2")]
    one.take(units[:1])
    _stored(runs, units[0], one.name)
    runs.end(one)
    assert _vois(two.take(units)) == {("CR", "P2", "intratumoral")}
    assert two.elsewhere == 1


def test_what_another_run_stored_between_two_claims_is_left_out(runs, unit):
    """It had come and gone without being seen alive."""
    two = runs.start()
    assert two.take([unit("P0")])
    one = runs.start()
    one.take([unit("P1")])
    _stored(runs, unit("P1"), one.name)
    runs.end(one)
    assert two.take([unit("P1")]) == []


def test_what_another_run_failed_at_is_not_tried_here(runs, unit):
    """A failure of before the plan says nothing: the plan has judged it."""
    row = {"stage": "extract", "family": "CR", "input_digest": "input", "failed_at": now()}
    quarantine = runs.store.tables["quarantine"]
    quarantine.write([{**dict(unit("P1").vois[0].key), **row, "run_id": "earlier"}])
    one, two = runs.start(), runs.start()
    quarantine.write([{**dict(unit("P2").vois[0].key), **row, "run_id": one.name}])
    assert _vois(two.take([unit("P1"), unit("P2")])) == {("CR", "P1", "intratumoral")}
    assert (two.elsewhere, two.failed_elsewhere) == (0, 1)


def _failed(runs, unit, by, settings=None):
    row = {"stage": "extract", "family": "CR", "input_digest": "input", "settings_digest": settings}
    runs.store.tables["quarantine"].write(
        [{**dict(voi.key), **row, "run_id": by, "failed_at": now()} for voi in unit.vois]
    )


def test_a_failure_under_other_settings_is_no_reason_to_leave_a_voi_out(runs, unit):
    """Another run began under the study before an edit, and the edit may be what helps."""
    one = runs.start({("CR", "AP"): "before"})
    two = runs.start({("CR", "AP"): "after"})
    _failed(runs, unit("P1"), one.name, "before")
    _failed(runs, unit("P2"), one.name, "after")
    assert _vois(two.take([unit("P1"), unit("P2")])) == {("CR", "P1", "intratumoral")}
    assert (two.elsewhere, two.failed_elsewhere) == (0, 1)


def test_what_its_holder_failed_at_later_is_counted_as_failed(runs, unit):
    """It was held when it was asked for, and is looked at once more at the end."""
    one, two = runs.start(), runs.start()
    one.take([unit("P1"), unit("P2")])
    assert two.take([unit("P1"), unit("P2"), unit("P3")])
    assert (two.elsewhere, two.failed_elsewhere) == (2, 0)
    _failed(runs, unit("P1"), one.name)
    runs.end(two)
    assert (two.elsewhere, two.failed_elsewhere) == (1, 1)


def test_what_a_killed_run_held_is_taken_over(runs, unit):
    """By one that had to go without before, and asks again."""
    one, two = runs.start(), runs.start()
    one.take([unit("P1")])
    assert two.take([unit("P1"), unit("P2")])
    assert two.freed() == []
    runs.kill(one)
    freed = two.freed()
    assert _vois(freed) == {("CR", "P1", "intratumoral")}
    (found,) = two.take(freed)
    assert (found.attempts, found.alone, two.elsewhere) == (1, False, 0)
    assert two.freed() == []


def _killed_at(runs, units, alone=False):
    run = runs.start()
    assert run.take([replace(one, alone=alone) for one in units])
    runs.kill(run)


def test_a_voi_at_which_the_program_is_killed_comes_last_then_alone_then_not_at_all(runs, unit):
    """Its sibling of the same image is not given up with it."""
    poison, other = unit("P1", ("intratumoral", "ring")), unit("P2")
    for _ in range(2):
        _killed_at(runs, [poison, other])
    run = runs.start()
    plan = run.sorted_out([poison, other])
    assert (plan.ordinary, plan.given_up) == ([], [])
    waves = list(plan.waves(cpus=2))
    assert [[(len(one.vois), one.attempts, one.alone) for one in wave] for wave in waves] == [
        [(1, 2, True)]
    ] * 3
    runs.end(run)
    for kills in range(3, 7):
        _killed_at(runs, [poison.of(poison.vois[:1])], alone=True)
        run = runs.start()
        plan = run.sorted_out([poison, other])
        assert [one.attempts for one in plan.suspects] == ([kills] if kills < 6 else []) + [2, 2]
        if kills < 6:
            runs.end(run)
    ((family, result),) = plan.given_up
    assert (family, result.voi, result.failure.attempts) == ("CR", poison.vois[0], 6)
    assert "the program ended 6 times while it was computed" in result.failure.reason
    assert "`mvi extract --retry-failed`" in result.failure.way_out


def test_kills_of_many_at_once_give_nobody_up(runs, unit):
    """Thirty kills at random hit the innocent."""
    units = [unit("P1"), unit("P2")]
    for _ in range(8):
        _killed_at(runs, units)
    plan = runs.start().sorted_out(units)
    assert (len(plan.suspects), plan.given_up) == (2, [])


def test_on_many_cores_suspects_come_fewer_at_a_time_with_each_kill(runs, unit):
    """Thousands of units one after the other would cost more than the kill."""
    units = [unit(f"P{number:03}") for number in range(100)]
    _killed_at(runs, units)
    _killed_at(runs, units)
    _killed_at(runs, units[:10])
    plan = runs.start().sorted_out(units)
    assert [len(wave) for wave in plan.waves(cpus=64)] == [32, 32, 26, 8, 2]
    assert not any(one.alone for wave in plan.waves(cpus=64) for one in wave)


def test_other_inputs_and_settings_start_without_blame(runs, unit):
    """As does a VOI whose attempt was given back."""
    _killed_at(runs, [unit("P1")])
    run = runs.start()
    run.take([unit("P2")])
    run.release([unit("P2")])
    runs.kill(run)
    last = runs.start()
    fresh = [unit("P1", digest="other"), unit("P1", sets={"original": "set-2"}), unit("P2")]
    assert [found.attempts for found in last.take(fresh)] == [0, 0, 0]


def test_what_was_in_quarantine_is_tried_as_if_new(runs, unit):
    """`--retry-failed` means it."""
    for _ in range(6):
        _killed_at(runs, [unit("P1")], alone=True)
    row = {"stage": "extract", "family": "CR", "input_digest": "input", "failed_at": now(), "run_id": "r"}
    runs.store.tables["quarantine"].write([{**dict(unit("P1").vois[0].key), **row}])
    run = runs.start()
    assert len(run.sorted_out([unit("P1")]).ordinary) == 1
    runs.kill(run)


def test_nothing_is_left_when_all_is_done(runs, unit):
    """Neither rows nor files, whoever was killed before."""
    _killed_at(runs, [unit("P1"), unit("P2")])
    run = runs.start()
    run.take(run.sorted_out([unit("P1"), unit("P2")]).ordinary)
    runs.end(run)
    assert runs.store.tables["attempts"].files() == []
    assert list((runs.store.root / ".extractions").iterdir()) == []


def test_what_is_not_done_yet_is_remembered(runs, unit):
    """A run that was stopped, or asked for another family, forgets nothing of these."""
    _killed_at(runs, [unit("P1")])
    _killed_at(runs, [unit("P2", family="DLR", sets={None: "network"})])
    stopped = runs.start()
    stopped.sorted_out([unit("P1")])
    runs.end(stopped, ["CR"])
    last = runs.start()
    again = last.take([unit("P1"), unit("P2", family="DLR", sets={None: "network"})])
    assert [found.attempts for found in again] == [1, 1]


_TAKER = """
import json, random, sys, time
from pathlib import Path
from mvi_ray.project.claims import StoreClaims
from mvi_ray.store.presence import Presence
from mvi_ray.store.store import Store
from tests.project.test_claims import _unit
store, name = Store(Path(sys.argv[1])), sys.argv[2]
presence = Presence(store.root)
with presence.entered(name):
    claims = StoreClaims(store, presence, name, {})
    print("ready", flush=True)
    sys.stdin.readline()
    units = [_unit(store, f"P{number:02}", ("intratumoral", "ring")) for number in range(48)]
    random.Random(name).shuffle(units)
    taken = []
    for start in range(0, len(units), 4):
        time.sleep(0.1)
        taken += [dict(one.vois[0].key)["patient_id"] for one in claims.take(units[start:start + 4])]
    print(json.dumps([taken, claims.elsewhere]), flush=True)
    sys.stdin.readline()
"""


@pytest.mark.slow
def test_three_processes_that_claim_the_same_share_it_without_overlap(runs):
    """Each unit is held by exactly one, however they meet."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _TAKER, str(runs.store.root), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b", "c")
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [json.loads(process.stdout.readline()) for process in processes]
    for process in processes:
        process.communicate("end\n", timeout=60)
    taken = [patient for mine, _ in answers for patient in mine]
    assert sorted(taken) == [f"P{number:02}" for number in range(48)]
    assert [out for _, out in answers] == [2 * (48 - len(mine)) for mine, _ in answers]
    assert sum(bool(mine) for mine, _ in answers) >= 2


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(("start", "take", "release", "end", "kill")), st.integers(0, 2), st.integers(0, 5)
    ),
    min_size=4,
    max_size=14,
)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_no_voi_is_ever_held_by_two_living_runs(steps, tmp_path_factory):
    """Whatever starts, claims, gives back, ends or is killed, in whatever order."""
    with _runs_on(tmp_path_factory.mktemp("claims") / "store") as runs:
        units = [_unit(runs.store, f"P{number}") for number in range(6)]
        places = [None, None, None]
        held = [set(), set(), set()]
        for what, place, number in steps:
            run = places[place]
            if what == "start" and run is None:
                places[place] = runs.start()
            elif run is None:
                continue
            elif what == "take":
                wanted = [one for one in units[number:] if _vois([one]).isdisjoint(held[place])]
                held[place] |= _vois(run.take(wanted))
            elif what == "release":
                given = [one for one in units[:number] if not _vois([one]).isdisjoint(held[place])]
                run.release(given)
                held[place] -= _vois(given)
            elif what in ("end", "kill"):
                (runs.end if what == "end" else runs.kill)(run)
                places[place], held[place] = None, set()
            for one, other in ((0, 1), (0, 2), (1, 2)):
                assert held[one].isdisjoint(held[other])
        last = runs.start()
        free = _vois(units) - set().union(*held)
        assert _vois(last.take(units)) == free
