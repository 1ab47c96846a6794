"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real images: `MVI_TEST_DATA`, else `shared/data` beside the checkout."""
    named = os.environ.get("MVI_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real test data is absent: set MVI_TEST_DATA to its folder")
    return folder
