"""How regions are made: rings, combinations of regions, and those that are drawn by hand."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, PositiveFloat, Tag, field_validator, model_validator

from mvi_ray.study.settings import DRAWN, Name, Settings, check_unique, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Threshold(Settings):
    """Which intensities of the image stay in a region."""

    above: float | None = Field(default=None, description="only voxels whose intensity is above this")
    below: float | None = Field(default=None, description="only voxels whose intensity is below this")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.above is None and self.below is None:
            msg = "a threshold needs a number: {above: 0}, {below: 300}, or both"
            raise ValueError(msg)
        if self.above is not None and self.below is not None and self.above >= self.below:
            msg = f"above ({self.above:g}) must be less than below ({self.below:g})"
            raise ValueError(msg)
        return self


# The tags stand in brackets, as no name of the user's can: messages leave them out.
def _clip_tag(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "(several)"
    return "(Threshold)" if isinstance(value, dict | Threshold) else "(name)"


_Cut = Annotated[
    Annotated[Literal["organ"], Tag("(name)")] | Annotated[Threshold, Tag("(Threshold)")],
    Discriminator(_clip_tag),
]
Clip = Annotated[
    Annotated[Literal["organ", "none"], Tag("(name)")]
    | Annotated[Threshold, Tag("(Threshold)")]
    | Annotated[tuple[_Cut, ...], Tag("(several)")],
    Discriminator(_clip_tag),
]


class _Clipping(Settings):
    """A definition whose region may be cut to the organ, to intensities, or to both."""

    clip: Clip = Field(
        default="organ",
        description="'organ': stay inside the organ mask where one is given; 'none'; "
        "{above: x, below: y}: stay within these intensities; or a list of both",
    )

    @field_validator("clip")
    @classmethod
    def _one_spelling(cls, value: Clip) -> Clip:
        """Equal cuts have one spelling: the definition's text says whether a region is current."""
        if not isinstance(value, tuple):
            return value
        cuts = sorted(value, key=lambda cut: cut != "organ")
        if not cuts or len({type(cut) for cut in cuts}) < len(cuts):
            msg = "a list of clips holds 'organ' and one threshold, each once"
            raise ValueError(msg)
        return cuts[0] if len(cuts) == 1 else tuple(cuts)

    @property
    def to_organ(self) -> bool:
        """Whether the region stays inside the organ."""
        return "organ" in (self.clip if isinstance(self.clip, tuple) else (self.clip,))

    @property
    def threshold(self) -> Threshold | None:
        """Intensities that stay, where the region is cut to some."""
        cuts = self.clip if isinstance(self.clip, tuple) else (self.clip,)
        return next((cut for cut in cuts if isinstance(cut, Threshold)), None)


class Ring(_Clipping):
    """A shell around another region, in true millimetres on the native grid."""

    kind: Literal["ring"]
    of: Name = Field(default=DRAWN, description="the region it surrounds")
    inner_mm: float = Field(default=0.0, ge=0, description="voxels up to this distance are left out")
    outer_mm: PositiveFloat = Field(le=50, description="voxels up to this distance are taken")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.inner_mm >= self.outer_mm:
            msg = f"inner_mm ({self.inner_mm:g}) must be below outer_mm ({self.outer_mm:g})"
            raise ValueError(msg)
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """Regions it is made from."""
        return (self.of,)


class Combination(_Clipping):
    """Regions put together, what they share, or the first without the others."""

    kind: Literal["union", "intersection", "difference"]
    of: tuple[Name, ...] = Field(min_length=1, description="regions; of a difference the first is kept")
    clip: Clip = Field(default="none", description="as of a ring")

    @model_validator(mode="after")
    def _something(self) -> Self:
        check_unique(self.of)
        if len(self.of) == 1 and self.clip == "none":
            msg = f"a {self.kind} of {self.of[0]!r} alone would be its copy: name another region, or clip it"
            raise ValueError(msg)
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """Regions it is made from."""
        return self.of


class ByHand(Settings):
    """A region that is a file of its own in each case: rows of the manifest with this region."""

    kind: Literal["drawn"]

    @property
    def sources(self) -> tuple[str, ...]:
        """It is made from none."""
        return ()


KINDS = ("ring", "union", "intersection", "difference", "drawn")


def _kind_tag(value: Any) -> str:
    kind = value.get("kind", "ring") if isinstance(value, dict) else getattr(value, "kind", "ring")
    if kind in ("union", "intersection", "difference"):
        return "(Combination)"
    # What is no kind at all is told by the ring, which requires the key.
    return {"ring": "(Ring)", "drawn": "(ByHand)"}.get(str(kind), "(unknown)")


Definition = Annotated[
    Annotated[Ring, Tag("(Ring)")]
    | Annotated[Combination, Tag("(Combination)")]
    | Annotated[ByHand, Tag("(ByHand)")],
    Discriminator(
        _kind_tag,
        custom_error_type="region_kind",
        custom_error_message=f"kind is none of {', '.join(KINDS)}",
    ),
]


def derivation_order(definitions: Mapping[str, Definition]) -> tuple[str, ...]:
    """Names of derived regions, each after those that it is made from.

    Raises:
        ValueError: a region is made from one that is not there, or in a circle from itself.
    """
    known = (DRAWN, *definitions)
    for name, definition in definitions.items():
        for source in definition.sources:
            if source not in known:
                msg = (
                    f"regions.{name}.of: the study has no {source!r}{suggest(source, known)}; "
                    f"it has {', '.join(known)}"
                )
                raise ValueError(msg)
    graph = {name: definition.sources for name, definition in definitions.items()}
    try:
        order = tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " ← ".join(reversed(error.args[1]))
        msg = f"regions are made from each other in a circle: {circle}; let one start from {DRAWN!r}"
        raise ValueError(msg) from None
    return tuple(name for name in order if name != DRAWN)


def with_sources(definitions: Mapping[str, Definition], names: Iterable[str]) -> dict[str, Definition]:
    """The definitions of some regions and of all that these are made from."""
    wanted = set(names)
    for name in reversed(derivation_order(definitions)):
        if name in wanted:
            wanted.update(definitions[name].sources)
    return {name: definition for name, definition in definitions.items() if name in wanted}
