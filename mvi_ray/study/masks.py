"""Which phases take the mask that was drawn on another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from mvi_ray.study.settings import Name, Settings, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class CarriedMask(Settings):
    """Where a phase takes its mask from."""

    source: Name = Field(alias="from", description="the phase on which the mask is drawn")
    registration: Literal["none", "rigid"] = Field(
        default="none",
        alias="register",
        description="'none': both phases share patient coordinates; 'rigid': shift and turn the mask",
    )


def check_masks(masks: Mapping[str, CarriedMask], phases: Sequence[str]) -> None:
    """ValueError when a phase is not there, or takes its mask from itself or by way of a third."""
    for phase, carried in masks.items():
        for named, place in ((phase, f"masks.{phase}"), (carried.source, f"masks.{phase}.from")):
            if named not in phases:
                msg = (
                    f"{place}: the study has no phase {named!r}{suggest(named, phases)}; "
                    f"it has {', '.join(phases)}"
                )
                raise ValueError(msg)
        if carried.source == phase:
            msg = f"masks.{phase}.from: a phase cannot take the mask from itself; name the phase drawn on"
            raise ValueError(msg)
        if carried.source in masks:
            msg = (
                f"masks.{phase}.from: {carried.source!r} takes its own mask from "
                f"{masks[carried.source].source!r}; name the phase on which the mask is drawn"
            )
            raise ValueError(msg)
