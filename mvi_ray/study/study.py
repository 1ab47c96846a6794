"""The whole study file: what a study measures, and how.

Every part forbids unknown keys, so that a misspelt setting is an error and never a silent
default.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from mvi_ray.study.clinical import Clinical
from mvi_ray.study.dicom import Dicom
from mvi_ray.study.enrolment import Enrolment
from mvi_ray.study.families import Families
from mvi_ray.study.masks import CarriedMask, check_masks
from mvi_ray.study.models import Models, ModelSpec
from mvi_ray.study.readers import Readers
from mvi_ray.study.regions import Definition, derivation_order
from mvi_ray.study.segments import Segments
from mvi_ray.study.settings import DRAWN, Name, Settings, check_unique, suggest


class Study(Settings):
    """The whole study file."""

    schema_version: Literal[1]
    name: str = Field(default="study", description="title on reports")
    synthetic: bool = Field(
        default=False, description="true: the images are made by a program; every result says so"
    )
    store: str | None = Field(
        default=None,
        description="s3://bucket/prefix of the store; without it the folder store/ of the project",
    )
    phases: tuple[Name, ...] = Field(min_length=1, description="one image of a patient each")
    masks: dict[Name, CarriedMask] = Field(
        default_factory=dict, description="phases that take the mask drawn on another phase"
    )
    regions: dict[Name, Definition] = Field(
        default_factory=dict, description=f"regions beside the drawn mask ({DRAWN})"
    )
    readers: Readers = Readers()
    preprocessing: Literal["none"] = Field(
        description="what changes voxels before any family sees them: stated, never guessed"
    )
    geometry: Literal["exact", "resample"] = Field(
        default="exact",
        description="masks on another grid than their image: 'exact' refuses them, "
        "'resample' takes the nearest voxel and records it",
    )
    segments: Segments = Segments()
    families: Families
    dicom: Dicom = Dicom()
    clinical: Clinical = Clinical()
    enrolment: Enrolment = Enrolment()
    cohorts: dict[Literal["train", "test"], str] = Field(
        default_factory=dict, description="SQL predicates over the clinical variables"
    )
    models: Models = Models()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_unique(self.phases)
        check_unique(self.region_names)
        joined = [f"{phase}_{region}" for phase in self.phases for region in self.region_names]
        variants = [name.upper() for name in self.families.variants]
        joined += [f"{place}_{name}" for place in joined for name in variants]
        # DuckDB takes names that differ in case only for one.
        same = [name.lower() for name in joined]
        if len(set(same)) < len(same):
            twice = next(name for name in joined if same.count(name.lower()) > 1)
            parts = "phases, regions and variants" if variants else "phases and regions"
            msg = f"{parts} make the feature name {twice!r} twice; rename one of them"
            raise ValueError(msg)
        if DRAWN in self.regions:
            msg = f"regions: {DRAWN!r} is the drawn mask and cannot be defined again"
            raise ValueError(msg)
        for phase in self.dicom.phases:
            if phase not in self.phases:
                msg = f"dicom.phases: the study has no phase {phase!r}{suggest(phase, self.phases)}"
                raise ValueError(msg)
        derivation_order(self.regions)
        check_masks(self.masks, self.phases)
        self._check_binning()
        for name, spec in self.models.fit.items():
            self._check_model(name, spec)
        return self

    def _check_binning(self) -> None:
        for name, settings in {"cr": self.families.cr, **self.families.variants}.items():
            for key in ("bin_width", "bin_count"):
                value = getattr(settings, key, None)
                if isinstance(value, dict) and set(value) != set(self.phases):
                    msg = (
                        f"families.{name}.{key} names the phases {sorted(value)}, "
                        f"the study has {sorted(self.phases)}: give each phase its value"
                    )
                    raise ValueError(msg)

    def _check_model(self, name: str, spec: ModelSpec) -> None:
        known: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
            ("phases", spec.phases, self.phases),
            ("regions", spec.regions, self.region_names),
            ("families", spec.families, self.families.names),
            ("clinical", spec.clinical, tuple(self.clinical.variables)),
        )
        for key, used, there in known:
            for item in used:
                if item not in there:
                    msg = (
                        f"models.fit.{name}.{key}: the study has no {item!r}"
                        f"{suggest(item, there)}; it has {', '.join(there) or 'none'}"
                    )
                    raise ValueError(msg)

    @cached_property
    def region_names(self) -> tuple[str, ...]:
        """Every region, the drawn one first."""
        return (DRAWN, *self.regions)
