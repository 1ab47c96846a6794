"""Networks in long-lived actors: a lost one is started again, a bad VOI is found."""

from __future__ import annotations

import pytest

from mvi_ray.cluster.actors import Actors
from mvi_ray.cluster.claims import FREE
from mvi_ray.cluster.limits import Limits
from mvi_ray.cluster.session import ray_session
from mvi_ray.errors import ClusterError

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::Warning")]


@pytest.fixture
def start():
    """What starts an actor without a network, which does what the VOI is called."""

    class Worker:
        def __init__(self, loads):
            if not loads:
                raise ValueError("no such file")

        def serve(self, units):
            import ctypes
            import os
            import time

            from mvi_ray.cluster.unit import VoiResult
            from mvi_ray.cluster.work import Begun

            yield Begun(os.getpid())
            vois = [voi for unit in units for voi in unit.vois]
            for voi in vois:
                if voi.name.startswith("segfault"):
                    ctypes.string_at(0)
                if voi.name.startswith("hang"):
                    time.sleep(600)
            yield [VoiResult(voi, ({"embedding": voi.name},), family="CR") for voi in vois]

    def start_with(*, loads=True):
        import ray

        return lambda: ray.remote(max_restarts=0, num_cpus=1)(Worker).remote(loads)

    return start_with


def _run(units, start, resources, **limits):
    actors = Actors(
        units,
        start,
        count=2,
        size=3,
        resources=resources,
        claims=FREE,
        limits=Limits(**limits),
    )
    try:
        return [result for batch in actors.results() for result in batch]
    finally:
        actors.stop()


def test_a_voi_that_kills_or_hangs_its_worker_is_found_and_all_others_are_computed(
    make_unit, start, ray_address
):
    """Also those of its own batch, and of the batch behind it."""
    names = ["P0-", "segfault", "P1-", "hang", *(f"P{n}-" for n in range(2, 6))]
    units = [make_unit(name, 1 + (name[0] == "P"), cost=9 - n) for n, name in enumerate(names)]
    units.append(make_unit("alone", alone=True))
    with ray_session(address=ray_address) as resources:
        # Far more than a loaded machine needs for what does not hang.
        results = _run(units, start(), resources, unit_s=6)
    failures = {r.voi.name: r.failure for r in results if r.failure is not None}
    assert {name: f.error for name, f in failures.items()} == {
        "segfault0 AP": "ActorDiedError",
        "hang0 AP": "TimeoutError",
    }
    assert failures["segfault0 AP"].reason.startswith("the worker process died after ")
    assert failures["hang0 AP"].reason == "it did not end within 6 s"
    assert sorted(r.voi.name for r in results) == sorted(v.name for u in units for v in u.vois)


def test_a_network_that_cannot_be_loaded_is_no_failure_of_a_voi(make_unit, start, ray_address):
    """It ends the run with what was raised and a way out."""
    text = r"the network could not be loaded by its worker: ValueError: no such file; check the weights"
    with ray_session(address=ray_address) as resources, pytest.raises(ClusterError, match=text):
        _run([make_unit("P", 2)], start(loads=False), resources)
