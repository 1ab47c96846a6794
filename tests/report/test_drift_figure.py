"""Tests of mvi_ray.report.drift_figure."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest

from mvi_ray.errors import ModelError
from mvi_ray.report.drift_figure import Shifted, drift_figure


@pytest.fixture
def shown() -> Shifted:
    """Two classes of features, one of them empty, and two curves."""
    return Shifted(
        ("cost = '$5$'", "centre = 'B'"),
        {"CR glcm": np.linspace(0.1, 0.6, 40), "CR shape": np.empty(0)},
        0.3,
        [("AP_x", np.arange(5.0), np.arange(4.0)), ("A" * 70, np.arange(3.0), np.arange(3.0))],
    )


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_same_comparison_gives_the_same_bytes(shown: Shifted, kind: str) -> None:
    """No date and no random ids, and matplotlib's settings stay as they are."""
    before = dict(mpl.rcParams)
    first = drift_figure(shown, kind=kind)
    assert first == drift_figure(shown, kind=kind)
    assert first != drift_figure(replace(shown, chance=0.4), kind=kind)
    assert dict(mpl.rcParams) == before


def test_labels_are_text_not_formulas(shown: Shifted) -> None:
    """Conditions are the user's own words; long names lose their middle; empty classes are left out."""
    svg = drift_figure(shown)
    ET.fromstring(svg)  # noqa: S314 - made by this program
    text = svg.decode()
    assert "cost = '$5$'" in text
    assert "A" * 18 + "…" + "A" * 19 in text
    assert "CR glcm" in text
    assert "CR shape" not in text


def test_marks_stand_in_the_picture_itself(shown: Shifted) -> None:
    """That a cohort is synthetic goes with the figure."""
    assert b"Synthetic cohort" in drift_figure(shown, marks=("Synthetic cohort: images made by a program.",))
    assert b"Synthetic cohort" not in drift_figure(shown)


def test_nothing_to_draw_is_an_error(shown: Shifted) -> None:
    """An empty figure would look like a result."""
    with pytest.raises(ModelError, match="no feature has values in both groups"):
        drift_figure(replace(shown, distances={"CR shape": np.empty(0)}))
