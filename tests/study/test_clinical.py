"""The clinical part of the study file: what it may say, and what it makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mvi_ray.study import Clinical


def clinical(**keys: Any) -> Clinical:
    """A clinical part."""
    return Clinical.model_validate(keys)


def test_cuts_and_intervals_are_variables_of_the_study() -> None:
    """So that models and cohorts may name them; no table needs to have them."""
    found = clinical(
        outcome="mvi",
        variables={"afp": {"unit": "ng/ml", "cuts": [20, 400.5]}, "age": None},
        dates={"mri": "mri_date", "lab": "lab_date"},
        intervals={"mri_to_lab_d": ["mri", "lab"]},
    )
    assert found.columns == ("mvi", "afp", "age", "mri_to_lab_d", "afp_cut")
    assert found.read_columns == ("mvi", "afp", "age")
    assert found.variables["afp_cut"].levels == ("<20", "20 to <400.5", ">=400.5")
    assert found.variables["mri_to_lab_d"].unit == "d"
    assert Clinical.model_validate(found.model_dump()) == found


def test_list_of_names_is_a_list_of_numbers() -> None:
    """The shortest way to declare some."""
    assert clinical(variables=["age", "alt"]) == clinical(variables={"age": {}, "alt": None})


def test_one_word_is_a_rule_for_both_sides() -> None:
    """Half of a limit is for values below it only."""
    for word, rules in (("bound", ("bound", "bound")), ("half", ("half", "refuse"))):
        found = clinical(variables={"afp": {"censored": word}}).variables["afp"].censored
        assert (found.below, found.above) == rules


def test_codes_are_text_whatever_yaml_makes_of_them() -> None:
    """2 and 2.0 of a spreadsheet are the code 2, true is TRUE."""
    source = {"file": "a.csv", "values": {"sex": {True: "male", 2.0: "female", "-9": None}}}
    sex = {"kind": "categorical", "levels": ["female", "male"]}
    found = clinical(variables={"sex": sex}, sources={"A": source}).sources["A"]
    assert set(found.values["sex"]) == {"TRUE", "2", "-9"}
    assert found.values["sex"]["-9"] is None


def test_delimiter_may_be_a_word() -> None:
    """A tab is hard to see."""
    sources = {"A": {"file": "a.csv", "delimiter": "tab"}, "B": {"file": "b.csv", "delimiter": ";"}}
    assert [one.delimiter for one in clinical(sources=sources).sources.values()] == ["\t", ";"]


AFP = {"variables": {"afp": {}}}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"variables": {"afp": {"cuts": [400, 20]}}}, "cuts: give them in ascending order"),
        ({"variables": {"afp": {"allowed": [5, 1]}}}, r"the least value \(5\) is above the greatest \(1\)"),
        ({"variables": {"afp": {"cuts": [20]}, "afp_cut": {}}}, "afp_cut is made by the cuts of 'afp'"),
        ({"variables": {"d": {"measures": "largest_diameter"}}}, "measures: largest_diameter needs unit: mm"),
        (
            {"variables": {"sex": {"kind": "categorical", "levels": ["a", "b"], "cuts": [1]}}},
            "cuts belongs to a continuous variable",
        ),
        (
            {"intervals": {"x": ["mri", "lab"]}, "dates": {"mri": "a"}},
            r"there is no date 'lab'; dates has mri",
        ),
        ({**AFP, "dates": {"mri": "afp"}}, "column 'afp' is stored as it is, and a date must not be"),
        ({"dates": {"mri": "patient_id"}}, "column 'patient_id' is stored as it is"),
        ({**AFP, "dates": {"AFP": "x"}}, "are the same name"),
        (
            {**AFP, "sources": {"A": {"file": "a.csv", "columns": {"apf": "x"}}}},
            r"sources\.A\.columns: 'apf' is not known here \(did you mean 'afp'\?\); known: patient_id, afp",
        ),
        ({"sources": {"A": {"file": "a.csv", "units": {"afp": {"factor": 2}}}}}, "known: none"),
        ({**AFP, "sources": {"A": {"file": "a.csv", "units": {"afp": {"factor": 0}}}}}, "greater than 0"),
        ({"sources": {"A": {"file": "data/a.csv"}}}, "file is a name without folders"),
        (
            {**AFP, "sources": {"A": {"file": "a.csv", "columns": {"afp": "x", "patient_id": "x"}}}},
            "'patient_id' and 'afp' are both read from column 'x'",
        ),
        (
            {"centre": "c", "sources": {"A": {"file": "a", "centre": "A", "columns": {"c": "x"}}}},
            "centre says one hospital, and columns a column of them",
        ),
        ({"sources": {"A": {"file": "a.csv", "encoding": "utf8"}}}, "Input should be 'utf-8'"),
        ({"variables": {"afp": {"censored": {"above": "half"}}}}, "Input should be 'refuse', 'bound' or"),
    ],
)
def test_what_does_not_fit_is_told(keys: dict[str, Any], message: str) -> None:
    """With the place and what would be known there."""
    with pytest.raises(ValidationError, match=message):
        Clinical.model_validate(keys)
