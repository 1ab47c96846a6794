"""Which segments of mask files show what."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from mvi_ray.study.settings import Settings

_Pattern = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
# One pattern needs no brackets in the file.
_Patterns = Annotated[
    tuple[_Pattern, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]


class Segments(Settings):
    """Names of segments, for masks whose line in the manifest gives neither label nor segment."""

    tumour: _Patterns = Field(
        default=(), description="names or patterns of the tumour, such as Tumor* or HCC*; case does not count"
    )
    organ: _Patterns = Field(
        default=(),
        description="names or patterns of the organ; total_mr:liver is the liver of TotalSegmentator's task",
    )
