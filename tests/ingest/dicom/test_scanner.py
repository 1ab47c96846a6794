"""Facts of the scanner: plausible numbers, clean texts, nothing else."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from pydicom.dataset import Dataset

from mvi_ray.ingest.dicom import Scanner, scanner_facts
from tests.ingest.dicom.writing import noise, write_enhanced, write_series

if TYPE_CHECKING:
    from conftest import Shelf


def facts(shelf: Shelf, **header: Any) -> Scanner:
    """Of a series with these elements."""
    write_series(shelf.path, noise((2, 3, 3)), **header)
    return scanner_facts(shelf.parts()[0])


def test_facts_are_read(shelf: Shelf) -> None:
    """One column each."""
    found = facts(
        shelf,
        MagneticFieldStrength="3",
        RepetitionTime="4.5",
        EchoTime="2.1",
        FlipAngle="10",
        SliceThickness="3",
        AcquisitionDate="20200215",
    )
    assert found == Scanner("Maker", "Model 3", 3.0, 3.0, 4.5, 2.1, 10.0, date(2020, 2, 15), "MR")


@pytest.mark.parametrize(
    ("written", "tesla"),
    [("1.5", 1.5), ("15000", 1.5), ("30000", 3.0), ("0", None), ("-3", None), ("1500", None), ("x", None)],
)
def test_field_in_gauss_is_converted_and_nonsense_is_not_kept(
    shelf: Shelf, written: str, tesla: float | None
) -> None:
    """1500 may be millitesla or a weak magnet in gauss."""
    import pydicom

    write_series(shelf.path, noise((2, 3, 3)), MagneticFieldStrength="8")
    for path in shelf.path.iterdir():
        content = pydicom.dcmread(path)
        element = content["MagneticFieldStrength"]
        content[element.tag] = pydicom.DataElement(element.tag, "SH", written)
        content.save_as(path)
    assert scanner_facts(shelf.parts()[0]).field_strength_t == tesla


def test_implausible_numbers_are_left_out(shelf: Shelf) -> None:
    """Zeros, negative and huge ones."""
    found = facts(shelf, RepetitionTime="0", EchoTime="-1", FlipAngle="900", SliceThickness="5000")
    assert (found.repetition_time_ms, found.echo_time_ms, found.flip_angle_deg) == (None, None, None)
    assert found.slice_thickness_mm is None


def test_texts_are_cleaned_and_cut(shelf: Shelf) -> None:
    """One line of at most 64 characters."""
    with pytest.warns(UserWarning, match="exceeds the maximum length of 64"):
        write_series(
            shelf.path,
            noise((2, 3, 3)),
            Manufacturer="  Ma\tker\x1b[31m ",
            ManufacturerModelName="x" * 64 + "MUELLER",
        )
    found = scanner_facts(shelf.parts()[0])
    assert found.manufacturer == "Ma ker [31m"
    assert found.model == "x" * 64


def test_missing_texts_are_none(shelf: Shelf) -> None:
    """Absent or blank."""
    found = facts(shelf, Manufacturer=" ", ManufacturerModelName=None)
    assert (found.manufacturer, found.model) == (None, None)


def test_date_of_the_series_stands_in_for_that_of_the_acquisition(shelf: Shelf) -> None:
    """The nearest date there is."""
    assert facts(shelf, AcquisitionDate=None, SeriesDate="20200301").acquired_on == date(2020, 3, 1)


def test_facts_of_an_enhanced_file_stand_in_its_groups(shelf: Shelf) -> None:
    """Shared by all frames, or of the first one."""

    def change(header: Dataset) -> None:
        shared = header.SharedFunctionalGroupsSequence[0]
        timing, echo = Dataset(), Dataset()
        timing.RepetitionTime, timing.FlipAngle = "5.5", "12"
        echo.EffectiveEchoTime = 2.25
        shared.MRTimingAndRelatedParametersSequence = [timing]
        shared.MREchoSequence = [echo]

    write_enhanced(shelf.path / "a.dcm", [noise()], change=change, MagneticFieldStrength="3")
    found = scanner_facts(shelf.parts()[0])
    assert (found.repetition_time_ms, found.echo_time_ms, found.flip_angle_deg) == (5.5, 2.25, 12.0)
    assert (found.field_strength_t, found.slice_thickness_mm) == (3.0, 9.5)


def test_modality_is_a_code_of_the_standard(shelf: Shelf) -> None:
    """What stands there is shown in messages, so it may be nobody's name."""
    assert facts(shelf, Modality="MUELLER").modality == "OT"
