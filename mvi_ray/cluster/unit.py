"""What travels to a worker and what comes back: small, frozen, picklable."""

from __future__ import annotations

import traceback as tracebacks
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from mvi_ray.errors import MviError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mvi_ray.store.place import Place
    from mvi_ray.store.volumes import StoredVolume


@dataclass(frozen=True, slots=True)
class Voi:
    """One VOI that is still missing.

    Args:
        key: patient_id, session, phase, lesion, region, reader.
        input_digest: SHA-256 of image and mask.
        mask: where the mask lies.
        feature_sets: image type (None for DLR) to feature set, of the rows to compute.
        cost: predicted seconds of one core.
        memory_bytes: predicted most memory of its worker.
    """

    key: tuple[tuple[str, str], ...]
    input_digest: str
    mask: StoredVolume
    feature_sets: Mapping[str | None, str]
    cost: float
    memory_bytes: int = 0

    @property
    def name(self) -> str:
        """The VOI in words, for messages."""
        return " ".join(value for _, value in self.key)


@dataclass(frozen=True, slots=True)
class Unit:
    """One image, one family, all of its VOIs that are still missing.

    Args:
        family: its name in the study: CR, DLR, or that of a variant.
        store: where the volumes of the store lie.
        image: where the image lies.
        vois: what to compute.
        attempts: how often it was tried before.
        alone: whether nothing else may run beside it.
    """

    family: str
    store: Place
    image: StoredVolume
    vois: tuple[Voi, ...]
    attempts: int = 0
    alone: bool = False

    @property
    def cost(self) -> float:
        """Predicted seconds of one core for all VOIs."""
        return sum(voi.cost for voi in self.vois)

    @property
    def memory_bytes(self) -> int:
        """Predicted most memory of its worker: VOIs are computed one after the other."""
        return max(voi.memory_bytes for voi in self.vois)

    @property
    def phase(self) -> str:
        """Phase of the image."""
        return dict(self.vois[0].key)["phase"]

    def tried(self) -> Self:
        """The same unit after one more attempt."""
        return replace(self, attempts=self.attempts + 1)

    def of(self, vois: Sequence[Voi]) -> Self:
        """The same unit with some of its VOIs."""
        return replace(self, vois=tuple(vois))


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a VOI has no values.

    Args:
        reason, way_out: for people.
        error: class of the error.
        traceback: where it was raised; empty when the worker died.
        attempts: how often it was tried.
        duration_s: seconds of the last attempt, as far as they are known.
        memory_bytes: most memory that the worker had used by then.
    """

    reason: str
    way_out: str
    error: str
    traceback: str = ""
    attempts: int = 1
    duration_s: float | None = None
    memory_bytes: int | None = None

    @classmethod
    def of(cls, error: Exception, attempts: int = 1) -> Self:
        """Describe an exception."""
        memory = _no_memory(error) or (error.__cause__ is not None and _no_memory(error.__cause__))
        if isinstance(error, MviError):
            reason, way_out = error.reason, error.way_out
        else:
            reason = " ".join(str(error).split()) or type(error).__name__
            way_out = (
                "give each worker more memory"
                if memory
                else "report it with the traceback in the table quarantine"
            )
        text = "".join(tracebacks.format_exception(error))
        return cls(reason, way_out, "MemoryError" if memory else type(error).__name__, text, attempts)


@dataclass(frozen=True, slots=True)
class VoiResult:
    """Rows of one VOI, or its failure.

    Args:
        voi: what was asked for.
        rows: rows of the family's table without origin and run.
        failure: set when there are no rows.
        duration_s: seconds of the worker.
        memory_bytes: most memory of the worker; None where it is not known.
        family: that of its unit.
    """

    voi: Voi
    rows: tuple[dict[str, Any], ...] = ()
    failure: Failure | None = None
    duration_s: float = field(default=0.0, compare=False)
    memory_bytes: int | None = field(default=None, compare=False)
    family: str = ""


def _no_memory(error: BaseException) -> bool:
    """Also NumPy's own class, and what ITK and torch say in words."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(
        said in words for said in ("bad_alloc", "allocate memory", "out of memory")
    )
