"""The plan: nothing is lost when images are divided, and the largest unit comes first."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.cluster.unit import Unit, Voi
from mvi_ray.errors import UsageError
from mvi_ray.project.declarations import declarations
from mvi_ray.project.forecast import makespan
from mvi_ray.project.planning import GIANT, chosen_families, largest_first, make_plan, queues, split_giants
from mvi_ray.store.volumes import StoredVolume
from mvi_ray.volume import Geometry, Reorientation

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def _volume(voxels: int = 1_000) -> StoredVolume:
    geometry = Geometry((voxels, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), _IDENTITY)
    return StoredVolume("images/a.nii.gz", "a", geometry, Reorientation("LPS", (0.0, 0.0, 0.0)))


def _voi(patient: str, region: str, lesion: str, reader: str, cost: float) -> Voi:
    key = {
        "patient_id": patient,
        "session": "baseline",
        "phase": "AP",
        "lesion": lesion,
        "region": region,
        "reader": reader,
    }
    return Voi(tuple(key.items()), "digest", _volume(), {"original": "set"}, cost, 1)


def _unit(patient: str, *costs: float, voxels: int = 1_000, regions: int = 2) -> Unit:
    """VOIs of two regions in turn, each of a lesion of its own."""
    vois = [_voi(patient, f"r{n % regions}", str(n // regions), "R1", cost) for n, cost in enumerate(costs)]
    return Unit("CR", Path("store"), _volume(voxels), tuple(vois))


_units = st.lists(st.lists(st.floats(0.1, 5_000), min_size=1, max_size=6), min_size=1, max_size=8).map(
    lambda groups: [_unit(f"P{n}", *costs) for n, costs in enumerate(groups)]
)


@settings(derandomize=True, deadline=None)
@given(_units, st.sampled_from([None, 1, 2, 16, 1_000]))
def test_dividing_loses_no_voi_and_moves_none_to_another_image(units, cores) -> None:
    """Whatever the costs: each VOI stands in one part, with the image it came with."""
    work = sum(unit.cost for unit in units)
    parts = split_giants(units, work, cores)
    before = sorted((voi.key, unit.image.digest) for unit in units for voi in unit.vois)
    assert sorted((voi.key, part.image.digest) for part in parts for voi in part.vois) == before
    assert all(len({dict(voi.key)["patient_id"] for voi in part.vois}) == 1 for part in parts)
    assert sum(part.cost for part in parts) == pytest.approx(work)


@settings(derandomize=True, deadline=None)
@given(_units, st.sampled_from([1, 2, 16]))
def test_the_largest_part_leaves_no_long_end(units, cores) -> None:
    """A part is a single VOI, or short; so the end is that of a VOI at most."""
    work = sum(unit.cost for unit in units)
    for part in split_giants(units, work, cores):
        assert len(part.vois) == 1 or part.cost <= max(GIANT * work / cores, 10.0)


@settings(derandomize=True, deadline=None)
@given(_units)
def test_the_largest_unit_comes_first(units) -> None:
    """In the same order, whatever order they were found in."""
    ordered = largest_first(units)
    assert [unit.cost for unit in ordered] == sorted((unit.cost for unit in units), reverse=True)
    assert largest_first(reversed(units)) == ordered


def test_a_giant_is_divided_by_region_first() -> None:
    """Its lesions stay together while that is short enough."""
    giant = _unit("P1", 20.0, 24.0, 20.0, 24.0)
    parts = split_giants([giant], 4_000.0, 4)
    assert [[dict(voi.key)["region"] for voi in part.vois] for part in parts] == [["r0", "r0"], ["r1", "r1"]]


def test_an_image_that_takes_long_to_read_is_not_divided() -> None:
    """Reading it again would cost more than the end of the run."""
    costs = (10.0, 15.0)
    assert len(split_giants([_unit("P1", *costs)], 25.0, 16)) == 2
    assert len(split_giants([_unit("P1", *costs, voxels=2_000_000_000)], 25.0, 16)) == 1


def test_small_units_stay_whole_on_any_cluster() -> None:
    """An end of seconds is not worth a second reading."""
    units = [_unit(f"P{n}", 2.0, 3.0) for n in range(50)]
    assert split_giants(units, 250.0) == units


def test_dividing_shortens_the_run_where_one_image_holds_it_up() -> None:
    """Sixteen cores, one image of six hundred seconds among many of ten."""
    units = [_unit("P0", *[100.0] * 6), *[_unit(f"P{n}", 5.0, 5.0) for n in range(1, 160)]]
    work = sum(unit.cost for unit in units)
    whole = makespan((unit.cost for unit in units), 16)
    parts = makespan((unit.cost for unit in split_giants(units, work, 16)), 16)
    assert whole == pytest.approx(600)
    assert parts < 1.1 * work / 16


def _plan(tiny, **options):
    project = tiny.open()
    study = declarations(project)
    project.store.publish(study)
    return make_plan(project, study, project.study.families.names, retry_failed=False, **options)


def test_a_plan_names_every_missing_voi_with_its_cost_and_memory(tiny) -> None:
    """Two phases and two regions, of both families; the ring costs more than the ball inside it."""
    tiny.add("P1")
    plan = _plan(tiny)
    assert {family: len(units) for family, units in plan.units.items()} == {"CR": 2, "DLR": 2}
    assert plan.vois == 8
    for units in plan.units.values():
        assert [unit.cost for unit in units] == sorted((unit.cost for unit in units), reverse=True)
        for unit in units:
            assert all(0 < voi.cost < 60 for voi in unit.vois)
            assert all(2**28 < voi.memory_bytes < 2**31 for voi in unit.vois)
    rows = {row["region"]: row["voxels"] for row in tiny.open().store.tables["masks"].read().to_pylist()}
    cost = {dict(voi.key)["region"]: voi.cost for voi in plan.units["CR"][0].vois}
    assert (cost["peritumoral"] > cost["intratumoral"]) == (rows["peritumoral"] > rows["intratumoral"])


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("images", {"image_digest": "other"}),
        ("masks", {"image_digest": "other", "input_digest": "other"}),
        ("images", None),
        ("masks", None),
    ],
)
def test_what_is_ingested_anew_meanwhile_waits_for_the_next_call(tiny, table, change) -> None:
    """An old image with the digest of a new one would give values that nobody could find wrong."""
    tiny.add("P1", ["AP"])
    tiny.add("P2", ["AP"])
    project = tiny.open()
    study = declarations(project)
    project.store.publish(study)
    rows = project.store.tables[table]
    mine = [row for row in rows.read().to_pylist() if row["patient_id"] == "P1"]
    if change is None:
        rows.delete({"patient_id": "P1"})
    else:
        rows.write([{**row, **change} for row in mine])
    plan = make_plan(project, study, ["CR"], retry_failed=False)
    assert [dict(voi.key)["patient_id"] for unit in plan.units["CR"] for voi in unit.vois] == ["P2", "P2"]


def test_families_of_pyradiomics_share_the_cores_and_networks_follow(tiny) -> None:
    """In the order in which they come."""
    study = tiny.open().study
    assert queues(study, ["DLR", "CR"]) == [["DLR"], ["CR"]]
    tiny.write_study()
    file = tiny.folder / "study.yaml"
    variants = (
        "  cr_b: {extends: cr, bin_count: 16}\n  dlr_p: {extends: dlr, percentiles: [0, 100]}\nclinical:\n"
    )
    file.write_text(file.read_text().replace("clinical:\n", variants, 1))
    study = tiny.open().study
    assert queues(study, study.families.names) == [["CR", "CR_B"], ["DLR"], ["DLR_P"]]
    assert queues(study, []) == []


def test_fewer_image_types_are_cheaper_to_add(extracted) -> None:
    """Only what is missing is paid for."""
    stored = "original: , log: {sigma_mm: [3.0]}"
    costs = []
    for added in ("square", "square: , gradient"):
        extracted.write_study(image_types=f"{stored}, {added}: ")
        plan = _plan(extracted)
        (voi,) = [voi for unit in plan.units["CR"] for voi in unit.vois if _is_first(voi)]
        assert set(voi.feature_sets) == set(added.split(": , "))
        assert plan.calibration.vois["CR"] == 8
        costs.append(voi.cost)
    assert 0 < costs[0] < costs[1]


def _is_first(voi) -> bool:
    key = dict(voi.key)
    return (key["patient_id"], key["phase"], key["region"]) == ("P1", "AP", "intratumoral")


def test_a_family_is_chosen_in_any_spelling_of_its_letters(tiny) -> None:
    """An unknown one is wrong usage."""
    project = tiny.open()
    assert chosen_families(project, None) == ("CR", "DLR")
    assert chosen_families(project, ["dlr"]) == ("DLR",)
    with pytest.raises(UsageError, match="the study has no family 'MRI'; it has CR, DLR"):
        chosen_families(project, ["mri"])
