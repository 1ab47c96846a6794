"""Plants: the search is shown to see every kind of file before its silence is believed."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest

from mvi_ray.errors import StoreError
from mvi_ray.store.search import plants
from mvi_ray.store.search.columns import Columns
from mvi_ray.store.search.contents import Contents
from mvi_ray.store.search.matcher import Matcher
from mvi_ray.store.search.needles import Needles
from mvi_ray.store.search.plants import plant_and_find
from mvi_ray.store.search.values import Numbers


@pytest.mark.parametrize(
    "pseudonym", ["P1", "O'Neil", "Ä 7", "17", "0.5", "a/b\\c", "x" * 300, "<&>", "%41", "-", "ab" * 32]
)
def test_every_plant_is_found_for_any_pseudonym(pseudonym):
    """Short, long, a number, or of signs that are escaped."""
    found = plant_and_find(Needles.of([pseudonym], others=["O'Neil 2"]))
    assert len(found) == len(set(found)) == 15


def test_a_value_of_the_patient_is_planted_when_there_is_one():
    """Else a made-up one."""
    plant_and_find(Needles.of(["P1"], [-1.2345678901234]))
    plant_and_find(Needles(("P1",), values=Needles.of((), [0.1234567890123]).values))


def test_nothing_stays_behind(tmp_path, monkeypatch):
    """The plants hold a pseudonym."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    plant_and_find(Needles.of(["P1"]))
    assert list(Path(tmp_path).iterdir()) == []


def test_a_search_for_nobody_is_refused():
    """It would find nothing in anything."""
    with pytest.raises(StoreError, match="no pseudonym to look for; name the patient"):
        plant_and_find(Needles(()))


@pytest.mark.parametrize(
    ("owner", "name", "blind", "kind"),
    [
        (Numbers, "in_bytes", 0, "value in raw bytes"),
        (Numbers, "in_text", 0, "number in text"),
        (Numbers, "in_array", 0, "column of values in parquet"),
        (Columns, "parquet", None, "column of text in parquet"),
        (Columns, "duckdb", None, "text in duckdb"),
        (Contents, "_zip", None, "zip"),
        (Contents, "_decode", None, "column of text in parquet"),
        (Matcher, "in_name", Counter(), "file name"),
    ],
)
def test_a_search_that_misses_a_kind_is_refused_by_its_name(monkeypatch, owner, name, blind, kind):
    """Without repeating the pseudonym."""
    monkeypatch.setattr(owner, name, lambda *_, **__: type(blind)() if blind is not None else None)
    with pytest.raises(StoreError, match=f"planted as {kind}, so") as caught:
        plant_and_find(Needles.of(["Patient-7"]))
    assert "Patient-7" not in str(caught.value)


def test_every_kind_of_plant_has_a_name_of_its_own():
    """A message names one of them."""
    assert len({plant.name for plant in plants._PLANTS}) == len(plants._PLANTS)


@pytest.mark.parametrize("name", ["a\\b", "P\\n1", "x" * 65, "f" * 128, "ä" * 40, 'a"b', "C:\\u1"])
def test_a_pseudonym_of_any_kind_is_found_everywhere(name):
    """Backslashes that look like escapes, and texts that Delta cuts."""
    assert len(plants.plant_and_find(Needles.of((name,), (), ()))) == len(plants._PLANTS)
