"""What workers do: thin wrappers around the pure functions of `extract`. No Ray in here."""

from __future__ import annotations

import itertools
import os
import socket
import sys
import time
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from mvi_ray.cluster.resident import forget_peak, give_back, peak_bytes, resident_bytes
from mvi_ray.cluster.unit import Failure, Unit, Voi, VoiResult
from mvi_ray.errors import ClusterError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from mvi_ray.cluster.program import Program
    from mvi_ray.extract.weights import WeightsSource
    from mvi_ray.study import ConventionalRadiomics, DeepRadiomics
    from mvi_ray.volume import Volume

_SERVED = itertools.count()


@dataclass(frozen=True, slots=True)
class Begun:
    """First word of a worker about a unit: from now on its time runs.

    Args:
        pid: its process.
    """

    pid: int


def serve(
    compute: Callable[[Unit, Any], Iterator[VoiResult]],
    unit: Unit,
    argument: Any,
    memory_bytes: int,
    program: Program | None = None,
) -> Iterator[Begun | VoiResult]:
    """Say when a unit begins, then hand over each VOI when it is ready.

    A worker that has grown past what its task reserved ends before it begins, and the unit
    goes to a fresh one.

    Args:
        compute: what gives the results of a unit, one by one. What it does before it returns
            its iterator is done before the unit begins.
        unit: what to compute.
        argument: second argument of `compute`.
        memory_bytes: what the task reserved; 0 for no limit.
        program: that of the command, which this worker must have; None for any.

    Raises:
        ClusterError: before it begins: the worker has another program.
    """
    if next(_SERVED) and memory_bytes and resident_bytes() > memory_bytes:
        give_back()
        if resident_bytes() > memory_bytes:
            sys.exit(0)
    if program is not None:
        program.check()
    results = compute(unit, argument)
    yield Begun(os.getpid())
    yield from results


def each_cr(unit: Unit, settings: Mapping[str, ConventionalRadiomics]) -> Iterator[VoiResult]:
    """Features of all VOIs of one image, as they are ready; one bad VOI does not cost the others.

    Raises:
        ClusterError: at once, before the first VOI: this machine cannot load the engine.
    """
    from mvi_ray.extract.cr import extract_cr, load_engine

    family = settings[unit.family]
    try:
        load_engine(family.engine)
    except ImportError as error:
        raise ClusterError(f"{socket.gethostname()} cannot load engine {family.engine}: {error}") from error
    _pin()

    def compute(volume: Volume, voi: Voi) -> tuple[dict[str, Any], ...]:
        wanted = [name for name in voi.feature_sets if name is not None]
        values = extract_cr(volume, voi.mask.load_mask(unit.store), family, unit.phase, wanted)
        return tuple(
            {"image_type": name, "feature_set_id": voi.feature_sets[name], **values[name]} for name in values
        )

    return _each(unit, compute)


def compute_cr(unit: Unit, settings: Mapping[str, ConventionalRadiomics]) -> list[VoiResult]:
    """All that `each_cr` gives."""
    return list(each_cr(unit, settings))


def prepare_dlr(unit: Unit, settings: DeepRadiomics) -> list[VoiResult]:
    """Network inputs of all VOIs of one image, each in the row's place."""
    from mvi_ray.extract.dlr import prepare

    def compute(volume: Volume, voi: Voi) -> tuple[dict[str, Any], ...]:
        return ({"input": prepare(volume, voi.mask.load_mask(unit.store), settings)},)

    return list(_each(unit, compute))


def _pin() -> None:
    """One thread for each library: a task has one core."""
    from mvi_ray.extract.threads import pin_threads

    pin_threads(1)
    _pin_blas()


@cache
def _pin_blas() -> None:
    """Once is enough; libraries that are loaded later read the variables of the session."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _each(unit: Unit, compute: Callable[[Volume, Voi], tuple[dict[str, Any], ...]]) -> Iterator[VoiResult]:
    volume: Volume | None = None
    for voi in unit.vois:
        begin = time.perf_counter()
        forget_peak()
        try:
            volume = volume or unit.image.load_image(unit.store)
            rows = compute(volume, voi)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is recorded with its traceback
            yield _failed(unit.family, voi, _cause(unit, error), unit.attempts + 1, begin)
        else:
            seconds = time.perf_counter() - begin
            yield VoiResult(voi, rows, duration_s=seconds, memory_bytes=peak_bytes(), family=unit.family)


def _cause(unit: Unit, error: Exception) -> Exception:
    """The error, unless the whole store is out of sight: that is no fault of the VOI."""
    try:
        if unit.store.is_dir():
            return error
    except UnreachableError as unreachable:
        return unreachable
    except OSError:  # a mount that has gone stale
        pass
    return UnreachableError(
        "a worker does not see the store; every machine of the cluster must have it at the same place"
    )


def _failed(family: str, voi: Voi, error: Exception, attempts: int, begin: float) -> VoiResult:
    seconds, most = time.perf_counter() - begin, peak_bytes()
    failure = replace(Failure.of(error, attempts), duration_s=seconds, memory_bytes=most)
    return VoiResult(voi, failure=failure, duration_s=seconds, memory_bytes=most, family=family)


class EmbeddingWorker:
    """Holds the network for as long as it lives; embeds VOIs in batches.

    Args:
        source: weights.
        settings: transform and batch size.
        program: that of the command, which this worker must have; None for any.
    """

    def __init__(
        self, source: WeightsSource, settings: DeepRadiomics, program: Program | None = None
    ) -> None:
        from mvi_ray.extract.dlr import Embedder

        self._program = program
        self._settings = settings
        self._trial = source.trial
        self._embedder = Embedder(source, settings)
        # After torch is there: before, it would not be reached.
        _pin()

    def serve(self, units: Sequence[Unit]) -> Iterator[Begun | list[VoiResult]]:
        """Say when a batch begins, then hand it over as a whole.

        Raises:
            ClusterError: before it begins: the worker has another program.
        """
        if self._program is not None:
            self._program.check()
        yield Begun(os.getpid())
        yield self.compute(units)

    def compute(self, units: Sequence[Unit]) -> list[VoiResult]:
        """Embeddings of all VOIs of some images."""
        forget_peak()
        prepared = [
            (unit.attempts + 1, result) for unit in units for result in prepare_dlr(unit, self._settings)
        ]
        ready = [(attempts, result) for attempts, result in prepared if result.failure is None]
        done = [result for _, result in prepared if result.failure is not None]
        size = self._settings.batch_size
        for start in range(0, len(ready), size):
            done.extend(self._embed(ready[start : start + size]))
        return done

    def _embed(self, ready: list[tuple[int, VoiResult]]) -> list[VoiResult]:
        begin = time.perf_counter()
        try:
            embeddings = self._embedder.embed([result.rows[0]["input"] for _, result in ready])
        except Exception as error:  # noqa: BLE001 - recorded, or narrowed down to one VOI
            if len(ready) == 1:
                ((attempts, result),) = ready
                return [_failed(result.family, result.voi, error, attempts, begin)]
            half = len(ready) // 2
            return self._embed(ready[:half]) + self._embed(ready[half:])
        share = (time.perf_counter() - begin) / len(ready)
        return [
            self._row(result, values, share) for (_, result), values in zip(ready, embeddings, strict=True)
        ]

    def _row(self, result: VoiResult, values: npt.NDArray[Any], seconds: float) -> VoiResult:
        row = {
            "feature_set_id": result.voi.feature_sets[None],
            "embedding": values.tolist(),
            "trial_weights": self._trial,
        }
        return replace(result, rows=(row,), duration_s=result.duration_s + seconds, memory_bytes=peak_bytes())
