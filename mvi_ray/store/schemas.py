"""The tables of the store: columns, keys, partitions, and what each column means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mvi_ray.features import CR_FEATURES

SCHEMA_VERSION = "1"
"""Goes into the properties of every table; a reader refuses a version that it does not know."""

_TEXT, _REAL, _WHOLE = pa.string(), pa.float64(), pa.int64()
_TIME = pa.timestamp("us", tz="UTC")

_Columns = dict[str, tuple[pa.DataType, str]]


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One Delta table.

    Args:
        name: folder under ``tables/``.
        comment: what a row is.
        columns: name to type and meaning, keys first.
        keys: columns that name a row; a second row with the same ones replaces the first.
        partition_by: folders; never the patient, which would make one small file each.
    """

    name: str
    comment: str
    columns: _Columns
    keys: tuple[str, ...]
    partition_by: tuple[str, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema; only keys may not be NULL."""
        return pa.schema(
            [pa.field(n, kind, nullable=n not in self.keys) for n, (kind, _) in self.columns.items()]
        )

    def to_json(self) -> dict[str, Any]:
        """The published description of the table."""
        return {
            "table": self.name,
            "schema_version": SCHEMA_VERSION,
            "comment": self.comment,
            "keys": list(self.keys),
            "partition_by": list(self.partition_by),
            "columns": [
                {"name": n, "type": str(kind), "nullable": n not in self.keys, "comment": text}
                for n, (kind, text) in self.columns.items()
            ],
        }


_PATIENT: _Columns = {"patient_id": (_TEXT, "pseudonym from the manifest")}
_IMAGE_KEY: _Columns = {
    **_PATIENT,
    "session": (_TEXT, "examination; 'baseline' unless the manifest names others"),
    "phase": (_TEXT, "phase of the study"),
}
_VOI_KEY: _Columns = {
    **_IMAGE_KEY,
    "lesion": (_TEXT, "which tumour of the patient; '1' unless several are numbered"),
    "region": (_TEXT, "'intratumoral' is the drawn mask; others are derived from it"),
    "reader": (_TEXT, "who drew the mask"),
}
_GEOMETRY: _Columns = {
    **{f"size_{a}": (_WHOLE, f"voxels along {a}") for a in "xyz"},
    **{f"spacing_{a}_mm": (_REAL, f"distance of voxel centres along {a}") for a in "xyz"},
    **{f"origin_{a}_mm": (_REAL, f"LPS coordinate {a} of the first voxel") for a in "xyz"},
    "direction": (pa.list_(_REAL), "nine direction cosines, row by row; columns are index axes"),
    "source_orientation": (_TEXT, "axes of the file that was read, for example RAS"),
    "source_origin_mm": (pa.list_(_REAL), "origin of the file that was read"),
}
_ROW_ORIGIN: _Columns = {
    "input_digest": (_TEXT, "SHA-256 of image and mask that the row was computed from"),
}
_RUN: _Columns = {
    "run_id": (_TEXT, "the extraction that wrote the row"),
    "duration_s": (_REAL, "seconds the VOI took"),
    "computed_at": (_TIME, "when the row was computed (UTC)"),
}

PATIENTS = TableSpec(
    "patients",
    "One patient.",
    {
        **_PATIENT,
        "centre": (_TEXT, "hospital, from the manifest or the clinical table"),
        "ingested_at": (_TIME, "when the patient was last ingested (UTC)"),
    },
    ("patient_id",),
)
IMAGES = TableSpec(
    "images",
    "One stored image: a phase of a patient in one session.",
    {
        **_IMAGE_KEY,
        "image_digest": (_TEXT, "SHA-256 of voxels and geometry"),
        "path": (_TEXT, "canonical volume, relative to the store"),
        "voxel_type": (_TEXT, "NumPy type of the voxels"),
        **_GEOMETRY,
        "modality": (_TEXT, "from the DICOM header, for example MR; NULL for other files"),
        "manufacturer": (_TEXT, "maker of the scanner, from the DICOM header"),
        "scanner_model": (_TEXT, "from the DICOM header"),
        "field_strength_t": (_REAL, "field strength in tesla"),
        "slice_thickness_mm": (_REAL, "as prescribed; the distance between slices is spacing_z_mm"),
        "repetition_time_ms": (_REAL, "repetition time"),
        "echo_time_ms": (_REAL, "echo time"),
        "flip_angle_deg": (_REAL, "flip angle"),
        "acquired_on": (pa.date32(), "day of acquisition, moved by a secret number; NULL when dropped"),
        "source_digest": (_TEXT, "SHA-256 of the files and settings; NULL when something was left out"),
        "masks_digest": (_TEXT, "SHA-256 of the masks made with it: others mean that it is read again"),
        "ingested_at": (_TIME, "when the image was stored (UTC)"),
    },
    tuple(_IMAGE_KEY),
)
MASKS = TableSpec(
    "masks",
    "One VOI: a region of a lesion as one reader drew it.",
    {
        **_VOI_KEY,
        "mask_digest": (_TEXT, "SHA-256 of voxels and geometry"),
        "image_digest": (_TEXT, "the image it was drawn on"),
        **_ROW_ORIGIN,
        "path": (_TEXT, "canonical mask, relative to the store"),
        **_GEOMETRY,
        "voxels": (_WHOLE, "voxels inside"),
        "volume_mm3": (_REAL, "volume inside"),
        "largest_diameter_mm": (_REAL, "longest distance of two voxel centres inside"),
        **{f"box_{a}_mm": (_REAL, f"side along {a} of the smallest box around it") for a in "xyz"},
        "clipped_organ_mm3": (_REAL, "volume cut off outside the organ; NULL without an organ"),
        "clipped_image_mm3": (_REAL, "volume beyond the edge of the image; NULL for a drawn mask"),
        "clipped_threshold_mm3": (_REAL, "volume cut off outside the intensities; NULL without a threshold"),
        "definition": (_TEXT, "how a derived region was made (JSON); NULL for a drawn mask"),
        "organ_digest": (_TEXT, "SHA-256 of the organ mask, if one was given"),
        "organ_path": (_TEXT, "canonical organ mask on the same grid, relative to the store"),
        "carried_from": (_TEXT, "phase on which the mask was drawn; NULL when on this one"),
        **{
            f"shift_{a}_mm": (_REAL, f"LPS shift {a} from that phase to this one; NULL when not carried")
            for a in "xyz"
        },
        "rotation_deg": (_REAL, "turn from that phase to this one; NULL when not carried"),
        "resampled_from": (_TEXT, "grid of the file, when the mask was resampled; NULL when it was not"),
        "ingested_at": (_TIME, "when the mask was stored (UTC)"),
    },
    tuple(_VOI_KEY),
)
CR = TableSpec(
    "cr",
    "One VOI under one image type: values of PyRadiomics.",
    {
        **_VOI_KEY,
        "image_type": (_TEXT, "filter, for example original or wavelet-LLH"),
        "feature_set_id": (_TEXT, "settings and versions, see feature_sets"),
        **_ROW_ORIGIN,
        **{
            name: (
                _REAL,
                "PyRadiomics; only in the row of the original image"
                if name.startswith("shape_")
                else "PyRadiomics",
            )
            for name in CR_FEATURES
        },
        **_RUN,
    },
    (*_VOI_KEY, "image_type", "feature_set_id"),
    ("phase", "region"),
)
DLR = TableSpec(
    "dlr",
    "One VOI: the embedding of a 3D ResNet-18.",
    {
        **_VOI_KEY,
        "feature_set_id": (_TEXT, "transform, network and weights, see feature_sets"),
        **_ROW_ORIGIN,
        "embedding": (pa.list_(pa.float32()), "512 values"),
        "trial_weights": (pa.bool_(), "true: random weights, for trials only"),
        **_RUN,
    },
    (*_VOI_KEY, "feature_set_id"),
    ("phase", "region"),
)
FEATURE_SETS = TableSpec(
    "feature_sets",
    "Everything that determines a row, under a name made of its content.",
    {
        "feature_set_id": (_TEXT, "first 16 hexadecimal digits of the SHA-256 of the settings"),
        "family": (_TEXT, "CR, DLR, or the name of an imported family"),
        "image_type": (_TEXT, "filter of CR; NULL for other families"),
        "settings": (_TEXT, "settings and package versions (JSON)"),
        "created_at": (_TIME, "when it was first used; of an imported family, last imported (UTC)"),
    },
    ("feature_set_id",),
)
QUARANTINE = TableSpec(
    "quarantine",
    "A case or VOI that ended in a known failure.",
    {
        **_VOI_KEY,
        "stage": (_TEXT, "ingest or extract"),
        "family": (_TEXT, "CR or DLR; '-' at ingest"),
        "input_digest": (_TEXT, "SHA-256 of image and mask; NULL at ingest"),
        "settings_digest": (_TEXT, "feature sets that were asked for; other settings are tried again"),
        "reason": (_TEXT, "what was found"),
        "way_out": (_TEXT, "what to do about it"),
        "error": (_TEXT, "class of the error"),
        "traceback": (_TEXT, "where it was raised"),
        "attempts": (_WHOLE, "how often it was tried"),
        "duration_s": (_REAL, "seconds of the last attempt; NULL at ingest"),
        "memory_bytes": (_WHOLE, "most memory of the worker by then; NULL where it is not known"),
        "run_id": (_TEXT, "the extraction that met it; NULL at ingest"),
        "failed_at": (_TIME, "when it failed (UTC)"),
    },
    (*_VOI_KEY, "stage", "family"),
)
ATTEMPTS = TableSpec(
    "attempts",
    "A VOI that an extraction began; the rows go when it ends, those of one that was killed later.",
    {
        **_VOI_KEY,
        "family": (_TEXT, "CR, DLR, or the name of a variant"),
        "attempt": (_WHOLE, "counts from 1, also over extractions that were killed"),
        "state": (_TEXT, "begun, or released: given back without being run to an end"),
        "run_id": (_TEXT, "the extraction that holds the VOI, or held it when it was killed"),
        "input_digest": (_TEXT, "SHA-256 of image and mask"),
        "feature_sets": (pa.list_(_TEXT), "feature sets of the rows that were to be computed"),
        "is_alone": (pa.bool_(), "true: nothing else was computed meanwhile"),
        "noted_at": (_TIME, "when it was begun or released (UTC)"),
    },
    (*_VOI_KEY, "family", "attempt", "state", "run_id"),
    ("run_id",),
)
IMPORTED = TableSpec(
    "imported",
    "One VOI: values of a feature table that was made elsewhere.",
    {
        **_VOI_KEY,
        "feature_set_id": (_TEXT, "origin and columns of the table, see feature_sets"),
        "family": (_TEXT, "name under which it was imported"),
        "feature_names": (pa.list_(_TEXT), "names as in the table, without phase and region"),
        "feature_values": (pa.list_(_REAL), "values in the order of feature_names"),
        "run_id": (_TEXT, "the import that wrote the row"),
        "computed_at": (_TIME, "when the row was imported (UTC)"),
    },
    (*_VOI_KEY, "feature_set_id"),
    ("phase", "region"),
)
FEATURE_STATISTICS = TableSpec(
    "feature_statistics",
    "One feature of one feature set: what its values are like, over the VOIs of one reader.",
    {
        "family": (_TEXT, "CR, DLR, or the name of an imported family"),
        "feature_set_id": (_TEXT, "see feature_sets"),
        "phase": (_TEXT, "phase of the study"),
        "region": (_TEXT, "region of the study"),
        "reader": (_TEXT, "who drew the masks"),
        "image_type": (_TEXT, "filter of CR; '-' for other families"),
        "feature": (_TEXT, "name without phase, region and image type"),
        "vois": (_WHOLE, "rows"),
        "missing": (_WHOLE, "rows in which it is NULL: not defined"),
        "not_a_number": (_WHOLE, "rows in which the engine returned NaN or infinity"),
        "mean": (_REAL, "of the finite values"),
        "sd": (_REAL, "sample standard deviation of the finite values"),
        "minimum": (_REAL, "of the finite values"),
        "maximum": (_REAL, "of the finite values"),
        "fingerprint": (_TEXT, "equal for features that are equal in every VOI (hexadecimal)"),
    },
    ("family", "feature_set_id", "phase", "region", "reader", "image_type", "feature"),
)
STUDIES = TableSpec(
    "studies",
    "What a study file said about the views, under a name made of its content.",
    {
        "declarations_digest": (_TEXT, "SHA-256 of declarations"),
        "study_digest": (_TEXT, "SHA-256 of the study file"),
        "declarations": (_TEXT, "phases, regions, readers and current feature sets (JSON)"),
        "recorded_at": (_TIME, "when it was first used (UTC)"),
    },
    ("declarations_digest",),
)
SNAPSHOTS = TableSpec(
    "snapshots",
    "One state of the store: the versions of its tables after a command had written to them.",
    {
        "snapshot": (_WHOLE, "counts from 1"),
        "created_at": (_TIME, "when it was recorded (UTC)"),
        "command": (_TEXT, "the command that wrote"),
        "run_id": (_TEXT, "the extraction or import that wrote; NULL for other commands"),
        "declarations_digest": (_TEXT, "what the study said, see studies"),
        "table_versions": (pa.map_(_TEXT, _WHOLE), "table to its Delta version"),
    },
    ("snapshot",),
)
CLINICAL = TableSpec(
    "clinical",
    "Clinical variables of one patient; its columns are those that the study declares.",
    dict(_PATIENT),
    ("patient_id",),
)
EXCLUSIONS = TableSpec(
    "exclusions",
    "A patient who was taken out of the study by hand; nothing of the patient is deleted.",
    {
        **_PATIENT,
        "excluded_at": (_TIME, "when it was recorded (UTC)"),
        "reason": (_TEXT, "the user's words; they name nobody"),
        "undone_at": (_TIME, "when it was taken back (UTC); NULL: it holds"),
    },
    ("patient_id", "excluded_at"),
)
ENROLMENT = TableSpec(
    "enrolment",
    "A patient under the criteria of the study, as a writing command or a changed study left them.",
    {
        **_PATIENT,
        "criterion": (_TEXT, "the first criterion that takes the patient out; NULL: none does"),
        "is_unknown": (pa.bool_(), "true: it does so because a value is missing"),
        "unknown": (pa.list_(_TEXT), "criteria that could not be judged and were passed over"),
    },
    ("patient_id",),
)

TABLES: dict[str, TableSpec] = {
    spec.name: spec
    for spec in (
        PATIENTS,
        IMAGES,
        MASKS,
        CR,
        DLR,
        IMPORTED,
        FEATURE_SETS,
        FEATURE_STATISTICS,
        QUARANTINE,
        CLINICAL,
        EXCLUSIONS,
        ENROLMENT,
        STUDIES,
        SNAPSHOTS,
        ATTEMPTS,
    )
}

RECORDS: tuple[str, ...] = (STUDIES.name, SNAPSHOTS.name, ATTEMPTS.name)
"""Tables about the work itself, not about the study: they stand in no snapshot."""
