"""What a study contributes to the catalog."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Declarations:
    """The part of a study that the views depend on.

    Args:
        name: title of the study.
        digest: of the study file; another one makes the catalog stale.
        synthetic: whether its images are made by a program.
        phases: in order.
        regions: in order.
        readers: the first one's masks are those the plain views show.
        expected: family to the number of rows of one VOI.
        current: (family, phase, image type or None, feature set id) of the study's settings.
        filters: image type of CR to the parameters of its filter.
    """

    name: str
    digest: str
    synthetic: bool
    phases: tuple[str, ...]
    regions: tuple[str, ...]
    readers: tuple[str, ...]
    expected: Mapping[str, int]
    current: tuple[tuple[str, str, str | None, str], ...]
    filters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_json(self) -> str:
        """As text that `of_json` reads."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def of_json(cls, text: str) -> Self:
        """From `to_json`."""
        content = json.loads(text)
        for name in ("phases", "regions", "readers"):
            content[name] = tuple(content[name])
        content["current"] = tuple((f, p, t, i) for f, p, t, i in content["current"])
        return cls(**content)

    @property
    def content_digest(self) -> str:
        """SHA-256 of `to_json`."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def image_types(self) -> tuple[str, ...]:
        """Image types of family CR, in order."""
        return tuple(dict.fromkeys(kind for family, _, kind, _ in self.current if family == "CR" and kind))
