"""What travels: descriptions of failures, units cut into VOIs."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from mvi_ray.cluster.unit import Failure, Unit, Voi, VoiResult
from mvi_ray.errors import ExtractionError
from mvi_ray.store.volumes import StoredVolume
from mvi_ray.volume import Geometry, Reorientation

_GRID = Geometry((4, 4, 4), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
_STORED = StoredVolume("images/x.nii.gz", "x", _GRID, Reorientation("LPS", (0, 0, 0)))


class _ArrayMemoryError(MemoryError):
    """NumPy has one of this name."""


def _refuse():
    raise ExtractionError("mask is empty; check the label")


def _because_of(cause):
    error = ExtractionError("PyRadiomics stopped; check the image")
    error.__cause__ = cause
    return error


def _unit(vois, attempts=0):
    made = tuple(
        Voi((("patient_id", f"P{n}"), ("phase", "AP")), "digest", _STORED, {"original": "f"}, 2.0)
        for n in range(vois)
    )
    return Unit("CR", Path("store"), _STORED, made, attempts)


def test_a_unit_is_as_dear_as_its_vois_and_survives_a_process_border():
    """Small, frozen, picklable."""
    unit = _unit(3)
    assert (unit.cost, unit.phase, unit.vois[1].name) == (6.0, "AP", "P1 AP")
    assert pickle.loads(pickle.dumps(unit)) == unit  # noqa: S301 - our own bytes
    assert len(pickle.dumps(unit)) < 2000


def test_an_error_of_ours_is_told_apart_into_reason_and_way_out():
    """With its class and where it was raised."""
    with pytest.raises(ExtractionError, match="mask is empty") as caught:
        _refuse()
    failure = Failure.of(caught.value, 2)
    assert (failure.reason, failure.way_out) == ("mask is empty", "check the label")
    assert (failure.error, failure.attempts) == ("ExtractionError", 2)
    assert "test_unit.py" in failure.traceback


def test_an_error_of_others_says_what_to_do_with_it():
    """Also one without a message."""
    failure = Failure.of(ZeroDivisionError())
    assert failure.reason == failure.error == "ZeroDivisionError"
    assert "report it" in failure.way_out


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        _ArrayMemoryError(),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        _because_of(MemoryError()),
    ],
    ids=["python", "numpy", "itk", "cuda", "cause"],
)
def test_want_of_memory_has_one_name(error):
    """Whoever says so, in whichever words, or as the cause of an error of ours."""
    assert Failure.of(error).error == "MemoryError"


@pytest.mark.parametrize("error", [RuntimeError("boom"), _because_of(ValueError("boom"))])
def test_another_error_keeps_its_name(error):
    """Also one with a cause."""
    assert Failure.of(error).error == type(error).__name__


def test_durations_are_no_part_of_a_result():
    """Sameness is about values."""
    voi = _unit(1).vois[0]
    assert VoiResult(voi, duration_s=1.0) == VoiResult(voi, duration_s=2.0)
