"""Tests of mvi_ray.report.figure."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from mvi_ray.errors import ModelError
from mvi_ray.report.figure import COLOURS, roc_figure

if TYPE_CHECKING:
    from mvi_ray.model.result import Evaluation


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_same_evaluation_gives_the_same_bytes(evaluation: Evaluation, kind: str) -> None:
    """No date and no random ids."""
    first = roc_figure([evaluation], kind=kind)
    assert first == roc_figure([evaluation], kind=kind)
    assert first != roc_figure([replace(evaluation, name="other")], kind=kind)


def test_settings_of_matplotlib_stay_as_they_are(evaluation: Evaluation) -> None:
    """A library changes nothing for its caller."""
    before = dict(mpl.rcParams)
    roc_figure([evaluation])
    assert dict(mpl.rcParams) == before


def test_each_model_has_its_colour(evaluation: Evaluation, inside_only: Evaluation) -> None:
    """The first two of the palette, and no third."""
    svg = roc_figure([evaluation, inside_only])
    ET.fromstring(svg)  # noqa: S314 - made by this program
    text = svg.decode().lower()
    assert COLOURS[0].lower() in text
    assert COLOURS[1].lower() in text
    assert COLOURS[2].lower() not in text


def test_test_cohort_has_its_own_panel(evaluation: Evaluation) -> None:
    """The picture is about twice as wide with it."""

    def width(of: Evaluation) -> int:
        png = roc_figure([of], kind="png")
        return int(struct.unpack(">I", png[16:20])[0])

    assert width(evaluation) > 1.7 * width(replace(evaluation, test=None))


def test_more_models_than_colours_are_drawn(evaluation: Evaluation) -> None:
    """The reference study has eleven."""
    many = [replace(evaluation, name=f"m{i}") for i in range(11)]
    assert len(roc_figure(many, kind="png")) > 10_000


def test_nothing_to_draw_is_an_error() -> None:
    """An empty figure would look like a result."""
    with pytest.raises(ModelError, match="no model to draw"):
        roc_figure([])


def test_marks_stand_in_the_picture_itself(evaluation: Evaluation) -> None:
    """A figure leaves its page; that its cohort is synthetic goes with it."""
    plain = roc_figure([evaluation])
    marked = roc_figure([evaluation], marks=("Synthetic cohort: images made by a program.",))
    assert b"Synthetic cohort" in marked
    assert b"Synthetic cohort" not in plain
