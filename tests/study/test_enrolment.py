"""The criteria of the study file."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mvi_ray.study import Criterion, Enrolment


def test_criteria_stand_in_the_order_in_which_they_count() -> None:
    """Inclusion first, then exclusion, each as written."""
    found = Enrolment.model_validate(
        {"exclude": {"tace": "tace = 'yes'"}, "include": {"adult": "age >= 18", "small": "d < 50"}}
    )
    assert found.criteria == (
        Criterion("adult", "age >= 18", keeps=True),
        Criterion("small", "d < 50", keeps=True),
        Criterion("tace", "tace = 'yes'", keeps=False),
    )
    assert found.missing == "keep"


@pytest.mark.parametrize(
    "keys",
    [{"include": {"a": "x"}, "exclude": {"A": "y"}}, {"include": {"two words": "x"}}, {"missing": "drop"}],
)
def test_what_does_not_fit_is_told(keys: dict[str, object]) -> None:
    """A name stands for one criterion."""
    with pytest.raises(ValidationError, match=r"same name|is not a name|'keep' or 'remove'"):
        Enrolment.model_validate(keys)
