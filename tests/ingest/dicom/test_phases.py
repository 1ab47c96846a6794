"""Rules of the study against series and parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mvi_ray.ingest.dicom import parts_of, phase_of, phases_of, scan_folder
from mvi_ray.study import Dicom, SeriesRule
from tests.ingest.dicom.writing import noise, write_series

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Shelf

    from mvi_ray.ingest.dicom import Part

N = 5


def write_dynamic(folder: Path, series: int = 1, start: int = 1030, **header: Any) -> None:
    """Three time points, one minute apart."""
    for t in range(3):
        write_series(
            folder,
            noise(seed=t),
            series=series,
            first=1 + t * N,
            name=f"s{series}",
            AcquisitionTime=f"{start + t}00",
            TriggerTime=1000.0 * t,
            AcquisitionNumber=t + 7,
            TemporalPositionIdentifier=t + 1,
            **header,
        )


def rules(**phases: dict[str, Any]) -> Dicom:
    """A study's rules."""
    return Dicom(phases={name: SeriesRule(**rule) for name, rule in phases.items()})


def found(folder: Path, dicom: Dicom) -> dict[str, list[tuple[int | None, int]]]:
    """Series and part numbers of each phase."""
    parts = phases_of(scan_folder(folder).series, dicom)
    return {name: [(p.series.number, p.number) for p in there] for name, there in parts.items()}


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        ({"modality": "MR"}, [1, 2, 3]),
        ({"modality": "mr", "part": 2}, [2]),
        ({"modality": "CT"}, []),
        ({"description": "*DYN*"}, [1, 2, 3]),
        ({"description": ["*portal*", "T1*"], "part": 1}, [1]),
        ({"description": "dyn"}, []),
        ({"series_number": 3, "part": 1}, [1]),
        ({"series_number": 4}, []),
        ({"after_s": [30, 90]}, [2]),
        ({"after_s": [0, 60]}, [1, 2]),
        ({"temporal_position": 3}, [3]),
        ({"acquisition": 7}, [1]),
        ({"trigger_time_ms": [500, 2500]}, [2, 3]),
        ({"image_type": ["ORIGINAL", "oth*"], "part": 1}, [1]),
        ({"image_type": ["DERIVED"]}, []),
    ],
)
def test_each_condition_counts(shelf: Shelf, rule: dict[str, Any], numbers: list[int]) -> None:
    """Patterns know no upper and lower case; everything given must hold."""
    write_dynamic(shelf.path)
    assert found(shelf.path, rules(AP=rule)) == {"AP": [(3, n) for n in numbers]}


def test_part_may_belong_to_several_phases(shelf: Shelf) -> None:
    """Which one is meant is not guessed."""
    write_dynamic(shelf.path)
    series = shelf.series()
    dicom = rules(AP={"part": 1}, PP={"modality": "MR"}, HBP={"part": 3})
    assert [phase_of(series, part, dicom) for part in parts_of(series)] == [
        ("AP", "PP"),
        ("PP",),
        ("PP", "HBP"),
    ]


def test_seconds_count_from_the_earliest_series_where_the_rule_says_so(shelf: Shelf) -> None:
    """The hepatobiliary phase is a series of its own, twenty minutes later."""
    write_dynamic(shelf.path, SeriesNumber=1)
    write_dynamic(shelf.path, series=2, start=1050, SeriesNumber=2)
    dicom = rules(
        AP={"after_s": [0, 10], "since": "study"},
        HBP={"after_s": [1100, 1230], "since": "study"},
        any={"part": 1},
    )
    assert found(shelf.path, dicom) == {"AP": [(1, 1)], "HBP": [(2, 1)], "any": [(1, 1), (2, 1)]}


def test_seconds_of_an_examination_go_on_past_midnight(shelf: Shelf) -> None:
    """Without dates; the second series began half an hour later."""
    undated: dict[str, Any] = {"AcquisitionDate": None, "SeriesDate": None, "ContentDate": None}
    write_dynamic(shelf.path, SeriesNumber=1, start=2355, **undated)
    write_series(
        shelf.path, noise(), series=2, name="s2", SeriesNumber=2, AcquisitionTime="002500", **undated
    )
    dicom = rules(
        AP={"after_s": [0, 10], "since": "study"},
        HBP={"after_s": [1790, 1810], "since": "study"},
    )
    assert found(shelf.path, dicom) == {"AP": [(1, 1)], "HBP": [(2, 1)]}
    by_time = sorted(scan_folder(shelf.path).series, key=lambda one: one.started or 0)
    assert [one.number for one in by_time] == [1, 2]


def test_rule_of_seconds_fits_nothing_without_a_clock(shelf: Shelf) -> None:
    """No time, no match."""
    write_series(shelf.path, noise(), SeriesTime=None, SeriesDate=None, AcquisitionDate=None)
    dicom = rules(AP={"after_s": [0, 9e9], "since": "study"}, PP={"after_s": [0, 0]})
    assert found(shelf.path, dicom) == {"AP": [], "PP": []}


def test_series_that_cannot_be_taken_apart_fits_nothing(shelf: Shelf) -> None:
    """Its fault is told when it is read; masks are no phases."""
    for first in (1, 11):
        write_series(shelf.path, noise(), first=first)
    write_series(shelf.path, noise(), series=2, name="seg", SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
    dicom = Dicom(split="trigger_time", phases={"AP": SeriesRule(part=1)})
    assert found(shelf.path, dicom) == {"AP": []}


def test_parts_are_not_printed_with_their_series(shelf: Shelf) -> None:
    """A description is free text."""
    write_dynamic(shelf.path)
    parts: list[Part] = phases_of(scan_folder(shelf.path).series, rules(AP={"modality": "MR"}))["AP"]
    shelf.check_text(repr(parts))
