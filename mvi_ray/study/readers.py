"""Who drew the masks, and which reader stands for several."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mvi_ray.study.settings import Name, Settings, check_unique


class Consensus(Settings):
    """One mask from those of all readers, under the name of a reader of its own."""

    name: Name = Field(default="CONS", description="reader under whose name the consensus is stored")
    method: Literal["majority", "staple"] = Field(
        description="'majority': share of the readers; 'staple': probability by STAPLE"
    )
    threshold: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.5, description="voxels with more than this share or probability are inside"
    )


class Readers(Settings):
    """Who drew the masks."""

    model: Name = Field(default="R1", description="reader whose masks the models use")
    compare: tuple[Name, ...] = Field(default=(), description="readers compared by ICC")
    consensus: Consensus | None = Field(
        default=None, description="one mask made from those of the readers; models may use it"
    )

    @model_validator(mode="after")
    def _different(self) -> Self:
        check_unique(self.names)
        if self.consensus is not None and len(self.drawing) < 2:
            msg = (
                f"a consensus needs two readers who draw, got {', '.join(self.drawing) or 'none'}: "
                "name them in model and compare"
            )
            raise ValueError(msg)
        return self

    @property
    def drawing(self) -> tuple[str, ...]:
        """Readers whose masks are files: all but the consensus."""
        own = None if self.consensus is None else self.consensus.name
        return tuple(name for name in (self.model, *self.compare) if name != own)

    @property
    def names(self) -> tuple[str, ...]:
        """Every reader of the store, the one used for modelling first."""
        named = (self.model, *self.compare)
        if self.consensus is None or self.consensus.name in named:
            return named
        return (*named, self.consensus.name)
