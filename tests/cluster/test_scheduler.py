"""Units on Ray itself: the same values anywhere, and whatever goes wrong costs one VOI."""

from __future__ import annotations

import shutil
import time
from collections import Counter

import pytest

from mvi_ray.cluster import actors, scheduler, tasks
from mvi_ray.cluster.limits import Limits
from mvi_ray.cluster.program import Program
from mvi_ray.cluster.session import Resources, ray_session
from mvi_ray.errors import ClusterError

pytestmark = pytest.mark.filterwarnings("ignore::Warning")

_VALUES = "SELECT COLUMNS(lambda c: c NOT IN ('run_id', 'duration_s', 'computed_at'))"


@pytest.fixture
def unextracted(extracted):
    """The project of two patients without a feature."""
    for name in ("cr", "dlr"):
        shutil.rmtree(extracted.folder / "store" / "tables" / name)
    return extracted


@pytest.fixture
def compute():
    """A stand-in that does what the VOI is called; inner functions travel by value."""

    def each(unit, folder):
        from pathlib import Path

        from mvi_ray.cluster.unit import VoiResult

        for voi in unit.vois:
            act(dict(voi.key)["patient_id"].rstrip("0123456789"), Path(folder))
            yield VoiResult(voi, ({"value": voi.name},), family=unit.family)

    def act(name, folder):
        import ctypes

        if name == "segfault":
            ctypes.string_at(0)
        elif name == "hang":
            # Holds Python's lock meanwhile, as C code does.
            ctypes.PyDLL(None).sleep(600)
        elif name == "raise":
            raise ZeroDivisionError("not a number")
        elif name in ("alone", "many"):
            (folder / f"{time.time():.6f} {name} begins").touch()
            time.sleep(0.3)
            (folder / f"{time.time():.6f} {name} ends").touch()

    return each


@pytest.fixture
def compute_on_two_nodes():
    """A stand-in that stays on a node that is to be lost; on others it waits until one is there."""

    def each(unit, folder):
        from pathlib import Path

        import ray

        from mvi_ray.cluster.unit import VoiResult

        begun = Path(folder, "begun")
        if Path(folder, ray.get_runtime_context().get_node_id()).exists():
            begun.touch()
            time.sleep(600)
        while not begun.exists():
            time.sleep(0.05)
        for voi in unit.vois:
            yield VoiResult(voi, ({"value": voi.name},), family=unit.family)

    return each


class _Recording:
    """Claims that remember."""

    def __init__(self):
        self.taken, self.released = [], []

    def take(self, units):
        self.taken.extend(units)
        return list(units)

    def release(self, units):
        self.released.extend(units)


def _run(units, compute, resources, folder="", **options):
    batches = scheduler.run_tasks(units, compute, str(folder), resources, **options)
    return [result for batch in batches for result in batch]


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
def test_what_kills_hangs_or_raises_costs_only_its_voi(make_unit, compute, ray_address):
    """Each bad VOI has siblings before and behind it; all of them are computed."""
    kinds = ("segfault", "hang", "raise")
    units = [make_unit(f"P{n}-", 2) for n in range(10)]
    for kind in kinds:
        before, bad, behind = make_unit(f"{kind}-before"), make_unit(kind), make_unit(f"{kind}-behind")
        units.append(bad.of([*before.vois, *bad.vois, *behind.vois]))
    with ray_session(address=ray_address) as resources:
        assert resources == Resources(2, 0)
        # Far more than a loaded machine needs for what does not hang.
        results = _run(units, compute, resources, limits=Limits(unit_s=6))
    failures = {r.voi.name: r.failure for r in results if r.failure is not None}
    assert {name: (f.error, f.attempts) for name, f in failures.items()} == {
        "segfault0 AP": ("WorkerCrashedError", 2),
        "hang0 AP": ("TimeoutError", 2),
        "raise0 AP": ("ZeroDivisionError", 1),
    }
    assert failures["segfault0 AP"].reason.startswith("the worker process died after ")
    assert failures["hang0 AP"].reason == "it did not end within 6 s"
    assert failures["hang0 AP"].duration_s >= 6
    assert failures["raise0 AP"].reason == "not a number"
    assert Counter(r.voi.name for r in results) == Counter(v.name for u in units for v in u.vois)


@pytest.mark.slow
def test_want_of_memory_gets_the_next_class_and_at_last_a_failure_that_names_it(
    make_unit, ray_address, tmp_path
):
    """One VOI needs what the second class has; one needs more than there is."""

    def each(unit, folder):
        from pathlib import Path

        from mvi_ray.cluster.unit import Failure, VoiResult

        for voi in unit.vois:
            tries = len(list(Path(folder).glob(f"{voi.name}*")))
            (Path(folder) / f"{voi.name} {tries}").touch()
            failure = None
            if voi.name.startswith("endless") or (voi.name.startswith("large") and not tries):
                try:
                    bytearray(1 << 60)
                except MemoryError as error:
                    failure = Failure.of(error, unit.attempts + 1)
            yield VoiResult(voi, failure=failure, family=unit.family)

    units = [make_unit("large", 2), make_unit("endless"), make_unit("P", 3)]
    with ray_session(address=ray_address) as resources:
        results = _run(units, each, resources, tmp_path)
    failures = [r for r in results if r.failure is not None]
    assert len(results) == 6
    assert [r.voi.name for r in failures] == ["endless0 AP"]
    assert failures[0].failure.attempts == 4
    assert failures[0].failure.error == "MemoryError"
    assert "the largest node offers" in failures[0].failure.reason


@pytest.mark.slow
def test_a_node_that_is_lost_costs_nothing(
    make_unit, compute_on_two_nodes, ray_cluster, tmp_path, caplog, monkeypatch
):
    """Its units are computed elsewhere, with the same values, and none is counted as tried."""
    monkeypatch.setattr(tasks, "_LOOK_AGAIN_S", 1.0)
    units = [make_unit(f"P{n}-", 2) for n in range(12)]
    node = ray_cluster.add_node(num_cpus=4, num_gpus=0, object_store_memory=128 * 1024 * 1024)
    (tmp_path / node.node_id).touch()
    claims, results = _Recording(), []
    with ray_session(address=ray_cluster.address) as resources:
        assert resources == Resources(6, 0)
        for batch in scheduler.run_tasks(
            units, compute_on_two_nodes, str(tmp_path), resources, claims=claims
        ):
            results.extend(batch)
            if node is not None and (tmp_path / "begun").exists():
                ray_cluster.remove_node(node, allow_graceful=False)
                node = None
    assert any("its machine was lost" in record.message for record in caplog.records)
    assert {r.voi.name: r.rows for r in results} == {
        voi.name: ({"value": voi.name},) for unit in units for voi in unit.vois
    }
    assert len(results) == sum(len(unit.vois) for unit in units)
    assert all(result.failure is None for result in results)
    assert claims.released == []


@pytest.mark.slow
def test_an_extraction_outlives_a_node_in_its_middle(
    _extracted_once,  # noqa: PT019 - its rows are compared
    unextracted,
    ray_cluster,
    monkeypatch,
    tmp_path,
):
    """From plan to catalog: complete, nothing in quarantine, equal to the undisturbed store.

    Cores are counted at the start: networks wait for a place on the node that is gone.
    """
    import ray

    monkeypatch.setattr(tasks, "_LOOK_AGAIN_S", 1.0)
    monkeypatch.setattr(actors, "_UNBORN_S", 3.0)
    nodes = [ray_cluster.add_node(num_cpus=2, num_gpus=0, object_store_memory=128 * 1024 * 1024)]

    def lose(task, done, *_, **__):
        if nodes and task == "extract CR" and done:
            lost = nodes.pop()
            ray_cluster.remove_node(lost, allow_graceful=False)
            # Before the first network starts.
            while any(node["Alive"] for node in ray.nodes() if node["NodeID"] == lost.node_id):
                time.sleep(0.1)

    summary = unextracted.open().extract(address=ray_cluster.address, progress=lose)
    assert nodes == []
    assert (summary.planned, summary.computed, summary.left_out) == (16, 16, 0)
    # A copy: asked at another place, a project publishes its catalog anew.
    whole = type(unextracted)(shutil.copytree(_extracted_once[0], tmp_path / "whole"))
    for table in ("cr", "dlr"):
        query = f"{_VALUES} FROM {table} ORDER BY patient_id, phase, region, feature_set_id"
        assert unextracted.open().sql(query).equals(whole.open().sql(query))


@pytest.mark.slow
def test_units_that_run_alone_run_when_nothing_else_does(make_unit, compute, ray_address, tmp_path):
    """One after the other, at the end."""
    units = [make_unit("alone9", alone=True, cost=9), make_unit("alone", 2, alone=True)]
    units += [make_unit(f"many{n}", cost=n) for n in range(1, 4)]
    with ray_session(address=ray_address) as resources:
        results = _run(units, compute, resources, tmp_path)
    assert len(results) == 6
    events = [path.name.split()[1:] for path in sorted(tmp_path.iterdir())]
    assert {name for name, _ in events[:6]} == {"many"}
    assert events[6:] == [["alone", "begins"], ["alone", "ends"]] * 3


@pytest.mark.slow
def test_a_worker_with_another_program_ends_the_run(make_unit, compute, ray_address):
    """The package and both versions are named; no unit has failed, and all are given back."""
    claims = _Recording()
    wanted = Program("CR", (("SimpleITK", "1.0"),))
    text = r"cannot run this program \(\S+ has SimpleITK \S+ instead of 1.0\); install the same versions"
    with ray_session(address=ray_address) as resources, pytest.raises(ClusterError, match=text):
        _run([make_unit("P", 2)], compute, resources, claims=claims, program=wanted)
    assert claims.released == claims.taken


@pytest.mark.slow
def test_closing_ends_what_runs_and_gives_back_what_has_no_result(make_unit, compute, ray_address):
    """As after Ctrl-C; the cluster is free at once for the next one."""
    claims = _Recording()
    units = [make_unit("P", cost=99), *(make_unit(f"hang{n}", cost=n) for n in range(1, 6))]
    with ray_session(address=ray_address) as resources:
        results = scheduler.run_tasks(units, compute, "", resources, claims=claims)
        done = next(batch for batch in results if batch)
        results.close()
        assert [result.voi.name for result in done] == ["P0 AP"]
        assert [u.vois[0].name for u in claims.released] == [u.vois[0].name for u in claims.taken[1:]]
        begin = time.monotonic()
        assert len(_run([make_unit("P", 2)], compute, resources)) == 2
        assert time.monotonic() - begin < 300, "it waited for a unit that hangs"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "127.0.0.1:99999"])
def test_an_address_where_nobody_listens_is_an_error_at_once(address):
    """Ray itself would try for minutes."""
    begin = time.monotonic()
    with (
        pytest.raises(ClusterError, match=r"Ray could not be reached at .*; check the address"),
        ray_session(address=address),
    ):
        pytest.fail("attached to nothing")
    assert time.monotonic() - begin < 60
