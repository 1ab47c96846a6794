"""Tests of mvi_ray.matrix.matrix."""

from __future__ import annotations

import numpy as np
import pytest

from mvi_ray.errors import MatrixError
from mvi_ray.matrix.matrix import Matrix


def _matrix(**changes: object) -> Matrix:
    parts: dict[str, object] = {
        "name": "m",
        "patients": ("P1", "P2", "P3"),
        "columns": ("a", "b"),
        "values": np.arange(6.0).reshape(3, 2),
        "outcome": np.array([0, 1, 1], dtype=np.int8),
        "cohort": np.array(["train", "test", "train"]),
    }
    return Matrix(**(parts | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"values": np.zeros((2, 2))}, "values have shape"),
        ({"columns": ("a", "a")}, "must be unique"),
        ({"patients": ("P1", "P1", "P2")}, "must be unique"),
        ({"outcome": np.array([0, 2, 1])}, "outcome must be 0 or 1"),
        ({"outcome": np.array([0, 1])}, "outcome must be 0 or 1"),
        ({"cohort": np.array(["train", "x", "test"])}, "cohort must be train or test"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, object], words: str) -> None:
    """A matrix is right or does not exist."""
    with pytest.raises(MatrixError, match=words):
        _matrix(**changes)


def test_a_part_keeps_rows_together() -> None:
    """Values, outcome and patients of one cohort."""
    train = _matrix().part("train")
    assert train.patients == ("P1", "P3")
    np.testing.assert_array_equal(train.values, [[0, 1], [4, 5]])
    assert train.outcome.tolist() == [0, 1]


def test_arrow_table_has_key_outcome_and_features() -> None:
    """What stands in the run directory."""
    table = _matrix().to_arrow()
    assert table.column_names == ["patient_id", "cohort", "outcome", "a", "b"]
    assert table.column("b").to_pylist() == [1.0, 3.0, 5.0]
    with pytest.raises(MatrixError, match="may not be named"):
        _matrix(columns=("a", "outcome")).to_arrow()
