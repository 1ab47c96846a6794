"""Tests of mvi_ray.report.quality.warnings: each at its threshold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mvi_ray.report.quality.drawing import Drawn
from mvi_ray.report.quality.measure import Inside
from mvi_ray.report.quality.tile import Reading, Tile
from mvi_ray.report.quality.warnings import KINDS, find_warnings

INSIDE = Inside(100.0, 150.0, 300.0, False, (0.0, 0.0, 0.0), 3)
READING = Reading("R1", 64, 5000.0, 20.0, {"peritumoral": 0.5}, 16, inside=INSIDE)
DRAWN = Drawn("axial", 3, 9, (1.0, 1.0), 5.0, (0.0, 1.0), (INSIDE,))
TILE = Tile("P1", "baseline", "AP", "1", (READING,), "a.webp", DRAWN)


def _said(*tiles):
    return [(w.phase, w.kind, w.text) for w in find_warnings(tiles)]


def test_nothing_is_said_of_a_tumour_that_is_just_good_enough():
    """64 voxels on 3 slices of 5 mm, half of the ring, 16 or 128 levels."""
    for levels in (16, 128):
        assert _said(replace(TILE, readings=(replace(READING, levels=levels),))) == []


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        ({"voxels": 63}, "tiny", "tumour of 63 voxels"),
        ({"clipped": {"peritumoral": 0.51}}, "clipped", "51 % of peritumoral cut off"),
        ({"levels": 15}, "levels", "15 grey levels"),
        ({"levels": 129}, "levels", "129 grey levels"),
        ({"resampled": True}, "resampled", "mask resampled onto the image"),
        ({"inside": replace(INSIDE, slices=2)}, "few-slices", "tumour on 2 slices"),
        ({"inside": replace(INSIDE, at_border=True)}, "border", "tumour at the border of the image"),
    ],
)
def test_what_is_worse_is_said_with_its_value(change, kind, text):
    """Of the only reader without a name, of one among others with it."""
    worse = replace(READING, **change)
    assert _said(replace(TILE, readings=(worse,))) == [("AP", kind, text)]
    both = replace(TILE, readings=(READING, replace(worse, reader="R2")))
    assert _said(both) == [("AP", kind, f"R2: {text}")]


def test_a_number_of_levels_that_the_study_fixes_is_no_finding():
    """It says nothing about the image."""
    assert _said(replace(TILE, readings=(replace(READING, levels=8, fixed_levels=True),))) == []


def test_thick_slices_and_what_is_missing_are_said():
    """With the reason, where the quarantine has one."""
    assert _said(replace(TILE, drawn=replace(DRAWN, step_mm=5.1))) == [("AP", "thick", "slices 5.1 mm apart")]
    nobody = Tile("P1", "baseline", "AP", "1", missing="mask", problem="mask is empty")
    assert _said(nobody) == [("AP", "no-mask", "no tumour drawn: mask is empty")]
    assert _said(replace(nobody, missing="image", problem="")) == [("AP", "no-image", "no image")]
    assert _said(replace(nobody, missing="file", problem="why")) == [("AP", "unreadable", "no picture: why")]
    assert _said(replace(TILE, stale=("R2",))) == [
        ("AP", "stale", "R2 drew on an image that was replaced since")
    ]


def test_a_lesion_that_lies_elsewhere_in_another_phase_is_said_on_both():
    """More than 20 mm, of one lesion, one session and one reader only."""
    for apart, expected in ((20.0, 0), (20.1, 2)):
        there = replace(INSIDE, centroid_mm=(0.0, apart * 0.6, apart * 0.8))
        other = replace(TILE, phase="PP", readings=(replace(READING, inside=there),))
        found = _said(TILE, other)
        assert len(found) == expected
        assert _said(TILE, replace(other, lesion="2")) == []
        assert _said(TILE, replace(other, session="later")) == []
        assert _said(TILE, replace(other, patient_id="P2")) == []
        assert _said(TILE, replace(other, readings=(replace(READING, reader="R2", inside=there),))) == []
    assert found == [
        ("AP", "apart", "centroid 20 mm from that in PP"),
        ("PP", "apart", "centroid 20 mm from that in AP"),
    ]


def test_warnings_come_in_the_order_of_the_page():
    """Tile by tile, and within one in the order of the kinds."""
    bad = replace(READING, voxels=1, levels=1, inside=replace(INSIDE, at_border=True))
    tiles = [replace(TILE, patient_id=p, readings=(bad,)) for p in ("P2", "P1")]
    found = find_warnings(tiles)
    assert [w.patient_id for w in found] == ["P2"] * 3 + ["P1"] * 3
    kinds = list(KINDS)
    assert [kinds.index(w.kind) for w in found[:3]] == sorted(kinds.index(w.kind) for w in found[:3])
