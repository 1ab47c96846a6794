"""SUV by body weight, against numbers worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from mvi_ray.ingest.dicom.suv import suv_factor
from tests.ingest.dicom.writing import noise, write_series

if TYPE_CHECKING:
    from conftest import Shelf

HALF_LIFE = 6586.2
"""Seconds, fluorine-18."""


def write_pet(shelf: Shelf, dose: dict[str, Any] | None = None, **header: Any) -> np.ndarray:
    """70 kg, 350 MBq injected at 9:00, scanned one half-life later: SUV = value × 70000 / 175e6."""
    drug = Dataset()
    elements = {
        "RadionuclideTotalDose": "350000000",
        "RadionuclideHalfLife": str(HALF_LIFE),
        "RadiopharmaceuticalStartTime": "090000",
        **(dose or {}),
    }
    for key, value in elements.items():
        if value is not None:
            setattr(drug, key, value)
    array = noise()
    whole = {
        "Units": "BQML",
        "DecayCorrection": "START",
        "CorrectedImage": ["DECY", "ATTN", "SCAT"],
        "PatientWeight": "70",
        "SeriesTime": "104946.2",
        "AcquisitionTime": "104946.2",
        "RescaleSlope": "1.5",
        "RescaleIntercept": "0",
        "RadiopharmaceuticalInformationSequence": [drug],
        **header,
    }
    write_series(shelf.path, array, modality="PT", **whole)
    return array


def test_decay_to_the_start_of_the_scan_halves_the_dose(shelf: Shelf) -> None:
    """One half-life of 6586.2 s after nine o'clock."""
    array = write_pet(shelf)
    assert suv_factor(shelf.parts()[0]) == pytest.approx(70_000 / 175e6, rel=1e-12)
    volume = shelf.read(suv=True).volume
    assert volume.array == pytest.approx(array * 1.5 * 4e-4)


def test_values_stay_activity_unless_the_study_asks(shelf: Shelf) -> None:
    """SUV is a choice."""
    array = write_pet(shelf)
    assert np.array_equal(shelf.read().volume.array, array * 1.5)


def test_decay_corrected_to_the_injection_takes_the_whole_dose(shelf: Shelf) -> None:
    """DecayCorrection ADMIN."""
    write_pet(shelf, DecayCorrection="ADMIN")
    assert suv_factor(shelf.parts()[0]) == pytest.approx(70_000 / 350e6)


@pytest.mark.parametrize(
    "dose",
    [
        {"RadiopharmaceuticalStartDateTime": "20200213234946.2", "RadiopharmaceuticalStartTime": None},
        {"RadiopharmaceuticalStartTime": "234946.2"},
    ],
)
def test_injection_before_midnight_counts_from_the_day_before(shelf: Shelf, dose: dict[str, Any]) -> None:
    """Two hours and a half-life is not minus 22 hours."""
    write_pet(shelf, dose, SeriesTime="013932.4", AcquisitionTime="013932.4")
    assert suv_factor(shelf.parts()[0]) == pytest.approx(70_000 / 175e6)


def test_suv_of_the_scanner_is_left_as_it_is(shelf: Shelf) -> None:
    """Units GML."""
    array = write_pet(shelf, Units="GML", SUVType="BW")
    assert np.array_equal(shelf.read(suv=True).volume.array, array * 1.5)


def test_other_modalities_are_not_asked(shelf: Shelf) -> None:
    """A study of PET and MR."""
    array = noise()
    write_series(shelf.path, array)
    assert np.array_equal(shelf.read(suv=True).volume.array, array)


@pytest.mark.parametrize(
    ("header", "dose", "said"),
    [
        ({"Units": "CNTS"}, {}, "neither activity"),
        ({"Units": "GML", "SUVType": "LBM"}, {}, "another measure than body weight"),
        ({"CorrectedImage": ["DECY"]}, {}, "not corrected for attenuation"),
        ({"CorrectedImage": ["ATTN"]}, {}, "attenuation and decay"),
        ({"DecayCorrection": "NONE"}, {}, "to a known time"),
        ({"PatientWeight": None}, {}, "SUV takes the weight,"),
        ({"PatientWeight": "0"}, {"RadionuclideTotalDose": None}, "SUV takes the weight, dose,"),
        ({}, {"RadionuclideHalfLife": None}, "SUV takes the half-life,"),
        ({}, {"RadiopharmaceuticalStartTime": None}, "the times of injection and series"),
        ({"SeriesTime": "110000"}, {}, "the series time is no time of the scan"),
        ({}, {"RadiopharmaceuticalStartDateTime": "20200201090000"}, "not on the day before the scan"),
        ({}, {"RadiopharmaceuticalStartDateTime": "20200214120000"}, "not on the day before the scan"),
    ],
)
def test_what_is_missing_is_told(
    shelf: Shelf, header: dict[str, Any], dose: dict[str, Any], said: str
) -> None:
    """No SUV is better than a wrong one."""
    write_pet(shelf, dose, **header)
    message = shelf.refusal(suv=True)
    assert said in message
    assert message.endswith("set dicom.suv to false, or export SUV images")
