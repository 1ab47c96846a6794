"""A distributed feature store for multi-phase radiomics studies."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mvi_ray.project import Project

__version__ = "0.1.0"
__all__ = ["Project", "__version__"]


def __getattr__(name: str) -> Any:
    # Project pulls in DuckDB and pydantic; `mvi --help` must not pay for them.
    if name == "Project":
        return import_module("mvi_ray.project").Project
    msg = f"module 'mvi_ray' has no attribute {name!r}"
    raise AttributeError(msg)
