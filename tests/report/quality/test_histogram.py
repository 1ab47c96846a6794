"""Tests of mvi_ray.report.quality.histogram."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.report.quality.histogram import level_histogram, volume_histogram


def test_bars_say_which_values_they_count():
    """Values at an edge belong to the bar that begins there, and 128 is still aimed at."""
    found = level_histogram("AP", [7, 8, 15, 16, 63, 64, 128, 129, 256, 257])
    counts = {bar.label: bar.count for bar in found.bars}
    assert counts == {"< 8": 1, "8–15": 2, "16–31": 1, "32–63": 1, "64–128": 2, "129–256": 2, "≥ 257": 1}
    assert [bar.label for bar in found.bars if bar.doubtful] == ["< 8", "8–15", "129–256", "≥ 257"]
    assert found.words.startswith("AP: 1 of < 8, 2 of 8–15")


@given(st.lists(st.floats(0.001, 1e7)))
def test_every_volume_is_counted_once(volumes):
    """The highest bar is full, none is fuller."""
    found = volume_histogram("all", volumes)
    assert found.total == len(volumes)
    assert max(bar.share for bar in found.bars) == (1 if volumes else 0)


def test_volumes_are_in_millilitres():
    """2,000 mm³ are 2 mL; without any, there is nothing to say."""
    (bar,) = (bar for bar in volume_histogram("all", [2000.0]).bars if bar.count)
    assert bar.label == "1–3 mL"
    assert volume_histogram("all", []).words == "all: none"
