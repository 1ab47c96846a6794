"""What extractions hold: rows of runs that are over go, those of another machine stay for a week."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mvi_ray.store import attempts as module
from mvi_ray.store.attempts import Attempt, Attempts, forget_old
from mvi_ray.store.presence import Presence
from mvi_ray.store.store import Store
from mvi_ray.store.tables import now

_KEY = ("CR", "P1", "baseline", "AP", "1", "intratumoral", "R1", "input")


@pytest.fixture(params=["folder", "bucket"])
def kind(request):
    """Where the store lies."""
    return request.param


@pytest.fixture
def machine(kind, request, tmp_path):
    """Makes the view that a machine has of one store."""
    place = request.getfixturevalue("bucket") if kind == "bucket" else None

    def make(name):
        # A folder that several machines share is one folder.
        root = tmp_path / (name if place else "store")
        root.mkdir(exist_ok=True)
        return Store(root, place=place), Presence(root)

    return make


def _begin(machine, run, days_ago, monkeypatch):
    store, presence = machine
    with monkeypatch.context() as patch:
        patch.setattr(module, "now", lambda: now() - timedelta(days=days_ago))
        attempts = Attempts(store.tables["attempts"], presence, run)
        attempts.begin(lambda: [Attempt(_KEY, frozenset({"set"}), 1)])
    return attempts


def _runs(store):
    return set(store.tables["attempts"].read(["run_id"]).column(0).to_pylist())


def test_the_end_of_a_run_leaves_those_of_other_machines(machine, kind, monkeypatch):
    """A bucket has no file that is locked for as long as they live; in a folder nobody is unknown."""
    here, there = machine("a"), machine("b")
    with here[1].entered("here"), there[1].entered("there"):
        _begin(there, "there", 6, monkeypatch)
        _begin(there, "over", 8, monkeypatch)
        attempts = _begin(here, "here", 0, monkeypatch)
        attempts.drop(lambda _: False)
        assert _runs(here[0]) == {"there"}
    attempts = _begin(here, "next", 0, monkeypatch)
    attempts.drop(lambda _: False)
    assert _runs(here[0]) == ({"there"} if kind == "bucket" else set())


def test_what_nobody_has_added_to_for_a_week_is_forgotten(machine, monkeypatch):
    """Its last claim counts, not its first."""
    store, presence = machine("a")
    forget_old(store.tables["attempts"])
    assert not store.tables["attempts"].exists
    _begin((store, presence), "long", 9, monkeypatch)
    _begin((store, presence), "over", 8, monkeypatch)
    _begin((store, presence), "long", 1, monkeypatch)
    forget_old(store.tables["attempts"])
    assert _runs(store) == {"long"}
