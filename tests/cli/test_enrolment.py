"""`mvi enrolment`, `mvi exclude`, and the table of missing values."""

from __future__ import annotations

import json

import pytest

from mvi_ray.cli import enrolment
from mvi_ray.cli.app import app
from mvi_ray.errors import UsageError
from mvi_ray.project.clinical import Missing


@pytest.fixture
def folder(written):
    """Four patients, one without images."""
    for at in range(3):
        for phase in ("AP", "PP"):
            written.voi(f"P{at}", phase, "intratumoral")
    written.clinical([{"patient_id": f"P{at}", "mvi": at % 2, "centre": "A"} for at in range(4)])
    written.project.settle("extract")
    return written.project.folder


@pytest.fixture
def mvi(folder, capsys):
    """Run a command in this process; returns stdout and stderr."""

    def run(*args):
        app(["-C", str(folder), *map(str, args)], standalone_mode=False)
        return capsys.readouterr()

    return run


def test_enrolment_is_printed_and_drawn(mvi, tmp_path):
    """The table on standard output, the chart in a file of the format that its name says."""
    mvi("exclude", "P2", "--reason", "motion artefacts")
    for name, mark in (("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG"), ("a.html", b"<!DOCTYPE html>")):
        said = mvi("enrolment", "-o", tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(mark)
        assert "without images" in said.out
        assert "motion artefacts" in said.out
        assert "P2" not in said.out
    content = (tmp_path / "a.svg").read_text() + (tmp_path / "a.html").read_text()
    assert not any(f"P{at}" in content for at in range(4))


@pytest.mark.parametrize("name", ["quality.html", "a.svg", "a.png"])
def test_chart_replaces_an_earlier_chart_and_nothing_else(mvi, tmp_path, name):
    """Another file of that name stays, unless --force is given; so does a folder."""
    mvi("enrolment", "-o", tmp_path / name)
    chart = (tmp_path / name).read_bytes()
    mvi("exclude", "P2", "--reason", "motion artefacts")
    mvi("enrolment", "-o", tmp_path / name)
    assert (tmp_path / name).read_bytes() != chart
    (tmp_path / name).write_bytes(b"<!DOCTYPE html> mine")
    with pytest.raises(UsageError, match="is there and no flow chart; name another file, or replace it with"):
        mvi("enrolment", "-o", tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"<!DOCTYPE html> mine"
    mvi("enrolment", "--force", "-o", tmp_path / name)
    assert len((tmp_path / name).read_bytes()) > 1000
    (tmp_path / f"folder-{name}").mkdir()
    with pytest.raises(UsageError, match="is there and no flow chart"):
        mvi("enrolment", "-o", tmp_path / f"folder-{name}")


def test_status_counts_who_is_not_enrolled(mvi):
    """One patient has no image, another one is excluded by hand."""
    assert "Not enrolled: 1 of the patients screened, 0 of them by hand;" in mvi("status").out
    mvi("exclude", "P2", "--reason", "motion artefacts")
    said = " ".join(mvi("status").out.split())
    assert "Not enrolled: 2 of the patients screened, 1 of them by hand; see `mvi enrolment`." in said
    found = json.loads(mvi("status", "--json").out)
    assert (found["not_enrolled"], found["excluded"]) == (2, 1)


def test_enrolment_as_json(mvi):
    """Numbers only."""
    flow = json.loads(mvi("enrolment", "--json").out)
    assert (flow["screened"], flow["enrolled"], flow["cohorts"]) == (4, 3, {"train": 3, "test": 0})
    assert flow["models"]["CR"] == {"train": 3, "test": 0}


def test_chart_of_another_kind_is_refused_before_anything_is_read(mvi, tmp_path):
    """With the endings that are known."""
    with pytest.raises(UsageError, match=r"let it end in \.svg, \.png or \.html"):
        mvi("enrolment", "-o", tmp_path / "a.pdf")


def test_exclusions_are_made_listed_and_undone(mvi):
    """That the reason must name nobody is said each time."""
    assert "Nobody is excluded by hand." in mvi("exclude").out
    said = mvi("exclude", "P1", "--reason", "wrong phase")
    assert "P1 is excluded; nothing was deleted." in said.out
    assert "must hold nothing that tells who" in " ".join(said.err.split())
    listed = mvi("exclude").out
    assert "P1" in listed
    assert "wrong phase" in listed
    assert "P1 is in the study again." in mvi("exclude", "P1", "--undo").out
    (one,) = json.loads(mvi("exclude", "--json").out)["exclusions"]
    assert (one["patient_id"], one["reason"]) == ("P1", "wrong phase")
    assert one["undone_at"] is not None


def test_missing_values_are_a_table_of_hospitals(capsys):
    """Without a hospital there is one column; with nothing missing no table."""
    enrolment.missing_values([])
    assert capsys.readouterr().out == ""
    enrolment.missing_values([Missing("afp", 3, 10, {"": (3, 10)})])
    said = capsys.readouterr().out
    assert "3 of 10" in said
    assert "no centre" not in said
    enrolment.missing_values([Missing("afp", 3, 10, {"": (1, 2), "A": (2, 8)})])
    said = capsys.readouterr().out
    for text in ("no centre", "1 of 2", "2 of 8"):
        assert text in said
