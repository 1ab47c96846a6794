"""One Ray for the tests of this folder, in processes of its own."""

from __future__ import annotations

import time
import warnings
from collections import deque
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
_GIB = 1024**3
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
                    "num_gpus": 0,
                    "include_dashboard": False,
                    "object_store_memory": 128 * 1024 * 1024,
                    "_system_config": _SYSTEM,
                },
            )
            try:
                cluster.add_node(num_cpus=2, num_gpus=0, object_store_memory=128 * 1024 * 1024)
                yield cluster
            finally:
                cluster.shutdown()


@pytest.fixture(scope="session")
def ray_address(ray_cluster: Any) -> str:
    """Address of the cluster; a driver attaches to it in a second."""
    return str(ray_cluster.address)


class _Stream:
    """What a task or a batch sends: what the script says, then nothing until more is put into it."""

    def __init__(self, sent: Any, news: Any) -> None:
        self.sent = sent
        self.news: deque[Any] = deque(news)

    def __next__(self) -> Any:
        item = self.news.popleft()
        if item is StopIteration:
            raise StopIteration
        return item


class _ScriptedRay:
    """In the place of the module `ray`, and of `time` there: a cluster that does what a test says.

    Args:
        answer: unit, or units of a batch, to what comes back: items, exceptions, `StopIteration`.

    Attributes:
        listed: what `nodes` lists.
        streams: all that were sent.
        asked: arguments of each task that was sent.
        ended: streams that were cancelled, and actors that were killed.
        on_wait: called with each wait.
    """

    def __init__(self) -> None:
        self.answer: Callable[[Any], Any] = lambda _: ()
        self.listed = [self.node(2)]
        self.streams: list[_Stream] = []
        self.ended: list[Any] = []
        self.on_wait: Callable[[], None] = lambda: None
        self.now = time.monotonic()
        self._idle = 0

    @staticmethod
    def node(cpus: int, gib: float = 8) -> dict[str, Any]:
        return {"Alive": True, "Resources": {"CPU": cpus, "memory": int(gib * _GIB)}}

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def nodes(self) -> list[dict[str, Any]]:
        return self.listed

    def put(self, thing: Any) -> Any:
        return thing

    def remote(self, **_: Any) -> Any:
        return lambda _: self

    def options(self, **_: Any) -> Any:
        task = type("Task", (), {})()
        task.remote = lambda _compute, unit, *_: self._sent(unit)
        return task

    def actor(self) -> Any:
        """An actor whose batches are answered."""
        handle = type("Actor", (), {})()
        handle.serve = type("Method", (), {})()
        handle.serve.remote = self._sent
        return handle

    def _sent(self, sent: Any) -> _Stream:
        self.streams.append(_Stream(sent, self.answer(sent)))
        return self.streams[-1]

    def wait(
        self, streams: list[_Stream], *, num_returns: int, timeout: float, **_: Any
    ) -> tuple[list[Any], list[Any]]:
        self.on_wait()
        ready = [one for one in streams if one.news][:num_returns]
        self._idle = 0 if ready else self._idle + 1
        assert self._idle < 5000, "it waits without an end"
        self.now += 0 if ready else timeout
        return ready, []

    def get(self, item: Any) -> Any:
        if isinstance(item, BaseException):
            raise item
        return item

    def cancel(self, stream: _Stream, *, force: bool) -> None:  # noqa: ARG002 - as Ray's
        self.ended.append(stream)

    def kill(self, actor: Any) -> None:
        self.ended.append(actor)


@pytest.fixture
def scripted_ray(monkeypatch: pytest.MonkeyPatch) -> _ScriptedRay:
    """No cluster, no process and no waiting: what the driver does of itself."""
    from mvi_ray.cluster import actors, tasks

    scripted = _ScriptedRay()
    for module in (actors, tasks):
        monkeypatch.setattr(module, "ray", scripted)
        monkeypatch.setattr(module, "time", scripted)
    return scripted
