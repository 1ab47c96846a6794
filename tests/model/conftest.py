"""Fixtures of the model tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from mvi_ray.matrix.matrix import Matrix
from mvi_ray.study import Models

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def make_matrix() -> Callable[..., Matrix]:
    """Makes a matrix with correlated columns, gaps and an outcome that some columns hold."""

    def make(seed: int = 0, *, train: int = 60, test: int = 24, effect: float = 1.0) -> Matrix:
        rng = np.random.default_rng(seed)
        rows = train + test
        outcome = np.tile([0, 1, 0], rows)[:rows].astype(np.int8)
        latent = rng.normal(size=(rows, 12))
        latent[:, :3] += effect * outcome[:, None]
        values = latent[:, np.arange(40) % 12] * 50 + 10 + 8 * rng.normal(size=(rows, 40))
        values[rng.random(values.shape) < 0.02] = np.nan
        values[:, 38] = np.nan
        values[:, 39] = 7.0
        return Matrix(
            "CR",
            tuple(f"P{i:03}" for i in range(rows)),
            tuple(f"AP_intratumoral_c{i:02}" for i in range(40)),
            values,
            outcome,
            np.where(np.arange(rows) < train, "train", "test"),
        )

    return make


@pytest.fixture(scope="session")
def few() -> Models:
    """Settings that are quick to fit."""
    return Models.model_validate(
        {
            "selection": {"n_features": 4},
            "validation": {"folds": 3, "repeats": 2, "bootstrap": 200, "seed": 1},
        }
    )
