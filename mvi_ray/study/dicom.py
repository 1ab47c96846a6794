"""How DICOM series become the phases of a study."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from mvi_ray.study.settings import Name, Settings

Split = Literal[
    "auto",
    "temporal_position",
    "acquisition",
    "acquisition_time",
    "content_time",
    "trigger_time",
    "order",
    "none",
]


def _one_is_a_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Globs = Annotated[tuple[str, ...], BeforeValidator(_one_is_a_list)]
Range = tuple[float, float]


class SeriesRule(Settings):
    """Which series, and which of its parts, is a phase; everything given must hold."""

    modality: str | None = Field(default=None, description="such as MR, CT or PT")
    description: Globs = Field(
        default=(), description="patterns such as *dyn*, of which the SeriesDescription fits one"
    )
    series_number: int | None = Field(default=None, description="SeriesNumber")
    image_type: Globs = Field(
        default=(), description="values that all stand in ImageType, such as W for the water of a Dixon"
    )
    part: int | None = Field(default=None, ge=1, description="which time point of the series, from 1")
    after_s: Range | None = Field(default=None, description="seconds from and to, after what `since` says")
    since: Literal["series", "study"] = Field(
        default="series",
        description="'series': after the first part of the series; 'study': after the earliest series of "
        "the examination",
    )
    temporal_position: int | None = Field(default=None, description="TemporalPositionIdentifier")
    acquisition: int | None = Field(default=None, description="AcquisitionNumber")
    trigger_time_ms: Range | None = Field(default=None, description="TriggerTime from and to")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        for key in ("after_s", "trigger_time_ms"):
            span = getattr(self, key)
            if span is not None and span[0] > span[1]:
                msg = f"{key} runs from {span[0]:g} to {span[1]:g}: give the lower number first"
                raise ValueError(msg)
        if not self.model_fields_set - {"since"}:
            msg = "a rule without conditions fits every series: give a modality, description or part"
            raise ValueError(msg)
        return self


class Dicom(Settings):
    """Reading DICOM."""

    split: Split = Field(
        default="auto", description="what tells the time points of one series apart; 'auto': what fits"
    )
    fractional: float = Field(
        default=0.5, gt=0, le=1, description="share from which a voxel of a fractional SEG is inside"
    )
    suv: bool = Field(default=False, description="true: PET becomes SUV by body weight")
    dates: Literal["drop", "shift"] = Field(
        default="drop", description="the date of acquisition: left out, or moved by a secret number of days"
    )
    phases: dict[Name, SeriesRule] = Field(
        default_factory=dict, description="rules by which `mvi ingest --dicom` proposes phases"
    )
