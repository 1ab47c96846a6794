"""Compilation of inner loops: once on a machine, kept beside the program or in the user's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

    _Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile a function at its first call, in IEEE arithmetic: no sums out of order, no fused products.

    Division by zero gives infinity or NaN, as in NumPy.
    """
    made: _Function
    try:
        made = njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        # Neither the program's folder nor a cache of the user can be written: each process compiles.
        made = njit(nogil=True, error_model="numpy")(function)
    return made
