"""Which features are computed, and with which settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from mvi_ray.errors import StudyError
from mvi_ray.study.settings import Name, Settings, suggest
from mvi_ray.study.variants import EXTENDS, Merged, merged

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

_BIORTHOGONAL = "1.1 1.3 1.5 2.2 2.4 2.6 2.8 3.1 3.3 3.5 3.7 3.9 4.4 5.5 6.8".split()  # noqa: SIM905
_WAVELETS = frozenset(
    ["haar", "dmey"]
    + [f"db{n}" for n in range(1, 39)]
    + [f"sym{n}" for n in range(2, 21)]
    + [f"coif{n}" for n in range(1, 18)]
    + [f"{kind}{n}" for kind in ("bior", "rbio") for n in _BIORTHOGONAL]
)
"""`pywt.wavelist(kind="discrete")`: named here, since reading a study must not load PyWavelets."""


class NoParameters(Settings):
    """A filter without parameters."""


class Wavelet(Settings):
    """Eight sub-bands of one undecimated wavelet level."""

    wavelet: str = Field(default="coif1", description="a discrete wavelet of PyWavelets")

    @field_validator("wavelet")
    @classmethod
    def _known(cls, value: str) -> str:
        if value in _WAVELETS:
            return value
        msg = f"PyWavelets has no discrete wavelet {value!r}{suggest(value, sorted(_WAVELETS))}"
        raise ValueError(msg)


class LaplacianOfGaussian(Settings):
    """One image for each sigma."""

    sigma_mm: tuple[PositiveFloat, ...] = Field(default=(1.0,), min_length=1)


class Gradient(Settings):
    """Magnitude of the gradient."""

    use_spacing: bool = Field(default=True, description="per millimetre instead of per voxel")


class LocalBinaryPattern2D(Settings):
    """Local binary patterns, slice by slice."""

    radius: PositiveFloat = 1.0
    # What the engine takes when nothing is said; its documentation says 9.
    samples: PositiveInt = 8
    method: Literal["default", "ror", "uniform", "var"] = "uniform"


class LocalBinaryPattern3D(Settings):
    """Local binary patterns on a sphere: one image per level, and the kurtosis map."""

    # The engine stops at one level.
    levels: Annotated[int, Field(ge=2)] = 2
    icosphere_radius: PositiveFloat = 1.0
    icosphere_subdivision: PositiveInt = 1


class ImageTypes(Settings):
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


class ConventionalRadiomics(Settings):
    """Family CR: features of PyRadiomics."""

    engine: Literal["pyradiomics", "fast"] = Field(
        default="pyradiomics",
        description="'fast' computes the values of PyRadiomics in a fraction of its time",
    )
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


class DeepRadiomics(Settings):
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


def _variant_tag(value: Any) -> str:
    is_deep = value.kind == "dlr" if isinstance(value, Merged) else isinstance(value, DeepRadiomics)
    return "(DeepRadiomics)" if is_deep else "(ConventionalRadiomics)"


_Variant = Annotated[
    Annotated[ConventionalRadiomics, Tag("(ConventionalRadiomics)")]
    | Annotated[DeepRadiomics, Tag("(DeepRadiomics)")],
    Discriminator(_variant_tag),
]
# In brackets, as a place that pydantic puts between `families` and the user's name; also an alias below.
_VARIANTS = "(variants)"


class Families(Settings):
    """Which features are computed. Any name beside cr and dlr is a variant: it extends another family."""

    cr: ConventionalRadiomics | None = None
    dlr: DeepRadiomics | None = None
    variants: dict[str, _Variant] = Field(default_factory=dict, alias="(variants)")
    """By their names in the file, with their settings in full."""

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, value: Any) -> Any:
        """Put what is neither cr nor dlr aside."""
        if not isinstance(value, dict):
            return value
        own = {key: value[key] for key in ("cr", "dlr") if key in value}
        return {**own, _VARIANTS: {key: inner for key, inner in value.items() if key not in own}}

    @field_validator("variants", mode="before")
    @classmethod
    def _in_full(cls, value: Any, info: ValidationInfo) -> Any:
        """Write variants out; what is wrong with a family itself is not told again for each of them."""
        if not isinstance(value, dict) or not {"cr", "dlr"} <= info.data.keys():
            return {}
        return merged(value, {name: own for name, own in info.data.items() if own is not None})

    @model_validator(mode="after")
    def _any(self) -> Self:
        if self.cr is None and self.dlr is None:
            msg = "name at least one family: cr, dlr"
            raise ValueError(msg)
        seen: list[tuple[str, Settings]] = [("cr", self.cr)] if self.cr is not None else []
        seen += [("dlr", self.dlr)] if self.dlr is not None else []
        for name, settings in self.variants.items():
            for other, there in seen:
                if settings == there:
                    msg = f"{name} has the same settings as {other}; change one of its keys, or remove it"
                    raise ValueError(msg)
            seen.append((name, settings))
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As a file that is read again as the same families."""
        found: dict[str, Any] = handler(self)
        variants = {**found.pop("variants", {}), **found.pop(_VARIANTS, {})}
        for name, settings in variants.items():
            base = "dlr" if isinstance(self.variants[name], DeepRadiomics) else "cr"
            found[name] = {EXTENDS: base, **settings}
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Families that the study computes: CR and DLR, then variants in the order of the file."""
        own = (("CR", self.cr), ("DLR", self.dlr))
        return (*(name for name, settings in own if settings is not None), *map(str.upper, self.variants))

    @property
    def cr_like(self) -> dict[str, ConventionalRadiomics]:
        """Settings of family CR and of its variants, by name, in the order of `names`."""
        found = {} if self.cr is None else {"CR": self.cr}
        for name, one in self.variants.items():
            if isinstance(one, ConventionalRadiomics):
                found[name.upper()] = one
        return found

    @property
    def dlr_like(self) -> dict[str, DeepRadiomics]:
        """Settings of family DLR and of its variants, by name, in the order of `names`."""
        found = {} if self.dlr is None else {"DLR": self.dlr}
        for name, one in self.variants.items():
            if isinstance(one, DeepRadiomics):
                found[name.upper()] = one
        return found

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """As the file is written: variants stand beside the families, with some of their keys."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        del schema["properties"][_VARIANTS]
        schema["propertyNames"] = {"pattern": "^[A-Za-z][A-Za-z0-9_-]*$"}
        schema["additionalProperties"] = {
            "description": "a variant, computed beside what it extends; its keys replace those of it",
            "anyOf": [
                _schema_of_variant(handler.resolve_ref_schema(schema["properties"][family]["anyOf"][0]), of)
                for family, of in (("cr", "CR"), ("dlr", "DLR"))
            ],
        }
        return schema


def _schema_of_variant(family: JsonSchemaValue, of: str) -> JsonSchemaValue:
    """Every key of the family may be left out: it then has the value of what the variant extends."""
    properties = {
        name: {key: value for key, value in content.items() if key != "default"}
        for name, content in family["properties"].items()
    }
    if "image_types" in properties:
        properties["image_types"] = {
            "allOf": [properties["image_types"]],
            "description": "all image types of the variant: the mapping is replaced as a whole",
        }
    extends = {"description": "cr, dlr, or the name of another variant", "title": "Extends", "type": "string"}
    return {
        "additionalProperties": False,
        "description": f"A variant of family {of}.",
        "properties": {EXTENDS: extends, **properties},
        "required": [EXTENDS],
        "title": f"Variant of {of}",
        "type": "object",
    }
