"""Feature sets: everything that determines one row, under a name made of its content."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class FeatureSet:
    """One way to compute one row.

    Args:
        family: ``CR`` or ``DLR``, also for their variants, or the name of an imported family.
        image_type: the filter of a CR row; None for other families.
        settings: JSON values only. No machine, time, path or worker count stands in it, so
            that the same study has the same identifiers everywhere.
    """

    family: str
    image_type: str | None
    settings: Mapping[str, Any]

    @cached_property
    def canonical(self) -> str:
        """Settings as JSON with sorted keys and no spaces: the text that is hashed."""
        content = {"family": self.family, "image_type": self.image_type, **self.settings}
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @cached_property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of `canonical`."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()[:16]
