"""The program of a worker: the same as that of the command, or nothing is computed. No Ray in here."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, Self

from mvi_ray.errors import ClusterError


@dataclass(frozen=True, slots=True)
class Program:
    """What determines a value apart from image and settings.

    Rows are stored under the versions that the command has, so a worker that has others must
    not compute them.

    Args:
        engine: CR or DLR.
        versions: part of the program, to its version; None where it is not installed.
    """

    engine: Literal["CR", "DLR"]
    versions: tuple[tuple[str, str | None], ...]

    @classmethod
    def here(cls, engine: Literal["CR", "DLR"]) -> Self:
        """That of this process."""
        parts = _cr() if engine == "CR" else _dlr()
        # The package itself names the room above this one, for type checkers only.
        return cls(engine, (("mvi-ray", import_module("mvi_ray").__version__), *parts))

    def check(self) -> None:
        """Compare the command's program, which this is, with that of this process.

        Raises:
            ClusterError: they differ; the message names machine, parts and versions.
        """
        found = dict(Program.here(self.engine).versions)
        unlike = [
            f"{part} {found.get(part) or '(none)'} instead of {wanted or '(none)'}"
            for part, wanted in self.versions
            if found.get(part) != wanted
        ]
        if unlike:
            raise ClusterError(f"{socket.gethostname()} has {', '.join(unlike)}")


def _cr() -> tuple[tuple[str, str | None], ...]:
    from mvi_ray.extract.cr import engine_versions

    return tuple(engine_versions().items())


@cache
def _dlr() -> tuple[tuple[str, str | None], ...]:
    from mvi_ray.extract.dlr import TRANSFORM_VERSION

    try:
        # Builds for a CPU and for a GPU are one version.
        torch = version("torch").partition("+")[0]
    except PackageNotFoundError:
        torch = None
    return ("transform", str(TRANSFORM_VERSION)), ("torch", torch)
