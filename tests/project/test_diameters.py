"""Clinical diameters against masks: other units, swapped patients, and what stays unexplained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.project.diameters import FACTOR, compare_diameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conftest import TinyProject


def _told(
    clinical: Mapping[str, float], drawn: Mapping[str, float], unit: str = "mm"
) -> dict[str | None, tuple[str, str]]:
    found = compare_diameters("diameter", unit, clinical, {name: [one] for name, one in drawn.items()})
    assert all(one.severity == "warning" for one in found)
    return {one.patient_id: (one.reason, one.way_out) for one in found}


def test_diameters_that_agree_are_no_matter() -> None:
    """Up to the factor, in either direction, and in the phase that is nearest."""
    assert _told({"P1": 30, "P2": 30, "P3": 3}, {"P1": 44, "P2": 20.1, "P9": 1}) == {}
    assert _told({"P1": 3.0}, {"P1": 31}, "cm") == {}
    assert compare_diameters("d", "mm", {"P1": 30}, {"P1": [80.0, 31.0]}) == []


def test_number_in_the_other_unit_is_told() -> None:
    """Three centimetres in a column of millimetres, and the reverse."""
    found = _told({"P1": 3.1, "P2": 40}, {"P1": 33.0, "P2": 41})
    assert found == {
        "P1": (
            "diameter is 3 mm and the drawn tumour 33 mm long, 10.6 times apart (up to 1.5 is passed over)",
            "looks like centimetres; the study says mm",
        )
    }
    assert _told({"P1": 31}, {"P1": 33.0}, "cm")["P1"][1] == "looks like millimetres; the study says cm"


def test_column_in_the_other_unit_is_one_line() -> None:
    """Three hundred lines would hide the swapped patients among them."""
    drawn = {f"P{at:02d}": 20.0 + at for at in range(20)}
    found = _told({name: one / 10 for name, one in drawn.items()}, drawn)
    assert found == {
        None: (
            "diameter of 20 of 20 patients looks like centimetres",
            "the study says mm; correct unit, or convert it under clinical.sources",
        )
    }


def test_swapped_patients_are_told_with_each_other() -> None:
    """Each has the diameter of the other's mask."""
    found = _told({"P1": 22, "P2": 81, "P3": 50}, {"P1": 80, "P2": 20, "P3": 52})
    assert {name: way_out for name, (_, way_out) in found.items()} == {
        "P1": "looks swapped with P2",
        "P2": "looks swapped with P1",
    }


def test_nothing_is_guessed_where_several_would_fit() -> None:
    """The patient is named all the same."""
    found = _told({"P1": 22, "P2": 81, "P3": 79}, {"P1": 80, "P2": 20, "P3": 21})
    assert all("check both" in found[name][1] for name in ("P1", "P2", "P3"))
    assert "check both" in _told({"P1": 22}, {"P1": 80})["P1"][1]


def test_what_cannot_be_compared_is_passed_over() -> None:
    """A mask of one voxel has no diameter, and a diameter of nothing is no number to divide by."""
    assert _told({"P1": 0, "P2": 20, "P3": -4}, {"P1": 30, "P2": 0.0, "P3": 3}) == {}


@given(
    st.dictionaries(st.sampled_from("ABCDEFGH"), st.floats(1, 300), max_size=8),
    st.dictionaries(st.sampled_from("ABCDEFGH"), st.floats(1, 300), max_size=8),
)
def test_every_patient_that_is_off_is_told_once(clinical: dict[str, float], drawn: dict[str, float]) -> None:
    """And nobody else, save where most are in one wrong unit."""
    wrong = {
        name
        for name in clinical.keys() & drawn.keys()
        if max(clinical[name] / drawn[name], drawn[name] / clinical[name]) > FACTOR
    }
    found = compare_diameters("d", "mm", clinical, {name: [one] for name, one in drawn.items()})
    told = [one.patient_id for one in found if one.patient_id is not None]
    assert len(set(told)) == len(told)
    assert set(told) <= wrong
    if None not in [one.patient_id for one in found]:
        assert set(told) == wrong


@pytest.mark.parametrize("first", ["images", "clinical"])
def test_ingest_compares_whatever_came_last(tiny: TinyProject, first: str) -> None:
    """Images after the clinical table, or before; the ball of the case is 6 mm wide."""
    path = tiny.folder / "study.yaml"
    text = path.read_text(encoding="utf-8")
    changed = text.replace("age: {unit: years}", "size: {unit: mm, measures: largest_diameter}")
    assert changed != text
    path.write_text(changed, encoding="utf-8")
    for patient in ("P1", "P2"):
        tiny.write_case(patient, "AP")
    manifest = tiny.write_manifest([("P1", "AP"), ("P2", "AP")])
    table = tiny.data / "clinical.csv"
    table.write_text("patient_id,mvi,site,size,sex\nP1,1,A,0.6,male\nP2,0,A,6,male\n", encoding="utf-8")
    for what in (first, "clinical" if first == "images" else "images"):
        summary = tiny.open().ingest(manifest) if what == "images" else tiny.open().ingest(clinical=table)
    told = [(one.patient_id, one.way_out) for one in summary.problems if "drawn tumour" in one.reason]
    assert told == [("P1", "looks like centimetres; the study says mm")]
