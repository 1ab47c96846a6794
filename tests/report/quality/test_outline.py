"""Tests of mvi_ray.report.quality.outline."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvi_ray.report.quality.outline import STYLES, _dashed, contours


def _area(line):
    x, y = line.T
    return abs(np.dot(x[:-1], np.diff(y)) - np.dot(y[:-1], np.diff(x))) / 2


def test_a_line_runs_around_the_mask_where_the_picture_shows_it():
    """Voxels of rows 2 and 3, columns 4 to 6, in a picture that begins in voxel (1, 2)."""
    mask = np.zeros((8, 9), dtype=bool)
    mask[2:4, 4:7] = True
    (line,) = contours(mask, scale=(10.0, 20.0), corner=(1.0, 2.0))
    # Edges lie half-way between voxel centres; corners are cut.
    assert line.min(axis=0).tolist() == [40.0, 10.0]
    assert line.max(axis=0).tolist() == [100.0, 30.0]
    assert _area(line) == pytest.approx(60 * 20 - 4 * (10 * 5) / 2)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=49))
def test_every_line_is_closed_also_at_the_edge_of_the_image(places):
    """The first point comes again as the last one."""
    mask = np.zeros((7, 7), dtype=bool)
    mask[tuple(np.transpose(places))] = True
    lines = contours(mask, (1.0, 1.0), (0.0, 0.0))
    assert lines
    assert all((line[0] == line[-1]).all() for line in lines)


def test_an_empty_slice_has_no_line():
    """A ring need not reach the slice of a picture."""
    assert contours(np.zeros((4, 4), dtype=bool), (1.0, 1.0), (0.0, 0.0)) == []


@given(st.floats(0.5, 200), st.sampled_from([style.dashes for style in STYLES.values() if style.dashes]))
def test_dashes_and_gaps_follow_each_other_along_a_line(length, dashes):
    """Of a straight line as much is drawn as its dashes say."""
    pieces = list(_dashed(np.array([[0.0, 1.0], [length / 3, 1.0], [length, 1.0]]), dashes))
    drawn = sum(piece[-1, 0] - piece[0, 0] for piece in pieces)
    places = np.arange(0, length, 0.001)
    on = np.searchsorted(np.cumsum(dashes), places % sum(dashes), side="right") % 2 == 0
    assert drawn == pytest.approx(0.001 * on.sum(), abs=0.02 * (1 + length / sum(dashes)))
    assert all((piece[:, 1] == 1.0).all() for piece in pieces)


def test_outlines_differ_in_more_than_their_colour():
    """For who does not see colours: no two have the same dashes."""
    assert len({style.dashes for style in STYLES.values()}) == len(STYLES)
