"""How the tables of known tools look: whose columns are features, and what the others are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mvi_ray.errors import ManifestError, UsageError
from mvi_ray.ingest.features.cells import UNNAMED

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from mvi_ray.ingest.features.rules import KeyRules

LayoutName = Literal["pyradiomics", "fae", "mirp", "wide", "long"]
LAYOUTS: tuple[LayoutName, ...] = ("pyradiomics", "fae", "mirp", "wide", "long")

_CLASSES = "shape|shape2D|firstorder|glcm|glrlm|glszm|gldm|ngtdm"
_IMAGE_TYPES = "original|wavelet|log-sigma|square|squareroot|logarithm|exponential|gradient|lbp-2D|lbp-3D"
# `pyradiomics` names a value imagetype_class_Feature, and an image type holds no underscore.
_PYRADIOMICS = re.compile(rf"[^_]+_(?:{_CLASSES})_[^_]+")
_STOCK = re.compile(rf"(?:{_IMAGE_TYPES})[^_]*_(?:{_CLASSES})_[^_]+")
# MIRP's families of features (its documentation, "Names of features"), with a filter in front or not.
_MIRP = re.compile(r"(?:.+_)?(?:morph|loc|stat|ivh|ih|cm|rlm|szm|dzm|ngt|ngl)_.+")
_FAE_CASES = ("CaseID", "CaseName", UNNAMED)
_OUTCOMES = frozenset({"label", "outcome", "target", "class", "y"})
_PATHS = frozenset(
    ("image", "mask", "image_file_name", "image_directory", "image_mask_file_name", "image_mask_directory")
)

VERSIONS = "diagnostics_Versions_"
CONFIGURATION = "diagnostics_Configuration_"
MIRP_WORDS = ("image_modality", "image_measurement_unit", "image_pet_suv_type", "image_settings_id")
MIRP_FIXED = (
    *MIRP_WORDS,
    "image_noise_iteration_id",
    "image_rotation_angle",
    "image_translation_x",
    "image_translation_y",
    "image_translation_z",
    "image_mask_randomise_id",
    "image_mask_adapt_size",
)
"""Columns of MIRP that say how a value was computed."""

MIRP_OF_IMAGE = ("image_voxel_size_x", "image_voxel_size_y", "image_voxel_size_z", "image_noise_level")
"""Columns of MIRP that are settings where they are the same for all, and facts of an image otherwise."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a file are.

    Args:
        features: column to how its name was read: parts of the key, and the feature.
        settings: columns that say how the values were computed.
        dropped: every other column, with the reason; columns of the key stand in neither.
    """

    features: dict[str, tuple[dict[str, str], str]]
    settings: tuple[str, ...]
    dropped: dict[str, str]


def choose_layout(layout: str, columns: Sequence[str], rules: KeyRules) -> LayoutName:
    """The layout asked for, or for ``auto`` the one that the columns speak for; else ``wide``.

    Raises:
        UsageError: there is no such layout.
    """
    for name in LAYOUTS:
        if layout == name:
            return name
    if layout != "auto":
        raise UsageError(f"there is no layout {layout!r}; use auto, {', '.join(LAYOUTS)}")
    names, lower = set(columns), {name.lower() for name in columns}
    if "sample_name" in names and "image_voxel_size_x" in names:
        return "mirp"
    if {"feature", "value"} <= lower:
        return "long"
    if any(name.startswith((VERSIONS, CONFIGURATION)) for name in columns):
        return "pyradiomics"
    named = any(rule.part == "patient_id" for rule in rules.rules)
    if columns[0] in _FAE_CASES and names & {"label", "Label"} and not named:
        return "fae"
    return "pyradiomics" if any(_STOCK.fullmatch(name) for name in columns) else "wide"


def patient_column(layout: LayoutName, columns: Sequence[str], rules: KeyRules) -> str | None:
    """The column that a layout fixes for the patient, where the user says nothing else."""
    if any(rule.part == "patient_id" for rule in rules.rules):
        return None
    # FAE takes the first column for the name of the case, whatever stands above it.
    return {"fae": columns[0], "mirp": "sample_name"}.get(layout)


def sort_columns(
    layout: LayoutName,
    columns: Sequence[str],
    keys: Collection[str],
    rules: KeyRules,
    known: Mapping[str, Sequence[str]],
    clinical: Collection[str],
) -> Columns:
    """Tell features, settings and all others apart by the names of the columns.

    Args:
        layout: of the file.
        columns: of the file.
        keys: columns that hold the key.
        rules: with the pattern of the feature columns, where there is one.
        known: the study's names of each part that a pattern may hold.
        clinical: columns of the study's clinical table: never features.

    Raises:
        ManifestError: a name can be read in two ways by the pattern.
    """
    features: dict[str, tuple[dict[str, str], str]] = {}
    settings: list[str] = []
    dropped: dict[str, str] = {}
    for name in columns:
        if name in keys:
            continue
        if is_setting(layout, name):
            settings.append(name)
            continue
        reason = not_a_feature(name, clinical)
        reading = None if reason else read_name(name, rules, known)
        if reason is None and reading is None:
            reason = f"does not fit {rules.pattern}"
        if reading is not None:
            reason = _not_of_the_tool(layout, reading[1])
        if reason is not None:
            dropped[name] = reason
        elif reading is not None:
            features[name] = reading
    return Columns(features, tuple(settings), dropped)


def read_name(
    name: str, rules: KeyRules, known: Mapping[str, Sequence[str]]
) -> tuple[dict[str, str], str] | None:
    """Parts of the key and the feature that a name holds; None when it does not fit the pattern.

    Raises:
        ManifestError: it can be read in two ways.
    """
    readings = rules.readings(name, known)
    if len(readings) > 1:
        ways = " or ".join(f"{' '.join(parts.values())} | {feature}" for parts, feature in readings[:2])
        raise ManifestError(f"column {name!r} can be read as {ways}; rename it, or write a longer pattern")
    return readings[0] if readings else None


def is_setting(layout: LayoutName, name: str) -> bool:
    """Whether a column says how the values were computed."""
    if layout == "pyradiomics":
        return name.startswith((VERSIONS, CONFIGURATION))
    return layout == "mirp" and name in (*MIRP_FIXED, *MIRP_OF_IMAGE)


def not_a_feature(name: str, clinical: Collection[str]) -> str | None:
    """Why a name is no feature's in any layout; None when it may be one."""
    if name == UNNAMED:
        return "no name"
    if name.lower() in _PATHS:
        return "path"
    if "diagnostics_" in name or "general_info_" in name:
        return "diagnostics"
    if name.lower() in _OUTCOMES:
        return "label or outcome"
    return "clinical variable of the study" if name in clinical else None


def _not_of_the_tool(layout: LayoutName, feature: str) -> str | None:
    if layout == "pyradiomics" and not _PYRADIOMICS.fullmatch(feature):
        return "no feature of PyRadiomics"
    if layout == "mirp" and not _MIRP.fullmatch(feature):
        return "no feature of MIRP"
    return None
