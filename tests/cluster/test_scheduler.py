"""Units on Ray itself: the same values anywhere, and a dead worker costs one VOI."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest

from mvi_ray.cluster import scheduler
from mvi_ray.cluster.session import Resources, ray_session
from mvi_ray.errors import ClusterError
from mvi_ray.project.declarations import declarations
from mvi_ray.project.planning import make_plan

pytestmark = pytest.mark.filterwarnings("ignore::Warning")

_VALUES = "SELECT COLUMNS(lambda c: c NOT IN ('run_id', 'duration_s', 'computed_at'))"


@pytest.fixture
def unextracted(extracted):
    """The project of two patients without a feature."""
    for name in ("cr", "dlr"):
        shutil.rmtree(extracted.folder / "store" / "tables" / name)
    return extracted


def _plan(tiny):
    project = tiny.open()
    study = declarations(project)
    project.store.publish(study)
    return project, make_plan(project, study, project.study.families.names, retry_failed=False)


@pytest.mark.slow
def test_values_are_those_of_one_process_for_any_number_of_workers(
    extracted, unextracted, ray_address, tmp_path
):
    """Every byte of CR, and of DLR on one machine, from two workers that share the work."""
    shutil.copytree(unextracted.folder, tmp_path / "other")
    alone = type(extracted)(tmp_path / "other")
    alone.extract()
    summary = unextracted.open().extract(address=ray_address)
    assert (summary.planned, summary.computed, summary.left_out) == (16, 16, 0)
    for table in ("cr", "dlr"):
        query = f"{_VALUES} FROM {table} ORDER BY patient_id, phase, region, feature_set_id"
        assert unextracted.open().sql(query).equals(alone.open().sql(query))


@pytest.mark.slow
def test_a_worker_that_dies_costs_only_its_voi(unextracted, ray_address, monkeypatch):
    """The other VOIs of its unit and all other units are computed."""
    compute = scheduler.compute_cr

    def deadly(unit, settings):
        for voi in unit.vois:
            if dict(voi.key)["region"] == "peritumoral" and dict(voi.key)["patient_id"] == "P1":
                os.kill(os.getpid(), signal.SIGKILL)
        return compute(unit, settings)

    monkeypatch.setattr(scheduler, "compute_cr", deadly)
    project, plan = _plan(unextracted)
    with ray_session(address=ray_address) as resources:
        assert resources == Resources(2, 0)
        batches = list(scheduler.run_cr(plan.units["CR"], project.study.families.cr, resources))
    results = [result for batch in batches for result in batch]
    failed = {r.voi.name: r.failure for r in results if r.failure is not None}
    assert sorted(failed) == [f"P1 baseline {phase} 1 peritumoral R1" for phase in ("AP", "PP")]
    assert {f.reason for f in failed.values()} == {"the worker process died"}
    assert {f.error for f in failed.values()} == {"WorkerCrashedError"}
    assert sorted(len(r.rows) for r in results if r.failure is None) == [2] * 6


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "127.0.0.1:99999"])
def test_an_address_where_nobody_listens_is_an_error_at_once(address):
    """Ray itself would try for minutes."""
    begin = time.monotonic()
    with (
        pytest.raises(ClusterError, match=r"Ray could not be reached at .*; check the address"),
        ray_session(address=address),
    ):
        pytest.fail("attached to nothing")
    assert time.monotonic() - begin < 5
