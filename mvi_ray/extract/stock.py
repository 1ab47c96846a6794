"""Engine `pyradiomics`: the stock one, asked for what is wanted only."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from mvi_ray.extract.checks import check_grey_levels, check_mask
from mvi_ray.extract.conditions import engine_conditions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mvi_ray.extract.conditions import Message

MAX_GREY_LEVELS = 2_000
"""Grey levels in one VOI above which the engine is not started.

A co-occurrence matrix of 13 angles takes 104 bytes × levels², 416 MB here, and the engine
holds several of them; studies aim at 16 to 128 levels.
"""


def execute(
    image: Any, label: Any, settings: Mapping[str, Any], enabled: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Message]]:
    """Values by the engine's full names, and what the engine warned of."""
    with engine_conditions() as messages:
        extractor = stock_engine()(**settings)
        extractor.disableAllImageTypes()
        extractor.enableImageTypes(**enabled)
        extractor.enableFeatureClassByName("shape", enabled="Original" in enabled)
        return dict(extractor.execute(image, label)), messages


def load() -> None:
    """Import all that computes."""
    stock_engine()


@cache
def stock_engine() -> type[Any]:
    """The stock extractor, which looks at a mask and at each image before its C code does."""
    import SimpleITK as sitk
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    class CheckedExtractor(RadiomicsFeatureExtractor):  # type: ignore[misc]
        @staticmethod
        def loadImage(*args: Any, **kwargs: Any) -> tuple[Any, Any]:  # noqa: N802
            image, mask = RadiomicsFeatureExtractor.loadImage(*args, **kwargs)
            check_mask(sitk.GetArrayViewFromImage(mask) == 1, kwargs)
            return image, mask

        def computeFeatures(  # noqa: N802
            self, image: Any, mask: Any, imageTypeName: str, **kwargs: Any
        ) -> Any:
            inside = sitk.GetArrayViewFromImage(mask) == 1
            check_grey_levels(
                sitk.GetArrayViewFromImage(image)[inside], imageTypeName, kwargs, MAX_GREY_LEVELS
            )
            return super().computeFeatures(image, mask, imageTypeName, **kwargs)

    return CheckedExtractor
