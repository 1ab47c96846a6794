"""What workers do: thin wrappers around the pure functions of `extract`. No Ray in here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mvi_ray.cluster.unit import Failure, Unit, Voi, VoiResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from mvi_ray.extract.weights import WeightsSource
    from mvi_ray.study import ConventionalRadiomics, DeepRadiomics
    from mvi_ray.volume import Volume


def compute_cr(unit: Unit, settings: ConventionalRadiomics) -> list[VoiResult]:
    """Features of all VOIs of one image; one bad VOI does not cost the others."""
    from mvi_ray.extract.cr import extract_cr
    from mvi_ray.extract.threads import pin_threads

    pin_threads(1)

    def compute(volume: Volume, voi: Voi) -> tuple[dict[str, Any], ...]:
        wanted = [name for name in voi.feature_sets if name is not None]
        values = extract_cr(volume, voi.mask.load_mask(unit.store), settings, unit.phase, wanted)
        return tuple(
            {"image_type": name, "feature_set_id": voi.feature_sets[name], **values[name]} for name in values
        )

    return _each(unit, compute)


def prepare_dlr(unit: Unit, settings: DeepRadiomics) -> list[VoiResult]:
    """Network inputs of all VOIs of one image, each in the row's place."""
    from mvi_ray.extract.dlr import prepare

    def compute(volume: Volume, voi: Voi) -> tuple[dict[str, Any], ...]:
        return ({"input": prepare(volume, voi.mask.load_mask(unit.store), settings)},)

    return _each(unit, compute)


def _each(unit: Unit, compute: Callable[[Volume, Voi], tuple[dict[str, Any], ...]]) -> list[VoiResult]:
    results: list[VoiResult] = []
    volume: Volume | None = None
    for voi in unit.vois:
        begin = time.perf_counter()
        try:
            volume = volume or unit.image.load_image(unit.store)
            rows = compute(volume, voi)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is recorded with its traceback
            results.append(VoiResult(voi, failure=Failure.of(error, unit.attempts + 1)))
        else:
            results.append(VoiResult(voi, rows, duration_s=time.perf_counter() - begin))
    return results


class EmbeddingWorker:
    """Holds the network for as long as it lives; embeds VOIs in batches.

    Args:
        source: weights.
        settings: transform and batch size.
    """

    def __init__(self, source: WeightsSource, settings: DeepRadiomics) -> None:
        from mvi_ray.extract.dlr import Embedder
        from mvi_ray.extract.threads import pin_threads

        self._settings = settings
        self._trial = source.trial
        self._embedder = Embedder(source, settings)
        # After torch is there: before, it would not be reached.
        pin_threads(1)

    def compute(self, units: Sequence[Unit]) -> list[VoiResult]:
        """Embeddings of all VOIs of some images."""
        prepared = [result for unit in units for result in prepare_dlr(unit, self._settings)]
        ready = [result for result in prepared if result.failure is None]
        done = [result for result in prepared if result.failure is not None]
        size = self._settings.batch_size
        for start in range(0, len(ready), size):
            done.extend(self._embed(ready[start : start + size]))
        return done

    def _embed(self, ready: list[VoiResult]) -> list[VoiResult]:
        begin = time.perf_counter()
        try:
            embeddings = self._embedder.embed([result.rows[0]["input"] for result in ready])
        except Exception as error:  # noqa: BLE001 - recorded, or narrowed down to one VOI
            if len(ready) == 1:
                return [VoiResult(ready[0].voi, failure=Failure.of(error))]
            half = len(ready) // 2
            return self._embed(ready[:half]) + self._embed(ready[half:])
        share = (time.perf_counter() - begin) / len(ready)
        return [self._row(result, values, share) for result, values in zip(ready, embeddings, strict=True)]

    def _row(self, result: VoiResult, values: npt.NDArray[Any], seconds: float) -> VoiResult:
        row = {
            "feature_set_id": result.voi.feature_sets[None],
            "embedding": values.tolist(),
            "trial_weights": self._trial,
        }
        return VoiResult(result.voi, (row,), duration_s=result.duration_s + seconds)
