"""What a project computes: the part of `Project` about extraction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mvi_ray.project.extraction import ExtractSummary
    from mvi_ray.project.forecast import Forecast
    from mvi_ray.project.progress import Progress
    from mvi_ray.project.project import Project


class Extractions:
    """Compute what is missing, foretell it, and list what failed."""

    def extract(
        self,
        *,
        families: Sequence[str] | None = None,
        cpus: int | None = None,
        address: str | None = None,
        weights: str | Path | None = None,
        retry_failed: bool = False,
        unit_s: float | None = None,
        progress: Progress | None = None,
    ) -> ExtractSummary:
        """Compute every feature that the study wants and the store does not have."""
        from mvi_ray.project.extraction import Options, extract

        options = Options(families, cpus, address, _path(weights), retry_failed, unit_s)
        return extract(cast("Project", self), options, progress)

    def forecast(
        self,
        *,
        families: Sequence[str] | None = None,
        cpus: int | None = None,
        address: str | None = None,
        weights: str | Path | None = None,
        retry_failed: bool = False,
    ) -> Forecast:
        """What `extract` would compute, and how long it would take; nothing is written."""
        from mvi_ray.project.extraction import Options
        from mvi_ray.project.forecast import forecast

        options = Options(families, cpus, address, _path(weights), retry_failed)
        return forecast(cast("Project", self), options)

    def failed(self) -> list[dict[str, Any]]:
        """Every failure in quarantine, with reason, attempts, time, memory and traceback."""
        from mvi_ray.project.extraction import failed

        return failed(cast("Project", self))


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)
