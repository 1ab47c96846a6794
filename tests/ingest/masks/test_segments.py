"""The study's names of segments, and its rule for other grids."""

from __future__ import annotations

import pytest

from mvi_ray.errors import StudyError
from mvi_ray.study import Segments, parse_study

STUDY = (
    "schema_version: 1\nphases: [AP]\npreprocessing: none\n"
    "families: {cr: {spacing_mm: null, bin_width: 25, image_types: [original]}}\n"
)


def test_nothing_is_named_and_nothing_resampled_by_default() -> None:
    """A study says so when it wants either."""
    study = parse_study(STUDY)
    assert study.segments == Segments(tumour=(), organ=())
    assert study.geometry == "exact"


def test_names_are_a_list_or_one_word() -> None:
    """Blanks around them do not count."""
    study = parse_study(
        STUDY + "geometry: resample\nsegments: {tumour: [Tumor*, ' HCC* '], organ: total_mr:liver}\n"
    )
    assert study.segments.tumour == ("Tumor*", "HCC*")
    assert study.segments.organ == ("total_mr:liver",)
    assert study.geometry == "resample"


@pytest.mark.parametrize(
    "text",
    ["segments: {tumour: ['']}", "segments: {tumor: [a]}", "geometry: nearest", "segments: {organ: 5}"],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    """Empty patterns would fit nothing, and other keys mean nothing."""
    with pytest.raises(StudyError, match=r"segments|geometry"):
        parse_study(STUDY + text + "\n")
