"""How the values of a foreign table were computed, as far as the table says."""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import ManifestError
from mvi_ray.ingest.features.layouts import CONFIGURATION, MIRP_OF_IMAGE, MIRP_WORDS, VERSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from mvi_ray.ingest.features.layouts import LayoutName

DIFFERS = "differs between images"
"""Stands for a fact of the images that is not the same for all of them."""

_SOFTWARE = {"pyradiomics": "PyRadiomics", "fae": "FAE", "mirp": "MIRP"}
# They say which voxels of a mask file are the tumour, not how a value is computed.
_OF_THE_MASK = ("label", "label_channel")


def read_settings(
    layout: LayoutName, texts: dict[str, list[str]], lines: NDArray[np.int64], rows: Sequence[int]
) -> dict[str, Any]:
    """One description for all rows, of JSON values; it names no file, patient, hash or place.

    Args:
        layout: of the file.
        texts: the cells of the columns that hold settings.
        lines: line of each row.
        rows: those that hold values; others say nothing about them.

    Raises:
        ManifestError: rows were computed with different settings.
    """
    software = None if layout not in _SOFTWARE else {"name": _SOFTWARE[layout], "version": None}
    found: dict[str, Any] = {"layout": layout, "software": software}
    for name, cells in texts.items():
        value = _common(name, cells, lines, rows)
        if layout == "mirp":
            found.setdefault("columns", {})[name] = value if name in MIRP_WORDS else _number(value)
        elif name == f"{VERSIONS}PyRadiomics":
            found["software"] = {"name": "PyRadiomics", "version": value}
        elif name.startswith(VERSIONS):
            found.setdefault("versions", {})[name.removeprefix(VERSIONS)] = value
        else:
            found[name.removeprefix(CONFIGURATION)] = value
    return found


def _common(name: str, cells: list[str], lines: NDArray[np.int64], rows: Sequence[int]) -> Any:
    first: Any = None
    for number, row in enumerate(rows):
        value = _value(cells[row])
        if number == 0:
            first = value
        elif value != first:
            if name in MIRP_OF_IMAGE:
                return DIFFERS
            raise ManifestError(
                f"lines {lines[rows[0]]} and {lines[row]} were computed with different settings ({name}); "
                "split the file and import the parts as two families"
            )
    return first


def _value(text: str) -> Any:
    if not text:
        return None
    if not text.startswith(("{", "[", "(")):
        return _json(text)
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return _json(text)
    if isinstance(value, dict):
        value = {key: entry for key, entry in value.items() if key not in _OF_THE_MASK}
    return _json(value)


def _number(value: Any) -> Any:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return value
    return number if math.isfinite(number) else value


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_json(entry) for entry in value]
    if isinstance(value, str) and ("/" in value or "\\" in value):
        # Nobody's folders belong into a store.
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
