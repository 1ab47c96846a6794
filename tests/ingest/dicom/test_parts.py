"""Time points, echoes and kinds of image of one series, and what tells them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.errors import CaseError
from mvi_ray.ingest.dicom import parts_of, read_part, scan_folder
from tests.ingest.dicom.writing import noise, write_enhanced, write_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Shelf
    from pydicom.dataset import Dataset

N = 5
TIMES = ["101500.00", "101530.25", "101640.00"]


def write_dynamic(
    folder: Path, change: Callable[[Dataset, int, int], Any] | None = None, count: int = 3
) -> list[np.ndarray]:
    """A series of several time points, one block of numbers each, told apart by what `change` sets."""
    volumes = [noise(seed=10 + t) for t in range(count)]
    for t, volume in enumerate(volumes):
        write_series(
            folder,
            volume,
            first=1 + t * N,
            change=None if change is None else lambda h, at, t=t: change(h, t, at),
        )
    return volumes


def setter(**elements: list[Any]) -> Callable[[Dataset, int, int], None]:
    """Give each time point its value of some elements."""

    def change(header: Dataset, t: int, _: int) -> None:
        for key, values in elements.items():
            setattr(header, key, values[t])

    return change


@pytest.mark.parametrize(
    ("elements", "by", "after"),
    [
        ({"TemporalPositionIdentifier": [1, 2, 3]}, "temporal_position", [None] * 3),
        ({"AcquisitionNumber": [4, 7, 9]}, "acquisition", [None] * 3),
        ({"AcquisitionTime": TIMES}, "acquisition_time", [0, 30.25, 100]),
        ({"AcquisitionDateTime": [f"20200214{t}" for t in TIMES]}, "acquisition_time", [0, 30.25, 100]),
        ({"ContentTime": TIMES}, "content_time", [0, 30.25, 100]),
        ({"TriggerTime": [0, 1500, 60000]}, "trigger_time", [0, 1.5, 60]),
    ],
)
def test_attribute_that_cuts_into_equal_stacks_is_found(
    shelf: Shelf, elements: dict[str, list[Any]], by: str, after: list[float | None]
) -> None:
    """`auto` finds it, and the same attribute can be asked for by name."""
    volumes = write_dynamic(shelf.path, setter(**elements))
    for split in ("auto", by):
        parts = shelf.parts(split)
        assert [(p.number, p.of, p.separated_by) for p in parts] == [(n, 3, (by,)) for n in (1, 2, 3)]
        assert [p.after_s for p in parts] == pytest.approx(after) if None not in after else after
        for part, volume in zip(parts, volumes, strict=True):
            assert np.array_equal(read_part(part).volume.array, volume)


def test_parts_are_in_order_of_time_whatever_their_numbers(shelf: Shelf) -> None:
    """The last block was acquired first."""
    volumes = write_dynamic(shelf.path, setter(AcquisitionTime=["1030", "1020", "1010"]))
    parts = shelf.parts()
    assert [p.after_s for p in parts] == [0, 600, 1200]
    assert np.array_equal(read_part(parts[0]).volume.array, volumes[2])


@pytest.mark.parametrize("clock", ["Acquisition", "Content"])
def test_parts_go_on_past_midnight(shelf: Shelf, clock: str) -> None:
    """Times without dates: the examination began at ten to twelve."""
    times = ["235000", "235930", "000010"]
    change = setter(**{f"{clock}Time": times, f"{clock}Date": [None] * 3})
    volumes = write_dynamic(shelf.path, change)
    parts = shelf.parts()
    assert [p.after_s for p in parts] == [0, 570, 610]
    for part, volume in zip(parts, volumes, strict=True):
        assert np.array_equal(read_part(part).volume.array, volume)


def test_attribute_that_cuts_unevenly_is_passed_over(shelf: Shelf) -> None:
    """As in a real series: AcquisitionNumber makes one and two stacks, ContentTime three."""
    write_dynamic(shelf.path, setter(AcquisitionNumber=[1, 2, 2], ContentTime=TIMES))
    assert {p.separated_by for p in shelf.parts()} == {("content_time",)}
    uneven = shelf.parts("acquisition")
    assert [len(p.instances) for p in uneven] == [N, 2 * N]
    with pytest.raises(CaseError, match="with different pixels"):
        read_part(uneven[1])


def test_without_any_attribute_the_order_of_numbers_counts(shelf: Shelf) -> None:
    """Blocks one after the other."""
    volumes = write_dynamic(shelf.path)
    parts = shelf.parts()
    assert [p.separated_by for p in parts] == [("order",)] * 3
    assert [p.after_s for p in parts] == [None] * 3
    assert all(np.array_equal(read_part(p).volume.array, v) for p, v in zip(parts, volumes, strict=True))


def test_order_also_holds_when_all_times_of_a_slice_come_first(shelf: Shelf) -> None:
    """Numbers run over times, then over slices."""

    def interleave(header: Dataset, t: int, at: int) -> None:
        header.InstanceNumber = at * 3 + t + 1

    volumes = write_dynamic(shelf.path, interleave)
    for part, volume in zip(shelf.parts(), volumes, strict=True):
        assert np.array_equal(read_part(part).volume.array, volume)


def test_order_that_contradicts_the_times_is_an_error(shelf: Shelf) -> None:
    """Each slice has a time of its own, so they do not cut; and they run backwards."""

    def change(header: Dataset, t: int, at: int) -> None:
        header.AcquisitionTime = f"10{50 - t * 10:02d}{at:02d}"

    volumes = write_dynamic(shelf.path, change)
    assert "contradicts their acquisition time" in shelf.refusal()
    parts = shelf.parts("acquisition_time")
    assert np.array_equal(read_part(parts[0]).volume.array, volumes[2])
    assert [p.after_s for p in parts] == [0, 600, 1200]
    assert np.array_equal(shelf.read(1, "order").volume.array, volumes[0])


def test_slice_lost_from_one_time_point_costs_this_one_only(shelf: Shelf) -> None:
    """The others are complete."""

    def change(header: Dataset, t: int, at: int) -> bool:
        header.AcquisitionTime = TIMES[t]
        return (t, at) != (1, 2)

    volumes = write_dynamic(shelf.path, change)
    parts = shelf.parts()
    assert [len(p.instances) for p in parts] == [5, 4, 5]
    assert parts[0].remarks == (
        "part 2 has slices at 4 of 5 places; export the series anew if some were lost",
    )
    assert np.array_equal(read_part(parts[2]).volume.array, volumes[2])
    with pytest.raises(CaseError, match="1 slice is missing"):
        read_part(parts[1])


@pytest.mark.parametrize(
    ("elements", "by"),
    [
        ({"ImageType": [["ORIGINAL", "PRIMARY", k] for k in ("M", "P", "R")]}, "image_type"),
        ({"EchoNumbers": [1, 2, 3], "EchoTime": ["2.3", "4.6", "6.9"]}, "echo"),
        ({"EchoTime": ["2.3", "4.6", "6.9"]}, "echo"),
        ({"DiffusionBValue": [0.0, 50.0, 800.0]}, "b_value"),
    ],
)
def test_kinds_of_image_are_parts(shelf: Shelf, elements: dict[str, list[Any]], by: str) -> None:
    """Magnitude and phase, echoes, diffusion weightings: no time passes between them."""
    volumes = write_dynamic(shelf.path, setter(**elements))
    parts = shelf.parts()
    assert [(p.separated_by, p.after_s) for p in parts] == [((by,), None)] * 3
    for part, volume in zip(parts, volumes, strict=True):
        assert np.array_equal(read_part(part).volume.array, volume)


def test_echoes_of_time_points_are_told_apart_by_both(shelf: Shelf) -> None:
    """Two echoes at two times: four parts, echo first, seconds counted within each echo."""
    write_dynamic(
        shelf.path,
        setter(EchoTime=["2", "2", "5", "5"], AcquisitionTime=["1000", "1001", "1000", "1001"]),
        count=4,
    )
    for split in ("auto", "acquisition_time"):
        assert [(p.separated_by, p.after_s) for p in shelf.parts(split)] == [
            (("echo", "acquisition_time"), 0),
            (("echo", "acquisition_time"), 60),
        ] * 2
    assert [p.separated_by for p in shelf.parts("order")] == [("echo", "order")] * 4


def test_series_that_does_not_repeat_is_one_part(shelf: Shelf) -> None:
    """Also when each slice has its own time."""

    def change(header: Dataset, at: int) -> None:
        header.AcquisitionTime = f"10{at:02d}00"
        header.AcquisitionNumber = at

    write_series(shelf.path, noise(), change=change)
    for split in ("auto", "acquisition_time", "acquisition", "trigger_time", "order", "none"):
        (part,) = shelf.parts(split)
        assert (part.number, part.of, part.separated_by, len(part.instances)) == (1, 1, (), N)


def test_copies_of_files_are_not_time_points(shelf: Shelf) -> None:
    """A folder exported twice has the same slices, and each is taken once."""
    array = noise()
    write_series(shelf.path / "a", array)
    write_series(shelf.path / "b", array)
    (part,) = shelf.parts()
    reading = read_part(part)
    assert np.array_equal(reading.volume.array, array)
    assert reading.remarks == (
        "5 slices stand twice with the same pixels and counted once; remove the copies",
    )


def test_copy_that_differs_is_an_error(shelf: Shelf) -> None:
    """The same UID, other pixels."""
    write_series(shelf.path / "a", noise())
    write_series(shelf.path / "b", noise(seed=2))
    assert "5 slices stand at the place of another one with different pixels" in shelf.refusal()


def test_asking_for_none_leaves_the_series_whole(shelf: Shelf) -> None:
    """Then repeated places are doubled slices."""
    write_dynamic(shelf.path, setter(AcquisitionTime=TIMES))
    assert len(shelf.parts("none")) == 1
    assert "10 slices stand at the place of another one with different pixels" in shelf.refusal("none")


def test_asking_for_an_attribute_that_is_missing_is_an_error(shelf: Shelf) -> None:
    """With the number of slices that lack it."""
    write_dynamic(shelf.path, setter(AcquisitionTime=TIMES))
    assert "15 of 15 slices do not give their trigger time" in shelf.refusal("trigger_time")


def test_series_of_contours_has_no_parts(shelf: Shelf) -> None:
    """Only images have."""
    write_series(
        shelf.path, noise(), SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT", PixelData=None
    )
    (series,) = scan_folder(shelf.path).series
    assert series.kind == "contours"
    with pytest.raises(CaseError, match=f"series {series.key} holds no images \\(RTSTRUCT\\)"):
        parts_of(series)


@pytest.mark.parametrize("interleaved", [False, True])
def test_frames_of_an_enhanced_file_are_taken_apart(shelf: Shelf, interleaved: bool) -> None:
    """Temporal position, place and rescaling stand in the functional groups of each frame."""
    volumes = [noise(seed=s) for s in (1, 2, 3)]
    slopes = [(1.0, 0.0), (2.0, 5.0), (0.5, 0.0)]
    write_enhanced(shelf.path / "MUELLER.dcm", volumes, slopes=slopes, interleaved=interleaved)
    parts = shelf.parts()
    assert [(p.separated_by, p.after_s) for p in parts] == [(("temporal_position",), s) for s in (0, 30, 60)]
    for part, volume, (slope, intercept) in zip(parts, volumes, slopes, strict=True):
        read = read_part(part).volume
        assert np.array_equal(read.array, volume * slope + intercept)
        assert read.geometry.spacing == (0.8, 1.2, 2.5)
    assert [read_part(p).volume.array.dtype.kind for p in parts] == ["i", "i", "f"]


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(15)), unit=st.sampled_from(["AcquisitionTime", "TriggerTime", None]))
def test_parts_do_not_depend_on_the_order_of_files(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], unit: str | None
) -> None:
    """Any names, hence any order on disk, give the same parts."""
    folder = tmp_path_factory.mktemp("order")
    values = {"AcquisitionTime": TIMES, "TriggerTime": [1, 2, 3]}
    change = None if unit is None else setter(**{unit: values[unit]})
    volumes = write_dynamic(folder, change)
    for at, path in zip(order, sorted(folder.iterdir()), strict=True):
        path.rename(folder / f"f{at:02d}")
    (series,) = scan_folder(folder).series
    for part, volume in zip(parts_of(series), volumes, strict=True):
        assert np.array_equal(read_part(part).volume.array, volume)
