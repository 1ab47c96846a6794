"""Tests of mvi_ray.project.demonstration: a demo that was stopped goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mvi_ray.errors import UsageError
from mvi_ray.project.demonstration import run_demo
from mvi_ray.project.ingestion import IngestSummary
from mvi_ray.project.progress import silent

if TYPE_CHECKING:
    from pathlib import Path


def test_a_demo_stopped_while_it_draws_goes_on(tmp_path: Path) -> None:
    """Ctrl-C after three patients; the second call draws all, and ingests them."""
    folder = tmp_path / "demo"

    def stop(task: str, done: float, total: float, note: str = "") -> None:
        if (task, done) == ("make cohort", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(run_demo(folder, 12, 0, stop))
    assert not (folder / "study.yaml").exists()
    summary = next(run_demo(folder, 12, 0, silent))
    assert isinstance(summary, IngestSummary)
    assert (summary.patients, summary.images, summary.left_out) == (12, 36, 0)
    assert summary.synthetic
    with pytest.raises(UsageError, match="holds a demo of another size or seed"):
        next(run_demo(folder, 14, 0, silent))


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    """Nothing of the user's is mixed with a demo."""
    (tmp_path / "thesis.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(UsageError, match="is not empty; name a new directory"):
        next(run_demo(tmp_path, 12, 0, silent))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
