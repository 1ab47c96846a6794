"""A folder of DICOM files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ingest.proposal.archive import Archive


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An empty folder named like a patient."""
    from tests.ingest.proposal.archive import Archive

    return Archive(tmp_path / "MUELLER_HANS")
