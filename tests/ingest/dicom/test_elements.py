"""Values of a header: every question has an answer, whatever bytes there are."""

from __future__ import annotations

import zlib
from datetime import date
from typing import TYPE_CHECKING

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from mvi_ray.errors import CaseError
from mvi_ray.ingest.dicom import elements, read_header
from mvi_ray.ingest.dicom.elements import Elements, as_day, as_seconds
from mvi_ray.ingest.silence import quiet
from tests.ingest.dicom.writing import noise, save, write_series

if TYPE_CHECKING:
    from pathlib import Path

POSITION = 0x00200032


def raw(value: bytes | None, kind: str | None = "DS", tag: int = POSITION) -> Elements:
    """A header of one element as it stands in a file."""
    length = 0 if value is None else len(value)
    element = RawDataElement(Tag(tag), kind, length, value, 0, kind is None, True)
    return Elements(pydicom.Dataset({Tag(tag): element}))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("103238", 37958.0),
        ("103238.25", 37958.25),
        ("1032", 37920.0),
        ("10", 36000.0),
        ("10:32:38", 37958.0),
        ("235960", 86400.0),
        ("", None),
        ("24", None),
        ("1060", None),
        ("103", None),
        ("ten", None),
        ("10²2", None),
        ("-10", None),
    ],
)
def test_times_are_seconds_of_the_day(text: str, seconds: float | None) -> None:
    """DICOM PS3.5 6.2, TM, and the older way with colons."""
    assert as_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20080229", date(2008, 2, 29)),
        ("2008.02.29", date(2008, 2, 29)),
        ("20090229", None),
        ("200902", None),
        ("", None),
        ("00000000", None),
    ],
)
def test_dates_are_days_that_exist(text: str, day: date | None) -> None:
    """DICOM PS3.5 6.2, DA, and the older way with dots."""
    assert as_day(text) == day


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        (b"1\\2.5\\-3e1 ", (1.0, 2.5, -30.0)),
        (b" 1 \\ 2", (1.0, 2.0)),
        (b"1\\x", ()),
        (b"1\\\\2", ()),
        (b"nan\\1", ()),
        (b"inf", ()),
        (b"1e999", ()),
        (b"", ()),
        (None, ()),
        (b"\xff\xfe", ()),
    ],
)
def test_numbers_are_all_finite_or_none(value: bytes | None, numbers: tuple[float, ...]) -> None:
    """Half a position is no position."""
    assert raw(value).numbers(POSITION) == numbers


@pytest.mark.parametrize(("kind", "order"), [("US", True), (None, True)])
def test_binary_numbers_are_read_in_explicit_and_implicit_files(kind: str | None, order: bool) -> None:
    """Rows; an implicit file does not say of which kind an element is."""
    assert raw(b"\x00\x01", kind, 0x00280010).whole(0x00280010) == 256


@given(
    value=st.binary(max_size=40),
    kind=st.sampled_from(["DS", "US", "FD", "UI", "SQ", "UN", "LO", "DA", None]),
    tag=st.sampled_from([POSITION, 0x00280010, 0x00100020, 0x00081115, 0x00080022, 0x0011_0011]),
)
def test_no_bytes_raise(value: bytes, kind: str | None, tag: int) -> None:
    """Each question, asked of any bytes under any kind."""
    with quiet():
        header = raw(value, kind, tag)
        assert all(number is not None for number in header.numbers(tag))
        assert isinstance(header.text(tag), str)
        assert isinstance(header.word(tag), str)
        assert all(isinstance(item, Elements) for item in header.items(tag))
        assert header.day(tag) is None or isinstance(header.day(tag), date)
        assert header.whole(tag) is None or isinstance(header.whole(tag), int)


def test_text_with_a_backslash_is_one_text(tmp_path: Path) -> None:
    """The standard forbids it in a PatientID, and hospitals write it: it stays one identifier."""
    assert raw(b"A17\\B4 ", "LO", 0x00100020).text(0x00100020) == "A17\\B4"
    (path, *_) = write_series(tmp_path, noise(), change=lambda header, _: _identified(header))
    header = read_header(path)
    assert header is not None
    assert header.identifier == "A17\\B4"


def _identified(header: pydicom.Dataset) -> None:
    header.PatientID = ["A17", "B4"]


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ([86390.0, 10.0, None, 20.0], [86390.0, 86410.0, None, 86420.0]),
        ([3600.0, 40000.0], [3600.0, 40000.0]),
        ([6e10, 6e10 + 86400], [6e10, 6e10 + 86400]),
        ([None], [None]),
    ],
)
def test_times_without_a_date_go_on_past_midnight(
    times: list[float | None], told: list[float | None]
) -> None:
    """23:59:50 comes before 00:00:10; with a date they tell it themselves."""
    assert elements.past_midnight(times) == told


def test_instant_counts_days(tmp_path: Path) -> None:
    """A minute before midnight and one after it are two minutes apart."""
    late = raw(b"20200214235900", "DT", 0x0008002A).instant(0x0008002A, 0, 0)
    early = raw(b"20200215000100.0000+0100", "DT", 0x0008002A).instant(0x0008002A, 0, 0)
    assert late is not None
    assert early == late + 120


def test_file_that_inflates_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deflated file of a few kilobytes may be gigabytes; it is counted, not kept."""
    monkeypatch.setattr(elements, "LARGEST_FILE", 2**20)
    (path, *_) = write_series(tmp_path, noise())
    header = pydicom.dcmread(path)
    del header.file_meta
    save(header, path, "1.2.840.10008.1.2.1.99")
    assert read_header(path) is not None
    content = path.read_bytes()
    start = 132 + 12 + int.from_bytes(content[140:144], "little")
    inflated = (
        zlib.decompress(content[start:], -15) + b"\xe0\x7f\x10\x00OB\0\0" + bytes([0, 0, 0, 1]) + bytes(2**24)
    )
    packer = zlib.compressobj(9, wbits=-15)
    path.write_bytes(content[:start] + packer.compress(inflated) + packer.flush())
    assert path.stat().st_size < 2**16
    with pytest.raises(CaseError, match="DICOM file is larger than"):
        read_header(path)
