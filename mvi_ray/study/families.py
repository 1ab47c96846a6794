"""Which features are computed, and with which settings."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from mvi_ray.errors import StudyError
from mvi_ray.study.settings import Name, Settings, suggest

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


class Families(Settings):
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
