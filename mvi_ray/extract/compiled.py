"""Compilation of inner loops: once on a machine, kept beside the program or in the user's cache."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    _Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a function at its first call, in IEEE arithmetic: no sums out of order, no fused products.

    Division by zero gives infinity or NaN, as in NumPy.
    """
    try:
        made = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        # Neither the program's folder nor a cache of the user can be written: each process compiles.
        made = njit(nogil=True, error_model="numpy")(function)
    else:
        _keep_if_possible(made)
    result: _Function = made
    return result


def _keep_if_possible(made: Any) -> None:
    """Let a full disk or a quota cost time only: numba would fail when the function is called."""
    cache = made._cache  # noqa: SLF001 - numba has no public way
    save = cache.save_overload

    def save_if_possible(*args: Any) -> None:
        with suppress(OSError):
            save(*args)

    cache.save_overload = save_if_possible
