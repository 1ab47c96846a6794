"""What a study contributes to the catalog."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Variant:
    """A family with settings of its own beside those of CR or DLR.

    Args:
        kind: ``CR`` or ``DLR``: whose table has its rows.
        filters: image type of CR to the parameters of its filter.
    """

    kind: str
    filters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


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
        variants: by name, in order.
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
    variants: Mapping[str, Variant] = field(default_factory=dict)

    def to_json(self) -> str:
        """As text that `of_json` reads."""
        content = asdict(self)
        # A list keeps their order; a study without any has the digest that it had before there were any.
        variants = list(content.pop("variants").items())
        if variants:
            content["variants"] = variants
        return json.dumps(content, sort_keys=True, ensure_ascii=False)

    @classmethod
    def of_json(cls, text: str) -> Self:
        """From `to_json`."""
        content = json.loads(text)
        for name in ("phases", "regions", "readers"):
            content[name] = tuple(content[name])
        content["current"] = tuple((f, p, t, i) for f, p, t, i in content["current"])
        content["variants"] = {name: Variant(**one) for name, one in content.get("variants", [])}
        return cls(**content)

    @property
    def content_digest(self) -> str:
        """SHA-256 of `to_json`."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def families(self) -> tuple[str, ...]:
        """What the study computes: CR and DLR, then variants in order."""
        return tuple(name for name in ("CR", "DLR", *self.variants) if name in self.expected)

    @property
    def image_types(self) -> dict[str, tuple[str, ...]]:
        """Image types of CR and of each variant of it, in order."""
        return {
            family: tuple(dict.fromkeys(kind for name, _, kind, _ in self.current if name == family and kind))
            for family in self.families
            if self._kind(family) == "CR"
        }

    @property
    def dlr_like(self) -> tuple[str, ...]:
        """DLR and its variants, in order."""
        return tuple(family for family in self.families if self._kind(family) == "DLR")

    def _kind(self, family: str) -> str:
        return self.variants[family].kind if family in self.variants else family
