"""One Ray for the tests of this folder, in processes of its own."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mvi_ray.cluster.unit import Unit, Voi
from mvi_ray.store.volumes import StoredVolume
from mvi_ray.volume import Geometry, Reorientation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_GRID = Geometry((4, 4, 4), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
_STORED = StoredVolume("images/x.nii.gz", "x", _GRID, Reorientation("LPS", (0, 0, 0)))
_SYSTEM = {
    # A dead node is noticed within seconds.
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 3,
}


@pytest.fixture(scope="session")
def make_unit() -> Callable[..., Unit]:
    """Make a unit of VOIs that share a name and its cost: "P" has "P0 AP", "P1 AP" and so on."""

    def make(name: str, vois: int = 1, cost: float = 1.0, memory_bytes: int = 0, **more: Any) -> Unit:
        made = tuple(
            Voi(
                (("patient_id", f"{name}{n}"), ("phase", "AP")),
                "digest",
                _STORED,
                {"original": "f"},
                cost / vois,
                memory_bytes,
            )
            for n in range(vois)
        )
        return Unit("CR", Path("store"), _STORED, made, **more)

    return make


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """A head without cores and a node with two; nodes can be added and removed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from ray.cluster_utils import Cluster

            cluster = Cluster(
                initialize_head=True,
                head_node_args={
                    "num_cpus": 0,
                    "include_dashboard": False,
                    "object_store_memory": 128 * 1024 * 1024,
                    "_system_config": _SYSTEM,
                },
            )
            try:
                cluster.add_node(num_cpus=2, object_store_memory=128 * 1024 * 1024)
                yield cluster
            finally:
                cluster.shutdown()


@pytest.fixture(scope="session")
def ray_address(ray_cluster: Any) -> str:
    """Address of the cluster; a driver attaches to it in a second."""
    return str(ray_cluster.address)
