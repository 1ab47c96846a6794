"""Calibration: stored durations correct the prediction, and a few odd ones do not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.project.cost import FEWEST, Calibration, Costs, Timed, family_settings
from mvi_ray.voi import VOI_KEY


def _timed(*ratios: float, phase: str = "AP", region: str = "intratumoral") -> list[Timed]:
    return [Timed("CR", phase, region, 2.0, 2.0 * ratio) for ratio in ratios]


def test_nothing_stored_corrects_nothing() -> None:
    """And neither do fewer VOIs than a median needs."""
    assert Calibration.of([]).factor("CR", "AP", "intratumoral") == 1
    few = Calibration.of(_timed(*[3.0] * (FEWEST - 1)))
    assert (few.factor("CR", "AP", "intratumoral"), dict(few.vois)) == (1, {})


def test_the_median_ratio_is_the_factor() -> None:
    """One VOI that waited for a busy disk is not heard."""
    found = Calibration.of(_timed(2.9, 3.0, 3.0, 3.1, 400.0))
    assert found.factor("CR", "AP", "intratumoral") == pytest.approx(3.0)
    assert found.vois == {"CR": 5}


def test_a_phase_and_region_has_a_factor_of_its_own_others_that_of_the_family() -> None:
    """Another family has none."""
    found = Calibration.of(_timed(*[2.0] * 9) + _timed(*[8.0] * 6, phase="PP") + _timed(5.0, phase="HBP"))
    assert found.factor("CR", "AP", "intratumoral") == pytest.approx(2.0)
    assert found.factor("CR", "PP", "intratumoral") == pytest.approx(8.0)
    assert found.factor("CR", "HBP", "intratumoral") == pytest.approx(2.0)
    assert found.factor("DLR", "AP", "intratumoral") == 1


@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(1e-9, 1e9), min_size=FEWEST))
def test_a_factor_stays_within_a_sane_range(ratios: list[float]) -> None:
    """Whatever is stored, a prediction is neither nothing nor for ever."""
    assert 0.05 <= Calibration.of(_timed(*ratios)).factor("CR", "AP", "intratumoral") <= 20


def test_durations_of_the_store_calibrate_the_next_prediction(extracted) -> None:
    """Eight VOIs of each family are stored; a second run of them counts as a second VOI would."""
    project = extracted.open()
    project.refresh()
    masks = {tuple(row[k] for k in VOI_KEY): row for row in project.store.tables["masks"].read().to_pylist()}
    plain = Costs(family_settings(project.study))
    better = plain.calibrated(project.store, masks)
    assert better.calibration.vois == {"CR": 8, "DLR": 8}
    kinds = ["original", "log-sigma-3-0-mm-3D"]
    query = "SELECT median(duration_s) AS s FROM cr WHERE phase = 'AP'"
    (measured,) = project.sql(query).to_pylist()
    mask = masks["P1", "baseline", "AP", "1", "intratumoral", "R1"]
    off = [abs(costs.seconds("CR", mask, kinds) / measured["s"] - 1) for costs in (plain, better)]
    assert off[1] < off[0]
    assert better.bytes("CR", mask, kinds) == plain.bytes("CR", mask, kinds)


def test_durations_of_another_mask_or_other_settings_are_not_heard(extracted) -> None:
    """They say nothing about the size of what is there now."""
    project = extracted.open()
    project.refresh()
    masks = {
        tuple(row[k] for k in VOI_KEY): row | {"input_digest": "another"}
        for row in project.store.tables["masks"].read().to_pylist()
    }
    plain = Costs(family_settings(project.study))
    assert plain.calibrated(project.store, masks).calibration == Calibration()
    extracted.write_study(binning="bin_count: 16")
    again = extracted.open()
    again.refresh()
    masks = {tuple(row[k] for k in VOI_KEY): row for row in again.store.tables["masks"].read().to_pylist()}
    assert set(plain.calibrated(again.store, masks).calibration.vois) == {"DLR"}
