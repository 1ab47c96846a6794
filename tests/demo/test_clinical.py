"""The synthetic patients follow the published distributions."""

from __future__ import annotations

import numpy as np
import pytest

from mvi_ray.demo.clinical import DIAMETER_MM, draw_patient


def _patients(count):
    return [draw_patient(index, np.random.default_rng((3, index))) for index in range(count)]


@pytest.mark.parametrize("mvi", [0, 1])
def test_age_and_afp_follow_the_published_training_cohort(mvi):
    """Mean age and share of high AFP agree with the publication within sampling error."""
    group = [p for p in _patients(3000) if p.mvi == mvi]
    age = {0: 59.5, 1: 57.8}[mvi]
    afp = {0: 19 / 126, 1: 39 / 90}[mvi]
    assert np.mean([p.age for p in group]) == pytest.approx(age, abs=1.0)
    assert np.mean([p.afp_400 == "yes" for p in group]) == pytest.approx(afp, abs=0.04)


def test_invasive_tumours_are_larger_within_the_drawn_range():
    """Size separates the outcomes as published: AUC of two shifted normals, 0.75."""
    patients = _patients(2000)
    sizes = {mvi: np.array([p.diameter_mm for p in patients if p.mvi == mvi]) for mvi in (0, 1)}
    larger = np.mean(sizes[1][:, np.newaxis] > sizes[0])
    assert larger == pytest.approx(0.75, abs=0.04)
    assert min(s.min() for s in sizes.values()) >= DIAMETER_MM[0]
    assert max(s.max() for s in sizes.values()) <= DIAMETER_MM[1]


@pytest.mark.parametrize("count", [6, 20, 24])
def test_both_centres_hold_both_outcomes(count):
    """Training and testing are possible, and about two thirds belong to centre A."""
    patients = _patients(count)
    assert {(p.centre, p.mvi) for p in patients} == {("A", 0), ("A", 1), ("B", 0), ("B", 1)}
    assert 0.6 <= np.mean([p.centre == "A" for p in patients]) <= 0.75
