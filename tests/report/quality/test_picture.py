"""Tests of mvi_ray.report.quality.picture: what lies where in a picture."""

from __future__ import annotations

import numpy as np
import pytest

from mvi_ray.report.quality.drawing import Drawn, draw_case
from mvi_ray.report.quality.picture import LARGEST, SIDE, draw
from mvi_ray.report.quality.plane import Plane
from tests.report.quality.conftest import box_mask, grid, volume


def _like(pixels, colour, tolerance=60):
    """Places (down, across) of pixels near a colour."""
    wanted = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    return np.argwhere(np.abs(pixels - wanted).sum(axis=2) < tolerance)


def test_lengths_are_true_in_both_directions(pixels):
    """A square of 20 mm is square on the picture, whatever the voxels measure."""
    geometry = grid((60, 30, 5), (1.0, 2.0, 5.0))
    mask = box_mask(geometry, slice(2, 3), slice(10, 20), slice(20, 40))
    image = np.full(geometry.shape, 100, dtype=np.int16)
    image[2] += np.arange(60, dtype=np.int16)
    picture, _ = draw_case(volume(image, geometry), [mask])
    shown = _like(pixels(picture.content), "#F0C000", 90)
    height, width = np.ptp(shown, axis=0)
    # The least field of view is 60 mm, and the slice measures 60.
    assert width == pytest.approx(20 / 60 * SIDE, abs=6)
    assert height == pytest.approx(width, abs=3)


def test_right_is_left_and_front_is_above(pixels):
    """A bright block at the patient's left and back lies below, on the right."""
    geometry = grid((40, 40, 3))
    image = np.zeros(geometry.shape, dtype=np.float32)
    image[1, 30:36, 22:30] = 1000
    picture = draw(image[1], Plane.of(geometry), [])
    grey = pixels(picture.content).sum(axis=2)
    assert grey[int(33 / 40 * SIDE), int(26 / 40 * SIDE)] > 700
    assert grey[int(33 / 40 * SIDE), int(10 / 40 * SIDE)] < 60
    assert grey[int(7 / 40 * SIDE), int(26 / 40 * SIDE)] < 60


def test_a_picture_shows_the_surroundings_of_what_is_outlined(pixels):
    """A small tumour in a large image is seen, and the whole slice small in a corner."""
    geometry = grid((300, 300, 3))
    rng = np.random.default_rng(0)
    image = rng.normal(100, 10, geometry.shape).astype(np.float32)
    mask = box_mask(geometry, slice(1, 2), slice(40, 52), slice(200, 212))
    picture, drawn = draw_case(volume(image, geometry), [mask])
    tumour = _like(pixels(picture.content)[: SIDE // 2 + 60, : SIDE // 2 + 60], "#F0C000", 90)
    assert tumour.mean(axis=0) == pytest.approx([SIDE / 2, SIDE / 2], abs=12)
    assert np.ptp(tumour, axis=0) == pytest.approx([12 / 60 * SIDE] * 2, abs=8)
    assert (drawn.slice, drawn.slices, drawn.plane) == (2, 3, "axial")


@pytest.mark.parametrize("size", [(512, 512, 2), (3, 400, 2), (1, 1, 1)])
def test_a_picture_is_small_and_square_whatever_it_shows(pixels, size):
    """Also of a very noisy image: the signal of its tissues is four times its noise."""
    geometry = grid(size)
    rng = np.random.default_rng(0)
    tissue = 400 * np.linspace(0, 1, size[0]).round(1)
    image = (tissue + rng.normal(0, 50, geometry.shape)).astype(np.int16)
    mask = box_mask(geometry, slice(None), slice(None), slice(None))
    picture, _ = draw_case(volume(image, geometry), [mask], [mask], mask)
    assert len(picture.content) <= LARGEST
    assert pixels(picture.content).shape == (SIDE, SIDE, 3)


def test_black_and_white_are_percentiles_of_the_slice():
    """One voxel that glows does not darken the rest; a slice of one value has no window."""
    geometry = grid((100, 100, 1))
    image = np.arange(10_000, dtype=np.float32).reshape(geometry.shape)
    image[0, 99, 99] = 1e9
    plane = Plane.of(geometry)
    low, high = draw(image[0], plane, []).window
    assert (low, high) == pytest.approx((100, 9949), abs=1)
    assert draw(np.full((5, 5), 7.0), plane, []).window == (7.0, 7.0)


def test_without_a_mask_the_middle_slice_is_shown_whole(pixels):
    """Letters and a bar of length stand on it as well."""
    geometry = grid((50, 50, 9))
    image = np.zeros(geometry.shape, dtype=np.int16)
    picture, drawn = draw_case(volume(image, geometry), [])
    assert (drawn.slice, drawn.inside) == (5, ())
    white = np.argwhere(pixels(picture.content).sum(axis=2) > 740)
    # Four letters, and the bar: 10 mm of the 50 that are seen.
    assert len(white) > 50
    bar = white[np.abs(white[:, 0] - (SIDE - 12)) <= 1]
    assert np.ptp(bar[bar[:, 1] < SIDE / 3][:, 1]) == pytest.approx(10 / 50 * SIDE, abs=4)


def test_the_ring_the_organ_and_another_reader_are_outlined(pixels):
    """Each in its colour."""
    geometry = grid((60, 60, 3))
    image = np.full(geometry.shape, 50, dtype=np.int16)
    tumour, other, ring, organ = (
        box_mask(geometry, slice(1, 2), slice(a, b), slice(a, b))
        for a, b in ((25, 33), (23, 30), (18, 40), (8, 52))
    )
    content = draw_case(volume(image, geometry), [tumour, other], [ring], organ)[0].content
    bare = draw_case(volume(image, geometry), [tumour])[0].content
    for colour in ("#56B4E9", "#00B383", "#F58ACB"):
        assert len(_like(pixels(content), colour, 90)) > 20
        assert len(_like(pixels(bare), colour, 90)) == 0


def test_what_was_measured_comes_back_from_its_text():
    """A text that is something else is nothing."""
    geometry = grid((20, 20, 4))
    mask = box_mask(geometry, slice(1, 3), slice(5, 9), slice(5, 9))
    image = np.random.default_rng(0).normal(size=geometry.shape).astype(np.float32)
    _, drawn = draw_case(volume(image, geometry), [mask, mask])
    assert Drawn.of_text(drawn.to_text()) == drawn
    for text in ("", "{}", "[1]", drawn.to_text()[:-9], drawn.to_text().replace("dice", "die")):
        assert Drawn.of_text(text) is None
