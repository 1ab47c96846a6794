"""Units to Ray tasks and actors: a window in flight, retries owned by the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ray

from mvi_ray.cluster.actors import Actors, starter
from mvi_ray.cluster.claims import FREE
from mvi_ray.cluster.limits import Limits
from mvi_ray.cluster.memory import Node
from mvi_ray.cluster.program import Program
from mvi_ray.cluster.tasks import Tasks
from mvi_ray.cluster.work import each_cr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mvi_ray.cluster.claims import Claims
    from mvi_ray.cluster.session import Resources
    from mvi_ray.cluster.unit import Unit, VoiResult
    from mvi_ray.extract.weights import WeightsSource
    from mvi_ray.study import ConventionalRadiomics, DeepRadiomics

_NO_LIMITS = Limits()


def run_cr(
    units: Sequence[Unit],
    settings: Mapping[str, ConventionalRadiomics],
    resources: Resources,
    *,
    claims: Claims = FREE,
    limits: Limits = _NO_LIMITS,
) -> Iterator[list[VoiResult]]:
    """Compute units in tasks of one core each, the largest first; results as they come.

    Ray's own retries are off: it cannot tell a poisoned VOI from a lost machine. An empty list
    comes about once a second while nothing is ready, so that the caller can commit. Closing the
    generator ends what runs and releases it.

    Args:
        units: of all families that PyRadiomics computes; they share one queue.
        settings: of each family, by its name.
        resources: what the cluster offers.
        claims: which units this run may compute.
        limits: time and attempts of one unit.

    Raises:
        ClusterError: Ray itself was lost, or a worker has other versions; the units that are
            left have no result.
    """
    return run_tasks(
        units,
        each_cr,
        dict(settings),
        resources,
        claims=claims,
        limits=limits,
        name="compute_cr",
        program=Program.here("CR"),
    )


def run_tasks(
    units: Sequence[Unit],
    compute: Callable[[Unit, Any], Iterator[VoiResult]],
    argument: Any,
    resources: Resources,
    *,
    claims: Claims = FREE,
    limits: Limits = _NO_LIMITS,
    name: str = "compute",
    program: Program | None = None,
) -> Iterator[list[VoiResult]]:
    """As `run_cr`, with any function that gives the results of a unit one by one."""
    tasks = Tasks(
        units, compute, argument, resources, claims=claims, limits=limits, name=name, program=program
    )
    try:
        yield from tasks.results()
    finally:
        tasks.stop()


def run_dlr(
    units: Sequence[Unit],
    settings: DeepRadiomics,
    source: WeightsSource,
    resources: Resources,
    *,
    claims: Claims = FREE,
    limits: Limits = _NO_LIMITS,
) -> Iterator[list[VoiResult]]:
    """Embed units of one family in long-lived actors: one on each GPU, else one on each core.

    Args:
        units: of one family.
        settings: of that family.
        source: its weights.
        resources: what the cluster offers.
        claims: which units this run may compute.
        limits: time and attempts of one unit.

    Raises:
        ClusterError: the network cannot be loaded, a worker has other versions, or Ray itself
            was lost.
    """
    vois = sum(len(unit.vois) for unit in units)
    batches = -(-vois // settings.batch_size)
    actors = Actors(
        units,
        starter(source, settings, Program.here("DLR"), gpu=bool(resources.gpus)),
        count=max(1, min(resources.gpus or _at_once(units, resources.cpus), batches)),
        size=settings.batch_size,
        resources=resources,
        claims=claims,
        limits=limits,
    )
    try:
        yield from actors.results()
    finally:
        actors.stop()


def _at_once(units: Sequence[Unit], cpus: int) -> int:
    """Networks that the nodes have memory for, one on a core at most."""
    largest = max(unit.memory_bytes for unit in units)
    nodes = Node.alive(ray.nodes())
    if not largest or not all(node.memory_bytes for node in nodes):
        return cpus
    return min(cpus, sum(min(node.cpus, node.memory_bytes // largest) for node in nodes))
