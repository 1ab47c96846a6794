"""Threads of the numerical libraries."""

from __future__ import annotations

import sys

import pytest

from mvi_ray.errors import UsageError
from mvi_ray.extract.threads import pin_threads


def test_threads_are_pinned_for_itk() -> None:
    """ITK does not read OMP_NUM_THREADS."""
    import SimpleITK as sitk

    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    try:
        pin_threads(1)
        assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 1
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)


def test_torch_is_pinned_where_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is not loaded for that."""
    import SimpleITK as sitk

    counts: list[int] = []

    class Torch:
        @staticmethod
        def set_num_threads(count: int) -> None:
            counts.append(count)

    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    monkeypatch.setitem(sys.modules, "torch", Torch)
    try:
        pin_threads(2)
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert counts == [2]
    with pytest.raises(UsageError, match="0 threads; give at least 1"):
        pin_threads(0)
