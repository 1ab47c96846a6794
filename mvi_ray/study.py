"""The study file: what a study measures, and how.

One `study.yaml` declares phases, regions, readers, families with their settings, clinical
variables, cohorts and models. Every model here forbids unknown keys, so that a misspelt
setting is an error and never a silent default.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from mvi_ray.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SCHEMA_VERSION: Literal[1] = 1
FILE_NAME = "study.yaml"
DRAWN = "intratumoral"
"""The region that is the drawn mask itself; every other region is derived from one."""

_BIORTHOGONAL = "1.1 1.3 1.5 2.2 2.4 2.6 2.8 3.1 3.3 3.5 3.7 3.9 4.4 5.5 6.8".split()  # noqa: SIM905
_WAVELETS = frozenset(
    ["haar", "dmey"]
    + [f"db{n}" for n in range(1, 39)]
    + [f"sym{n}" for n in range(2, 21)]
    + [f"coif{n}" for n in range(1, 18)]
    + [f"{kind}{n}" for kind in ("bior", "rbio") for n in _BIORTHOGONAL]
)
"""`pywt.wavelist(kind="discrete")`: named here, since reading a study must not load PyWavelets."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def check_name(name: str) -> str:
    """A name of a phase, region, reader or model, or ValueError with the rule it breaks."""
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is not a name: start with a letter, then letters, digits, '_' or '-'"
        raise ValueError(msg)
    return name


def _unique(names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(name.lower(), name)
        if first is not name:
            msg = f"{name!r} and {first!r} are the same name (upper and lower case do not count)"
            raise ValueError(msg)


Name = Annotated[str, AfterValidator(check_name)]
Family = Annotated[
    Literal["CR", "DLR"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Ring(_Settings):
    """A shell around another region, in true millimetres on the native grid."""

    kind: Literal["ring"] = Field(description="the only derived region built so far")
    of: Name = Field(default=DRAWN, description="the region it surrounds")
    inner_mm: float = Field(default=0.0, ge=0, description="voxels nearer than this are left out")
    outer_mm: PositiveFloat = Field(description="voxels up to this distance are taken")
    clip: Literal["organ", "none"] = Field(
        default="organ", description="'organ': stay inside the organ mask where one is given"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.inner_mm >= self.outer_mm:
            msg = f"inner_mm ({self.inner_mm:g}) must be below outer_mm ({self.outer_mm:g})"
            raise ValueError(msg)
        return self


class Readers(_Settings):
    """Who drew the masks."""

    model: Name = Field(default="R1", description="reader whose masks the models use")
    compare: tuple[Name, ...] = Field(default=(), description="readers compared by ICC")

    @model_validator(mode="after")
    def _different(self) -> Self:
        _unique((self.model, *self.compare))
        return self


class NoParameters(_Settings):
    """A filter without parameters."""


class Wavelet(_Settings):
    """Eight sub-bands of one undecimated wavelet level."""

    wavelet: str = Field(default="coif1", description="a discrete wavelet of PyWavelets")

    @field_validator("wavelet")
    @classmethod
    def _known(cls, value: str) -> str:
        if value in _WAVELETS:
            return value
        msg = f"PyWavelets has no discrete wavelet {value!r}{_suggest(value, sorted(_WAVELETS))}"
        raise ValueError(msg)


class LaplacianOfGaussian(_Settings):
    """One image for each sigma."""

    sigma_mm: tuple[PositiveFloat, ...] = Field(default=(1.0,), min_length=1)


class Gradient(_Settings):
    """Magnitude of the gradient."""

    use_spacing: bool = Field(default=True, description="per millimetre instead of per voxel")


class LocalBinaryPattern2D(_Settings):
    """Local binary patterns, slice by slice."""

    radius: PositiveFloat = 1.0
    # What the engine takes when nothing is said; its documentation says 9.
    samples: PositiveInt = 8
    method: Literal["default", "ror", "uniform", "var"] = "uniform"


class LocalBinaryPattern3D(_Settings):
    """Local binary patterns on a sphere: one image per level, and the kurtosis map."""

    # The engine stops at one level.
    levels: Annotated[int, Field(ge=2)] = 2
    icosphere_radius: PositiveFloat = 1.0
    icosphere_subdivision: PositiveInt = 1


class ImageTypes(_Settings):
    """The filters whose images are measured; a key that is absent is not computed."""

    original: NoParameters | None = None
    wavelet: Wavelet | None = None
    log: LaplacianOfGaussian | None = None
    square: NoParameters | None = None
    squareroot: NoParameters | None = None
    logarithm: NoParameters | None = None
    exponential: NoParameters | None = None
    gradient: Gradient | None = None
    lbp_2d: LocalBinaryPattern2D | None = Field(default=None, alias="lbp-2D")
    lbp_3d: LocalBinaryPattern3D | None = Field(default=None, alias="lbp-3D")

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, value: Any) -> Any:
        """Read `square:` (YAML null) and a list of names as filters with default parameters."""
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return {name: {} for name in value}
        if isinstance(value, dict):
            return {key: {} if inner is None else inner for key, inner in value.items()}
        return value

    @model_validator(mode="after")
    def _any(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            msg = "name at least one image type, for example 'original'"
            raise ValueError(msg)
        return self


class ConventionalRadiomics(_Settings):
    """Family CR: features of PyRadiomics."""

    engine: Literal["pyradiomics"] = "pyradiomics"
    orientation: Literal["canonical", "source"] = Field(
        default="canonical",
        description="grid on which features are computed; 'source' is that of the file read",
    )
    spacing_mm: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(
        description="voxels after resampling, (x, y, z); null keeps the native spacing"
    )
    interpolator: Literal["BSpline", "Linear", "NearestNeighbor"] = "BSpline"
    bin_width: PositiveFloat | dict[Name, PositiveFloat] | None = Field(
        default=None, description="width of a grey level; one number, or one for each phase"
    )
    bin_count: PositiveInt | dict[Name, PositiveInt] | None = Field(
        default=None, description="number of grey levels; one number, or one for each phase"
    )
    image_types: ImageTypes

    @model_validator(mode="after")
    def _one_discretisation(self) -> Self:
        if (self.bin_width is None) == (self.bin_count is None):
            msg = "give either bin_width or bin_count: which grey levels are compared is your choice"
            raise ValueError(msg)
        return self

    def binning(self, phase: str) -> tuple[Literal["bin_width", "bin_count"], float]:
        """Kind and value of the discretisation in one phase."""
        if self.bin_width is not None:
            width = self.bin_width
            return "bin_width", width[phase] if isinstance(width, dict) else width
        count = self.bin_count
        if count is None:  # excluded by the validator above
            msg = "neither bin_width nor bin_count is given"
            raise StudyError(msg)
        return "bin_count", count[phase] if isinstance(count, dict) else count


class DeepRadiomics(_Settings):
    """Family DLR: 512 values of a 3D ResNet-18 for each VOI."""

    network: Literal["r3d_18"] = "r3d_18"
    weights: str = Field(description="'kinetics400', 'random' (for trials only), or a file of weights")
    input_size: Annotated[int, Field(ge=16, le=256)] = Field(
        default=64, description="voxels along each side of the network's input"
    )
    percentiles: tuple[float, float] = Field(
        default=(1.0, 99.0), description="intensities inside the VOI that become 0 and 1"
    )
    masked: bool = Field(default=True, description="set voxels outside the VOI to 0")
    batch_size: PositiveInt = Field(
        default=8, description="VOIs in one pass of a GPU; a CPU is quickest one by one"
    )

    @field_validator("percentiles")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] < value[1] <= 100:
            msg = f"percentiles must rise within 0 to 100, got {value}"
            raise ValueError(msg)
        return value


class Families(_Settings):
    """Which features are computed."""

    cr: ConventionalRadiomics | None = None
    dlr: DeepRadiomics | None = None

    @model_validator(mode="after")
    def _any(self) -> Self:
        if self.cr is None and self.dlr is None:
            msg = "name at least one family: cr, dlr"
            raise ValueError(msg)
        return self

    @property
    def names(self) -> tuple[Literal["CR", "DLR"], ...]:
        """Families that the study computes, in order."""
        pairs: tuple[tuple[Literal["CR", "DLR"], object], ...] = (("CR", self.cr), ("DLR", self.dlr))
        return tuple(name for name, settings in pairs if settings is not None)


class Variable(_Settings):
    """A clinical variable and how it is read."""

    kind: Literal["continuous", "categorical"] = "continuous"
    unit: str | None = None
    levels: tuple[str, ...] = Field(
        default=(), description="of a categorical variable; the first is the reference"
    )

    @model_validator(mode="after")
    def _levels(self) -> Self:
        if self.kind == "categorical" and len(set(self.levels)) < 2:
            msg = "a categorical variable needs its levels, at least two: levels: [no, yes]"
            raise ValueError(msg)
        if self.kind == "continuous" and self.levels:
            msg = "levels belong to a categorical variable: set kind: categorical"
            raise ValueError(msg)
        return self


class Clinical(_Settings):
    """Columns of the clinical table that the study uses; all others stay outside the store."""

    outcome: str | None = Field(default=None, description="column with 0 and 1")
    centre: str | None = Field(default=None, description="column that names the hospital")
    variables: dict[str, Variable] = Field(default_factory=dict)

    @field_validator("variables", mode="before")
    @classmethod
    def _names_only(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {name: {} for name in value}
        if isinstance(value, dict):
            return {key: {} if inner is None else inner for key, inner in value.items()}
        return value

    @model_validator(mode="after")
    def _different(self) -> Self:
        _unique([*self.columns, "patient_id"])
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns read from the clinical table, without the patient's identifier."""
        named = [n for n in (self.outcome, self.centre) if n is not None]
        return (*named, *self.variables)


class Selection(_Settings):
    """How features are chosen inside each training fold."""

    correlation: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.90, description="of two features that correlate more, one is dropped"
    )
    n_features: PositiveInt = Field(default=8, description="features kept by the elimination")
    rfe_step: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.05, description="share of the features dropped at each step"
    )


class SupportVectorMachine(_Settings):
    """A linear support vector machine; other kernels would keep rows of patients in a model."""

    C: PositiveFloat = 1.0


class Validation(_Settings):
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


class ModelSpec(_Settings):
    """What one model is built from."""

    families: tuple[Family, ...] = ()
    regions: tuple[Name, ...] = ()
    phases: tuple[Name, ...] = Field(default=(), description="empty: every phase of the study")
    clinical: tuple[str, ...] = Field(default=(), description="clinical variables joined")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if bool(self.families) != bool(self.regions):
            msg = "families and regions belong together: name both, or neither"
            raise ValueError(msg)
        if not self.families and not self.clinical:
            msg = "a model needs families with regions, clinical variables, or both"
            raise ValueError(msg)
        return self


class Models(_Settings):
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
        _unique(value)
        return value


class Study(_Settings):
    """The whole study file."""

    schema_version: Literal[1]
    name: str = Field(default="study", description="title on reports")
    synthetic: bool = Field(
        default=False, description="true: the images are made by a program; every result says so"
    )
    phases: tuple[Name, ...] = Field(min_length=1, description="one image of a patient each")
    regions: dict[Name, Ring] = Field(
        default_factory=dict, description=f"regions derived from the drawn mask ({DRAWN})"
    )
    readers: Readers = Readers()
    preprocessing: Literal["none"] = Field(
        description="what changes voxels before any family sees them: stated, never guessed"
    )
    families: Families
    clinical: Clinical = Clinical()
    cohorts: dict[Literal["train", "test"], str] = Field(
        default_factory=dict, description="SQL predicates over the clinical variables"
    )
    models: Models = Models()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _unique(self.phases)
        _unique(self.region_names)
        if DRAWN in self.regions:
            msg = f"regions: {DRAWN!r} is the drawn mask and cannot be defined again"
            raise ValueError(msg)
        for name, ring in self.regions.items():
            # One level of derivation keeps the order of computation obvious.
            if ring.of != DRAWN:
                msg = f"regions.{name}.of: a ring surrounds {DRAWN!r}, got {ring.of!r}"
                raise ValueError(msg)
        self._check_binning()
        for name, spec in self.models.fit.items():
            self._check_model(name, spec)
        return self

    def _check_binning(self) -> None:
        if self.families.cr is None:
            return
        for key in ("bin_width", "bin_count"):
            value = getattr(self.families.cr, key)
            if isinstance(value, dict) and set(value) != set(self.phases):
                msg = (
                    f"families.cr.{key} names the phases {sorted(value)}, "
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
                        f"{_suggest(item, there)}; it has {', '.join(there) or 'none'}"
                    )
                    raise ValueError(msg)

    @cached_property
    def region_names(self) -> tuple[str, ...]:
        """Every region, the drawn one first."""
        return (DRAWN, *self.regions)


def _suggest(word: str, known: Iterable[str]) -> str:
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""


def _fields_at(loc: tuple[int | str, ...]) -> list[str]:
    """Names that could stand at a place of the study file; empty where any name may."""
    here: Any = Study
    for part in loc:
        if not (isinstance(here, type) and issubclass(here, BaseModel)):
            return []
        field = next(
            (f for n, f in here.model_fields.items() if part in (n, f.alias)),
            None,
        )
        if field is None:
            # A key of a mapping such as regions.NAME, already entered through its value type.
            continue
        here = _model_of(field.annotation)
    if isinstance(here, type) and issubclass(here, BaseModel):
        return [f.alias or n for n, f in here.model_fields.items()]
    return []


def _model_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_of(inner)
        if found is not None:
            return found
    return None


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors(include_url=False):
        loc = tuple(part for part in item["loc"] if part != "[key]")
        where = ".".join(str(part) for part in loc)
        if item["type"] == "extra_forbidden":
            known = _fields_at(loc[:-1])
            hint = _suggest(str(loc[-1]), known)
            lines.append(f"{where}: unknown key{hint}; known: {', '.join(known)}")
        elif item["type"] == "missing":
            lines.append(f"{where}: is required")
        else:
            text = item["msg"].removeprefix("Value error, ")
            got = "" if isinstance(item["input"], dict | Study) else f" (got {item['input']!r})"
            lines.append(f"{where + ': ' if where else ''}{text}{got}")
    return "\n".join(f"  {line}" for line in lines)


def parse_study(text: str, origin: str = FILE_NAME) -> Study:
    """Read a study from YAML 1.2 text.

    Raises:
        StudyError: the text is not YAML, or a key or value is not valid; every fault is listed.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        msg = f"{origin} is not valid YAML: {error}"
        raise StudyError(msg) from None
    if not isinstance(content, dict):
        msg = f"{origin} is empty or no mapping; `mvi init` writes a commented one"
        raise StudyError(msg)
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        msg = f"{origin} is not a valid study:\n{_explain(error)}"
        raise StudyError(msg) from None


def load_study(path: Path) -> Study:
    """Read a study file.

    Raises:
        StudyError: it is missing, unreadable or not valid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name} cannot be read: {error}"
        raise StudyError(msg) from None
    return parse_study(text, path.name)
