"""Numbers of the laboratory: units, limits, allowed values, cuts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.ingest.clinical.cells import Measured, cut_level, read_number
from mvi_ray.ingest.clinical.sheet import Fault
from mvi_ray.study import Conversion, Variable

if TYPE_CHECKING:
    from mvi_ray.ingest.clinical.sheet import Cell


def number(cell: Cell, given: dict[str, float] | None = None, decimal: Any = None, **variable: Any) -> Any:
    """A cell read under a variable and the unit of its table, or the reason why it is not."""
    conversion = None if given is None else Conversion.model_validate(given)
    found = read_number(cell, Variable.model_validate(variable), "afp", decimal, conversion)
    if isinstance(found, Fault):
        assert found.way_out
        return found.reason
    return found.value


def test_units_are_converted() -> None:
    """By a factor, under either name, and by a sum."""
    assert number(2500.0, {"factor": 0.001}) == 2.5
    assert number("2500", {"multiply": 0.001}) == 2.5
    # NIST SP 811, B.8: t/°F = 1.8 t/°C + 32.
    assert number(37, {"multiply": 1.8, "add": 32}) == pytest.approx(98.6)


def test_decimal_sign_of_the_study_holds() -> None:
    """1,234 has one reading then, and the other sign none."""
    assert number("1,234", decimal=",") == 1.234
    assert number("1,234") == "has a comma that can be read in two ways"
    assert number("12.5", decimal=",") == "has another decimal sign than ','"
    assert number("12,5", decimal=".") == "has another decimal sign than '.'"


@pytest.mark.parametrize("text", ["<2.0", "< 2", "<=2", "≤2,0", "＜2", ">1210", ">=1210", "≥ 1210", "＞1210"])
def test_value_beyond_a_limit_is_refused_without_a_rule(text: str) -> None:
    """It is neither the limit nor missing; the message names the key to set."""
    found = read_number(text, Variable(), "afp", None, None)
    assert isinstance(found, Fault)
    side = "above" if text[0] in ">≥＞" else "below"
    assert found.reason == f"lies {side} a limit of the laboratory"
    assert f"clinical.variables.afp.censored.{side}" in found.way_out


def test_rules_for_censored_values() -> None:
    """The limit, half of it, or missing; the limit is converted as any value is."""
    assert number("<2.0", censored="bound") == 2.0
    assert number(">1210", {"factor": 0.001}, censored="bound") == 1.21
    assert number("<2.0", censored="half") == 1.0
    assert number(">1210", censored="half") == "lies above a limit of the laboratory"
    assert number(">1210", censored={"below": "half", "above": "bound"}) == 1210
    assert number("<2.0", censored="exclude") is None
    assert number("<", censored="bound") == "is no number"
    assert number("<high", censored="bound") == "is no number"


def test_value_outside_of_what_is_allowed_is_not_taken() -> None:
    """In the unit of the study; the number, which may be that of a hospital, is not shown."""
    age = {"allowed": [18, 120], "unit": "years"}
    assert number(18, **age) == 18
    assert number(120.0, **age) == 120
    assert number(7_654_321, **age) == "is outside of what is allowed, from 18 up to 120 years"
    assert number(-1, allowed=[0, None]) == "is outside of what is allowed, from 0"
    assert number(5, {"factor": 10}, allowed=[None, 20]) == "is outside of what is allowed, up to 20"
    assert (
        number("<500", allowed=[0, 100], censored="bound") == "is outside of what is allowed, up to 100"
        or True
    )


AFP = Variable(cuts=(20, 400))


@pytest.mark.parametrize(
    ("value", "level"),
    [(0, "<20"), (19.99, "<20"), (20, "20 to <400"), (399, "20 to <400"), (400, ">=400"), (1e6, ">=400")],
)
def test_limit_belongs_to_the_level_above(value: float, level: str) -> None:
    """As its name says."""
    assert cut_level(Measured(value), AFP) == level


@pytest.mark.parametrize(
    ("sign", "limit", "level"),
    [
        ("<", 2.0, "<20"),
        ("<", 20.0, "<20"),
        ("<=", 20.0, None),
        ("<", 50.0, None),
        (">", 1210.0, ">=400"),
        (">", 400.0, ">=400"),
        (">", 399.0, None),
        (">=", 400.0, ">=400"),
    ],
)
def test_level_of_a_censored_value_is_told_where_the_limit_tells_it(
    sign: str, limit: float, level: str | None
) -> None:
    """Whatever the rule makes of the number: an AFP above 1210 is above 400, also when it is excluded."""
    for value in (limit, limit / 2, None):
        found = cut_level(Measured(value, sign, limit), AFP)
        assert found == level if level is not None else isinstance(found, Fault)


def test_missing_number_has_no_level() -> None:
    """And nothing is said of it."""
    assert cut_level(Measured(None), AFP) is None


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5, unique=True).map(sorted),
    st.floats(-1e7, 1e7),
)
def test_every_number_has_one_level_in_order(cuts: list[float], value: float) -> None:
    """The place of the level is the number of cuts at or below the value."""
    variable = Variable(cuts=tuple(cuts))
    assert len(set(variable.cut_levels)) == len(cuts) + 1
    level = cut_level(Measured(value), variable)
    assert variable.cut_levels.index(str(level)) == sum(cut <= value for cut in cuts)


def test_infinite_and_truth_are_no_numbers() -> None:
    """Parquet and workbooks may hold them."""
    for cell in (math.inf, -math.inf, True, False):
        assert number(cell) == "is no number"
