"""Which view has the rows of a family, and which query of this room reads them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of one family under the study's settings, of the modelling reader.

    Args:
        family: CR, DLR or a variant.
        kind: ``cr`` or ``dlr``: how its rows look.
    """

    family: str
    kind: str

    @classmethod
    def of(cls, family: str, *, has_image_types: bool) -> Source:
        """The source of a family; only those like CR have image types."""
        return cls(family, "cr" if has_image_types else "dlr")

    @property
    def rows(self) -> str:
        """What stands after FROM."""
        if self.family in ("CR", "DLR"):
            return self.kind
        return f"(FROM {self.kind}_variants WHERE family = $family)"

    @property
    def bound(self) -> dict[str, str]:
        """What `rows` needs bound."""
        return {} if self.family in ("CR", "DLR") else {"family": self.family}
