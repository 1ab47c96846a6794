"""What a check of the store found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Args:
        check: which check found it.
        severity: ``error`` is damage; ``note`` is worth knowing.
        what: in words, with counts.
        way_out: what to do, or what `--repair` does.
        table: that it is in, where it is in one.
        keys: of the rows it is about; what `--repair` needs.
        repair: how it is mended; None when a person must.
    """

    check: str
    severity: Literal["error", "note"]
    what: str
    way_out: str
    table: str | None = None
    keys: tuple[dict[str, Any], ...] = ()
    repair: Literal["files", "duplicates", "rows", "volumes", "publish"] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return {
            "check": self.check,
            "severity": self.severity,
            "what": self.what,
            "way_out": self.way_out,
            "table": self.table,
            "rows": len(self.keys),
            "repairable": self.repair is not None,
        }
