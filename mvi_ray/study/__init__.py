"""The study file: phases, regions, readers, families, clinical variables, cohorts, models."""

from mvi_ray.study.clinical import Clinical, Variable
from mvi_ray.study.dicom import Dicom, SeriesRule, Split
from mvi_ray.study.enrolment import Criterion, Enrolment
from mvi_ray.study.families import (
    ConventionalRadiomics,
    DeepRadiomics,
    Families,
    Gradient,
    ImageTypes,
    LaplacianOfGaussian,
    LocalBinaryPattern2D,
    LocalBinaryPattern3D,
    NoParameters,
    Wavelet,
)
from mvi_ray.study.masks import CarriedMask
from mvi_ray.study.models import Models, ModelSpec, Selection, SupportVectorMachine, Validation
from mvi_ray.study.readers import Consensus, Readers
from mvi_ray.study.reading import load_study, parse_study
from mvi_ray.study.regions import (
    ByHand,
    Combination,
    Definition,
    Ring,
    Threshold,
    derivation_order,
    with_sources,
)
from mvi_ray.study.segments import Segments
from mvi_ray.study.settings import DRAWN, FILE_NAME, Family, Name, check_name
from mvi_ray.study.source import Conversion, Source
from mvi_ray.study.study import Study

__all__ = [
    "DRAWN",
    "FILE_NAME",
    "ByHand",
    "CarriedMask",
    "Clinical",
    "Combination",
    "Consensus",
    "ConventionalRadiomics",
    "Conversion",
    "Criterion",
    "DeepRadiomics",
    "Definition",
    "Dicom",
    "Enrolment",
    "Families",
    "Family",
    "Gradient",
    "ImageTypes",
    "LaplacianOfGaussian",
    "LocalBinaryPattern2D",
    "LocalBinaryPattern3D",
    "ModelSpec",
    "Models",
    "Name",
    "NoParameters",
    "Readers",
    "Ring",
    "Segments",
    "Selection",
    "SeriesRule",
    "Source",
    "Split",
    "Study",
    "SupportVectorMachine",
    "Threshold",
    "Validation",
    "Variable",
    "Wavelet",
    "check_name",
    "derivation_order",
    "load_study",
    "parse_study",
    "with_sources",
]
