"""How models are fitted and judged, and which ones."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from mvi_ray.study.settings import Family, Name, Settings, check_unique


class Selection(Settings):
    """How features are chosen inside each training fold."""

    correlation: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.90, description="of two features that correlate more, one is dropped"
    )
    n_features: PositiveInt = Field(default=8, description="features kept by the elimination")
    rfe_step: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.05, description="share of the features dropped at each step"
    )


class SupportVectorMachine(Settings):
    """A linear support vector machine; other kernels would keep rows of patients in a model."""

    C: PositiveFloat = 1.0


class Validation(Settings):
    """Repeated stratified cross-validation within the training cohort."""

    folds: Annotated[int, Field(ge=2)] = 5
    repeats: PositiveInt = 10
    inner_folds: Annotated[int, Field(ge=2)] = Field(
        default=3, description="inside each training fold: for the threshold and the calibration"
    )
    bootstrap: Annotated[int, Field(ge=100)] = Field(
        default=2000, description="resamples of patients for each interval"
    )
    seed: Annotated[int, Field(ge=0)] = 0


class ModelSpec(Settings):
    """What one model is built from."""

    families: tuple[Family, ...] = Field(default=(), description="CR, DLR, and variants of the study")
    regions: tuple[Name, ...] = ()
    phases: tuple[Name, ...] = Field(default=(), description="empty: every phase of the study")
    clinical: tuple[str, ...] = Field(default=(), description="clinical variables joined")

    @model_validator(mode="after")
    def _something(self) -> Self:
        for names in (self.families, self.regions, self.phases, self.clinical):
            check_unique(names)
        if bool(self.families) != bool(self.regions):
            msg = "families and regions belong together: name both, or neither"
            raise ValueError(msg)
        if not self.families and not self.clinical:
            msg = "a model needs families with regions, clinical variables, or both"
            raise ValueError(msg)
        return self


class Models(Settings):
    """How models are fitted and judged, and which ones."""

    session: str = Field(default="baseline", description="the examination that is modelled")
    lesions: Literal["largest", "mean"] = Field(
        default="largest", description="how several tumours of one patient become one row"
    )
    selection: Selection = Selection()
    svm: SupportVectorMachine = SupportVectorMachine()
    validation: Validation = Validation()
    fit: dict[Name, ModelSpec] = Field(default_factory=dict)

    @field_validator("fit")
    @classmethod
    def _names(cls, value: dict[str, ModelSpec]) -> dict[str, ModelSpec]:
        check_unique(value)
        return value
