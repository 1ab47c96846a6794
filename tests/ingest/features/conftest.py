"""Foreign tables as lines of text, and what holds for every table that was read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mvi_ray.ingest.features import FeatureTable, KeyRules, read_feature_table

if TYPE_CHECKING:
    from pathlib import Path

AP = KeyRules.of(constants=["phase=AP"])


class Tables:
    """Reads files for a study of two phases and two regions."""

    def read(self, path: Path, rules: KeyRules = AP, **options: Any) -> FeatureTable:
        """Read a file, and check what always holds."""
        study = {"phases": ("AP", "PP"), "regions": ("intratumoral", "peritumoral")}
        found = read_feature_table(path, rules, **{**study, **options})
        assert found.values.shape == found.defined.shape == (len(found.keys), len(found.names))
        assert found.values.dtype == np.float64
        assert not np.isinf(found.values).any()
        assert np.isnan(found.values[~found.defined]).all()
        assert len(set(found.keys)) == len(found.keys)
        assert not set(found.names) & set(found.dropped)
        json.dumps(found.settings, allow_nan=False)
        assert all(problem.way_out for problem in found.problems)
        return found

    def text(self, folder: Path, *lines: str, rules: KeyRules = AP, **options: Any) -> FeatureTable:
        """Read lines as a file."""
        path = folder / "table.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.read(path, rules, **options)

    def key(
        self, patient: str, phase: str = "AP", region: str = "intratumoral", **parts: str
    ) -> tuple[str, ...]:
        """A key with the defaults of the manifest."""
        session, lesion, reader = (
            parts.get(part, default)
            for part, default in (("session", "baseline"), ("lesion", "1"), ("reader", "R1"))
        )
        return (patient, session, phase, lesion, region, reader)

    def told(self, found: FeatureTable) -> list[tuple[str, int | None, str]]:
        """Severity, line and reason of every problem."""
        return [(p.severity, p.line, p.reason) for p in found.problems]


@pytest.fixture(scope="session")
def tables() -> Tables:
    """What reads tables."""
    return Tables()
