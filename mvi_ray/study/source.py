"""One clinical table as a hospital keeps it: how its file, columns and codes become the study's."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BeforeValidator, Field, PositiveFloat, field_validator, model_validator

from mvi_ray.study.settings import Settings

Encoding = Literal[
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "cp1250",
    "cp1251",
    "cp1252",
    "latin-1",
    "gb18030",
    "big5",
    "shift_jis",
    "euc-kr",
]
DateFormat = Literal[
    "yyyy-mm-dd", "yyyy/mm/dd", "yyyymmdd", "dd.mm.yyyy", "dd/mm/yyyy", "dd-mm-yyyy", "mm/dd/yyyy"
]

_SIGNS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
_Delimiter = Annotated[
    Literal[",", ";", "\t", "|"],
    BeforeValidator(lambda value: _SIGNS.get(value, value) if isinstance(value, str) else value),
]


class Conversion(Settings):
    """From the unit of a table to that of the study: value × factor + add."""

    factor: PositiveFloat = Field(default=1.0, validation_alias=AliasChoices("factor", "multiply"))
    add: float = 0.0

    def convert(self, value: float) -> float:
        """A value in the unit of the study."""
        return value * self.factor + self.add


class Source(Settings):
    """A clinical table, known by the name of its file."""

    file: str = Field(min_length=1, description="name of the file without folders; * and ? are wild")
    sheet: str | None = Field(
        default=None, min_length=1, description="of a workbook; the first if none is named"
    )
    encoding: Encoding | None = Field(default=None, description="of text; UTF-8, or what its mark says")
    delimiter: _Delimiter | None = Field(default=None, description="of text; seen in the header if not named")
    decimal: Literal[".", ","] | None = Field(
        default=None, description="sign before the fraction, where numbers are text"
    )
    date_format: DateFormat | None = Field(default=None, description="of dates that are text")
    columns: dict[str, str] = Field(
        default_factory=dict, description="name in the study to name in the table; patient_id as well"
    )
    units: dict[str, Conversion] = Field(
        default_factory=dict, description="variable to the conversion into its unit"
    )
    values: dict[str, dict[str, str | None]] = Field(
        default_factory=dict,
        description="variable, outcome or centre: what stands in the table to what it means; null: missing",
    )
    centre: str | None = Field(
        default=None, min_length=1, description="hospital of all patients of this table"
    )

    @field_validator("file")
    @classmethod
    def _no_folder(cls, value: str) -> str:
        if "/" in value or "\\" in value:
            msg = "file is a name without folders, such as hospital_a*.xlsx"
            raise ValueError(msg)
        return value

    @field_validator("values", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """Codes are compared as text: 1 in the study file is what a cell with the number 1 holds."""
        if not isinstance(value, dict):
            return value
        return {
            name: {cell_text(k): None if v is None else cell_text(v) for k, v in codes.items()}
            if isinstance(codes, dict)
            else codes
            for name, codes in value.items()
        }

    @model_validator(mode="after")
    def _once(self) -> Self:
        taken: dict[str, str] = {}
        for name, column in self.columns.items():
            if column in taken:
                msg = f"columns: {name!r} and {taken[column]!r} are both read from column {column!r}"
                raise ValueError(msg)
            taken[column] = name
        return self


def cell_text(value: object) -> Any:
    """A number or truth value as the text that codes and levels are compared with: 1, 0.5, TRUE."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else value
