"""States of the store by name, over snapshots and trainings."""

from __future__ import annotations

import pytest

from mvi_ray.errors import StoreError
from mvi_ray.project.history import PIN, write_pin


@pytest.fixture
def project(extracted):
    """Two patients, complete."""
    return extracted.open()


def _pin(project, name="20260101T000000Z-abcdef", reference="1"):
    run = project.runs / name
    run.mkdir(parents=True)
    write_pin(run, project.store.history.find(reference))
    return run


def test_a_training_is_listed_and_can_be_asked(project):
    """Under its directory's name."""
    run = _pin(project)
    assert ("train", run.name, True) in [(r.command, r.run_id, r.readable) for r in project.history()]
    query = "SELECT count(*) AS n FROM images"
    assert project.sql(query, as_of=run.name).to_pylist() == [{"n": 2}]


def test_a_damaged_run_stands_in_nobody_elses_way(project):
    """Others can be asked and listed; itself is refused in words."""
    run = _pin(project)
    (run / PIN).write_text("{")
    query = "SELECT count(*) AS n FROM images"
    assert project.sql(query, as_of="1").to_pylist() == [{"n": 2}]
    (row,) = [row for row in project.history() if row.command == "train"]
    assert (row.run_id, row.readable) == (run.name, False)
    with pytest.raises(StoreError, match=r"snapshot\.json is damaged; train the models again"):
        project.sql(query, as_of=run.name)


def test_only_the_newest_states_are_listed_when_asked_to(project):
    """The order stays: oldest first."""
    everything = project.history()
    assert project.history(2) == everything[-2:]


def test_a_pinned_state_does_not_move(project, extracted):
    """Many queries see one state, whatever is committed between them."""
    with project.pinned() as (store, declared):
        before = store.query("SELECT count(*) AS n FROM images").to_pylist()
        extracted.add("P9")
        assert store.query("SELECT count(*) AS n FROM images").to_pylist() == before
    assert declared.phases == ("AP", "PP")
    assert project.sql("SELECT count(*) AS n FROM images").to_pylist() == [{"n": 6}]
