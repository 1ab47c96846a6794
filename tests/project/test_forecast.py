"""`mvi extract --dry-run`: figures before the work, and nothing is touched."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.errors import StoreError, UsageError
from mvi_ray.project.cores import usable_cores
from mvi_ray.project.extraction import Options
from mvi_ray.project.forecast import forecast, makespan, remaining_s

_RUNLESS = """
import sys
from mvi_ray.project import Project
from mvi_ray.project.extraction import Options
from mvi_ray.project.forecast import forecast
found = forecast(Project(sys.argv[1]), Options(cpus=4))
loaded = {name.split(".")[0] for name in sys.modules}
print([(one.family, one.vois) for one in found.families], sorted(loaded & {"ray", "radiomics", "SimpleITK"}))
"""


def _files(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_forecast_says_what_an_extraction_then_does(tiny) -> None:
    """Units, VOIs and rows of each family; the extraction plans as many."""
    tiny.add("P1")
    found = forecast(tiny.open(), Options(cpus=2))
    assert [(one.family, one.units, one.vois, one.rows) for one in found.families] == [
        ("CR", 2, 4, 8),
        ("DLR", 2, 4, 4),
    ]
    assert found.cores == 2
    assert found.cpu_s == pytest.approx(sum(one.cpu_s for one in found.families))
    assert found.cpu_s / 2 < found.wall_s < found.cpu_s + 10
    assert found.memory_bytes == max(one.memory_bytes for one in found.families) > 2**28
    assert (found.quarantined, dict(found.outdated)) == (0, {})
    assert [one.calibrated_from for one in found.families] == [0, 0]
    assert all(
        one.largest.startswith("P1 baseline ") and one.largest.endswith(", 2 VOIs") for one in found.families
    )
    summary = tiny.extract()
    assert summary.planned == sum(one.vois for one in found.families)
    after = forecast(tiny.open(), Options(cpus=2))
    assert (after.families, after.wall_s, after.cpu_s, after.memory_bytes) == ((), 0.0, 0, 0)


def test_nothing_is_written_and_neither_ray_nor_an_engine_is_loaded(tiny, run_python) -> None:
    """In a fresh interpreter; every file of the project is as it was."""
    tiny.add("P1", ["AP"])
    before = _files(tiny.folder)
    done = run_python(_RUNLESS, str(tiny.folder))
    assert done.stdout == "[('CR', 2), ('DLR', 2)] []\n", done.stderr
    assert _files(tiny.folder) == before


def test_a_store_that_may_only_be_read_will_do(tiny) -> None:
    """The catalog is asked in a folder of its own."""
    tiny.add("P1", ["AP"])
    store = tiny.open().store.root
    store.chmod(0o500)
    try:
        assert forecast(tiny.open(), Options(cpus=1)).cpu_s > 0
    finally:
        store.chmod(0o700)


def test_stored_durations_correct_the_forecast(extracted) -> None:
    """Said with the number of VOIs that they come from."""
    extracted.add("P3", ["AP"])
    found = forecast(extracted.open(), Options(cpus=1))
    assert {one.family: one.calibrated_from for one in found.families} == {"CR": 8, "DLR": 8}


def test_regions_that_would_be_made_anew_are_told_and_not_counted(extracted) -> None:
    """The old masks have their values; how large the new ones are is not known."""
    extracted.write_study(ring_mm=3)
    found = forecast(extracted.open(), Options())
    assert (found.families, dict(found.outdated)) == ((), {"peritumoral": 4})
    assert found.cores == usable_cores()


def test_what_is_in_quarantine_stays_unless_asked_for(tiny) -> None:
    """The same flag as that of the extraction."""
    tiny.write_study(image_types="original: ", binning="bin_width: 1", dlr=False)
    tiny.add("P1", ["AP"], peak=1e5)
    assert tiny.extract().failed == 1
    left = forecast(tiny.open(), Options(cpus=1))
    assert (left.families, left.quarantined) == ((), 1)
    again = forecast(tiny.open(), Options(cpus=1, retry_failed=True))
    assert ([one.vois for one in again.families], again.quarantined) == ([1], 0)
    assert again.families[0].largest == "P1 baseline AP 1 intratumoral R1"


def test_a_forecast_as_json_has_plain_values(tiny) -> None:
    """Of one family, as asked."""
    tiny.add("P1", ["AP"])
    content = forecast(tiny.open(), Options(families=["cr"], cpus=3)).to_json()
    assert [one["family"] for one in content["families"]] == ["CR"]
    assert (content["cores"], content["quarantined"], content["outdated"]) == (3, 0, {})
    assert content["cpu_s"] == pytest.approx(content["families"][0]["cpu_s"])


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_of_a_cluster_no_end_is_foretold(tiny, monkeypatch, by) -> None:
    """Its size is not known before it is reached, and the cores of this machine say nothing."""
    tiny.add("P1", ["AP"])
    address = "10.1.2.3:6379"
    if by == "variable":
        monkeypatch.setenv("RAY_ADDRESS", address)
    found = forecast(tiny.open(), Options(cpus=2, address=address if by == "flag" else None))
    assert (found.cores, found.wall_s) == (None, None)
    assert found.cpu_s > 0
    assert (found.to_json()["cores"], found.to_json()["wall_s"]) == (None, None)


def test_an_unknown_family_or_an_empty_store_is_refused(tiny) -> None:
    """As by the extraction."""
    with pytest.raises(StoreError, match="the store is empty; run `mvi ingest` first"):
        forecast(tiny.open(), Options())
    with pytest.raises(UsageError, match="the study has no family 'MRI'"):
        forecast(tiny.open(), Options(families=["mri"]))


_costs = st.lists(st.floats(0.01, 1e4), min_size=1, max_size=60)
_cores = st.integers(1, 40)


@settings(derandomize=True, deadline=None)
@given(_costs, _cores)
def test_the_length_of_a_run_lies_within_graham_s_bounds(costs, cores) -> None:
    """No shorter than the mean load and the largest unit, and no longer than list scheduling allows."""
    length = makespan(costs, cores)
    load, largest = sum(costs) / cores, max(costs)
    assert length >= max(load, largest) * (1 - 1e-9)
    assert length <= (load + (1 - 1 / cores) * largest) * (1 + 1e-9)


def test_the_largest_first_fills_the_cores() -> None:
    """Graham's own example of the worst case for two cores: 3, 3, 2, 2, 2 takes 7, and 6 would do."""
    assert makespan([3, 3, 2, 2, 2], 2) == 7
    assert makespan([2, 3, 2, 3, 2], 1) == 12
    assert makespan([], 8) == 0


@settings(derandomize=True, deadline=None)
@given(_costs, st.floats(0, 1), st.floats(0, 1e5), _cores)
def test_time_left_ends_at_nothing_and_falls_with_what_is_done(costs, share, elapsed, cores) -> None:
    """At the same moment, more done never means longer."""
    total, largest = sum(costs), max(costs)
    half, more = share * total / 2, share * total
    left = remaining_s(total, half, elapsed, cores, min(largest, total - half))
    assert left >= remaining_s(total, more, elapsed, cores, min(largest, total - more)) >= 0
    assert remaining_s(total, total, elapsed, cores, 0.0) == 0


def test_time_left_begins_with_the_prediction() -> None:
    """A thousand seconds on four cores; a single unit cannot be shared."""
    assert remaining_s(1_000, 0, 0, 4, 50) == pytest.approx(250)
    assert remaining_s(1_000, 0, 0, 4, 1_000) == pytest.approx(1_000)


def test_time_left_follows_the_pace_of_the_run() -> None:
    """After ten minutes at half the predicted speed, what is left takes twice as long, or nearly."""
    steady = remaining_s(4_800, 1_200, 600, 4, 1)
    assert steady == pytest.approx(2 * 3_600 / 4, rel=0.06)
    assert remaining_s(4_800, 2_400, 600, 4, 1) == pytest.approx(600, rel=0.01)


def test_time_left_waits_for_the_largest_unit() -> None:
    """The last one of a hundred seconds keeps one of many cores busy."""
    assert remaining_s(1_000, 900, 60, 16, 100) > 40
    assert remaining_s(1_000, 0, 0, 16, 100) == pytest.approx(100)
