"""A small store whose values are made up: what `docs/querying.md` is asked of.

Twelve patients of two centres, three phases, two regions, two readers. Every number follows
from a SHA-256 of its place, so that it is the same on every machine.
"""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime, timedelta
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from mvi_ray.extract.featureset import FeatureSet
from mvi_ray.features import DLR_VALUES, features_of
from mvi_ray.store.declarations import Declarations
from mvi_ray.store.history import Event
from mvi_ray.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Row = dict[str, Any]
_Key = tuple[str, str, str]

PHASES = ("AP", "PP", "HBP")
REGIONS = ("intratumoral", "peritumoral")
READERS = ("R1", "R2")
IMAGE_TYPES = ("original", "lbp-2D")
PATIENTS = tuple(f"P{number:02}" for number in range(1, 13))
TRIAL, FIRST, SECOND, IMPORT = (
    "20260302T091500Z-1f0a3c",
    "20260303T180500Z-77be01",
    "20260615T101000Z-c4d2e8",
    "20260616T083000Z-90ab5d",
)
"""Runs: a trial with narrow bins, the cohort, what came in later, an imported table."""

_TIMES = [datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(days=days) for days in (0, 0.1, 1, 100, 105, 106)]
_VERSIONS = {
    "PyWavelets": "1.9.0",
    "SimpleITK": "2.5.7",
    "pyradiomics-bhklab": "3.1.4",
    "scikit-image": "0.26.0",
    "scipy": "1.16.3",
    "trimesh": "5.2.0",
}


def _cr_set(image_type: str, bin_width: float) -> FeatureSet:
    return FeatureSet(
        "CR",
        image_type,
        {
            "preprocessing": "none",
            "resampling": {"interpolator": "BSpline", "spacing_mm": [1.0, 1.0, 1.0]},
            "discretisation": {"kind": "bin_width", "value": bin_width},
            "orientation": "canonical",
            "filter": {} if image_type == "original" else {"method": "uniform", "radius": 1.0, "samples": 8},
            "engine": {"name": "pyradiomics", "parity": 1},
            "versions": _VERSIONS,
        },
    )


CR_SETS = {image_type: _cr_set(image_type, 25.0) for image_type in IMAGE_TYPES}
TRIAL_SET = _cr_set("original", 10.0)
_DLR_SET = FeatureSet("DLR", None, {"network": "r3d_18", "weights": "kinetics400", "preprocessing": "none"})
_MIRP_ID = "mirp-of-centre-a"


def _study(cr_sets: Sequence[FeatureSet], *imported: str) -> Declarations:
    current: list[tuple[str, str, str | None, str]] = [
        (one.family, phase, one.image_type, one.id) for phase in PHASES for one in (*cr_sets, _DLR_SET)
    ]
    current += [("MIRP", phase, None, identifier) for identifier in imported for phase in PHASES]
    return Declarations(
        name="made up",
        digest=hashlib.sha256(repr(current).encode()).hexdigest(),
        synthetic=True,
        phases=PHASES,
        regions=REGIONS,
        readers=READERS,
        expected={"CR": len(IMAGE_TYPES), "DLR": 1},
        current=tuple(current),
    )


def build(root: Path) -> Store:
    """Write the store as six commands would have.

    Args:
        root: its folder, which does not exist yet.
    """
    import pyarrow as pa

    store = Store(root)
    tables = store.tables
    study = _study(list(CR_SETS.values()))
    baseline = [(patient, "baseline", phase) for patient in PATIENTS for phase in PHASES]
    baseline.remove(("P05", "baseline", "HBP"))
    later = [(patient, "month 3", phase) for patient in ("P03", "P08") for phase in PHASES]

    tables["patients"].write([{**_patient(one), "ingested_at": _TIMES[0]} for one in PATIENTS])
    tables["images"].write([_image(key, _TIMES[0]) for key in baseline])
    masks = [mask for key in baseline for mask in _masks(key, _TIMES[0])]
    tables["masks"].write(masks)
    tables["clinical"].replace_all(pa.Table.from_pylist([_clinical(one) for one in PATIENTS]))
    tables["quarantine"].write(_refused(_TIMES[0]))
    store.settle(study, Event("ingest"))

    tables["feature_sets"].write([_set_row(TRIAL_SET, _TIMES[1])])
    tried = [m for m in masks if m["patient_id"] <= "P03" and m["phase"] == "AP" and m["reader"] == "R1"]
    tables["cr"].write([_cr(mask, TRIAL_SET, TRIAL, _TIMES[1]) for mask in tried])
    store.settle(_study([TRIAL_SET, CR_SETS["lbp-2D"]]), Event("extract", TRIAL))

    tables["feature_sets"].write([_set_row(one, _TIMES[2]) for one in (*CR_SETS.values(), _DLR_SET)])
    _extract(store, masks, FIRST, _TIMES[2])
    tables["quarantine"].write(_failed(FIRST, _TIMES[2]))
    store.settle(study, Event("extract", FIRST))

    redrawn = _masks(("P04", "baseline", "AP"), _TIMES[3], drawing=2)
    fresh = [mask for key in later for mask in _masks(key, _TIMES[3])]
    fresh += [mask for mask in redrawn if mask["reader"] == "R1"]
    tables["images"].write([_image(key, _TIMES[3]) for key in later])
    tables["masks"].write(fresh)
    store.settle(study, Event("ingest"))
    _extract(store, fresh, SECOND, _TIMES[4])
    store.settle(study, Event("extract", SECOND))

    tables["feature_sets"].write([_mirp_set(_TIMES[5])])
    tables["imported"].write([_imported(patient) for patient in PATIENTS[:6]])
    study = _study(list(CR_SETS.values()), _MIRP_ID)
    store.settle(study, Event("import", IMPORT))

    # Their times are those of this call; the page shows none that would be others tomorrow.
    rows = store.history.rows()
    tables["snapshots"].write(
        [
            {**row, "created_at": time, "table_versions": list(row["table_versions"].items())}
            for row, time in zip(rows, _TIMES, strict=True)
        ]
    )
    store.publish(study)
    return store


def _normal(*place: object) -> float:
    """A number of the standard normal distribution that belongs to a place."""
    digest = hashlib.sha256("|".join(map(str, place)).encode()).digest()
    return NormalDist().inv_cdf((int.from_bytes(digest[:6]) + 0.5) / 2**48)


def _digest(*place: object) -> str:
    return hashlib.sha256("|".join(map(str, place)).encode()).hexdigest()


def _patient(patient: str) -> Row:
    return {"patient_id": patient, "centre": "A" if patient <= "P06" else "B"}


def _outcome(patient: str) -> int:
    return int(patient in {"P02", "P03", "P06", "P08", "P10"})


def _clinical(patient: str) -> Row:
    return {
        "patient_id": patient,
        "mvi": None if patient == "P12" else _outcome(patient),
        "age": float(round(61 + 9 * _normal("age", patient))),
        "afp": round(math.exp(3 + _outcome(patient) + 1.2 * _normal("afp", patient)), 1),
        "sex": "female" if _normal("sex", patient) > 0.5 else "male",
    }


def _image(key: _Key, time: datetime) -> Row:
    names = dict(zip(("patient_id", "session", "phase"), key, strict=True))
    digest = _digest("image", *key)
    grid = {"size_x": 320, "size_y": 260, "size_z": 72, "voxel_type": "int16"}
    spacing = {"spacing_x_mm": 1.2, "spacing_y_mm": 1.2, "spacing_z_mm": 3.0}
    return {**names, "image_digest": digest, "path": f"images/{digest}.nii.gz", **grid, **spacing} | {
        "ingested_at": time
    }


def _masks(key: _Key, time: datetime, drawing: int = 1) -> list[Row]:
    """Both regions of both readers, except for those that were refused."""
    drawn = [reader for reader in READERS if (key[0], key[2], reader) not in _REFUSED]
    return [_mask(key, region, reader, time, drawing) for reader in drawn for region in REGIONS]


def _mask(key: _Key, region: str, reader: str, time: datetime, drawing: int) -> Row:
    patient, session, _ = key
    typical = math.exp(9.6 + 0.8 * _normal("size", patient) + 0.3 * _outcome(patient))
    grown = {("P03", "month 3"): 1.62, ("P08", "month 3"): 0.81}.get((patient, session), 1.0)
    drawn = 1 + 0.02 * _normal("drawn", *key) + 0.03 * _normal("drawn", *key, reader, drawing)
    volume = typical * grown * drawn
    radius = (3 * volume / (4 * math.pi)) ** (1 / 3)
    if region == "peritumoral":
        volume = 4 / 3 * math.pi * ((radius + 10) ** 3 - radius**3)
        radius += 10
    voxels = round(volume / (1.2 * 1.2 * 3.0))
    image, mask = _digest("image", *key), _digest("mask", *key, region, reader, drawing)
    ring = '{"clip":"none","inner_mm":0.0,"kind":"ring","of":"intratumoral","outer_mm":10.0}'
    return {
        **dict(zip(("patient_id", "session", "phase"), key, strict=True)),
        "lesion": "1",
        "region": region,
        "reader": reader,
        "mask_digest": mask,
        "image_digest": image,
        "input_digest": _digest(image, mask),
        "path": f"masks/{mask}.nii.gz",
        "voxels": voxels,
        "volume_mm3": voxels * 1.2 * 1.2 * 3.0,
        "largest_diameter_mm": 2.2 * radius * (1 + 0.03 * _normal("long", patient)),
        "definition": ring if region == "peritumoral" else None,
        "ingested_at": time,
    }


def _failed(run: str, time: datetime) -> list[Row]:
    place = {"patient_id": "P11", "session": "baseline", "phase": "HBP", "lesion": "1", "reader": "R1"}
    return [
        {
            **place,
            "region": "peritumoral",
            "stage": "extract",
            "family": "DLR",
            "reason": "the worker ran out of memory",
            "way_out": "use fewer cores (--cpus) or a larger bin width",
            "error": "OutOfMemoryError",
            "attempts": 2,
            "run_id": run,
            "failed_at": time,
        }
    ]


_NOT_DRAWN = ("mask is empty", "draw the tumour, or remove the line")
_REFUSED = {
    ("P05", "HBP", "R1"): ("image file does not exist", "check the path in the manifest"),
    ("P09", "PP", "R1"): _NOT_DRAWN,
    ("P09", "PP", "R2"): _NOT_DRAWN,
    ("P10", "PP", "R2"): _NOT_DRAWN,
}


def _refused(time: datetime) -> list[Row]:
    place = {"session": "baseline", "lesion": "1", "region": "intratumoral", "stage": "ingest", "family": "-"}
    return [
        {
            **place,
            **dict(zip(("patient_id", "phase", "reader"), key, strict=True)),
            "reason": reason,
            "way_out": way_out,
            "attempts": 1,
            "failed_at": time,
        }
        for key, (reason, way_out) in _REFUSED.items()
    ]


def _set_row(one: FeatureSet, time: datetime) -> Row:
    return {
        "feature_set_id": one.id,
        "family": one.family,
        "image_type": one.image_type,
        "settings": one.canonical,
        "created_at": time,
    }


def _mirp_set(time: datetime) -> Row:
    settings = '{"family":"MIRP","layout":"mirp","software":{"name":"MIRP","version":null}}'
    return {"feature_set_id": _MIRP_ID, "family": "MIRP", "settings": settings, "created_at": time}


def _extract(store: Store, masks: Sequence[Row], run: str, time: datetime) -> None:
    rows = [_cr(mask, one, run, time) for mask in masks for one in CR_SETS.values()]
    store.tables["cr"].write(rows)
    store.tables["dlr"].write([_dlr(mask, run, time) for mask in masks if not _is_lost(mask)])


def _is_lost(mask: Row) -> bool:
    place = (mask["patient_id"], mask["phase"], mask["region"], mask["reader"])
    return place == ("P11", "HBP", "peritumoral", "R1")


def _key(mask: Row) -> Row:
    names = ("patient_id", "session", "phase", "lesion", "region", "reader", "input_digest")
    return {name: mask[name] for name in names}


def _cr(mask: Row, one: FeatureSet, run: str, time: datetime) -> Row:
    assert one.image_type
    values = dict(_values(mask, one.image_type, one is TRIAL_SET))
    origin = {"image_type": one.image_type, "feature_set_id": one.id}
    return {**_key(mask), **origin, **values, "run_id": run, "duration_s": 2.5, "computed_at": time}


# Mean intensity: a tumour takes up contrast early and loses it; the liver around it goes on.
_MEAN = {
    ("AP", "intratumoral"): 310.0,
    ("PP", "intratumoral"): 285.0,
    ("HBP", "intratumoral"): 190.0,
    ("AP", "peritumoral"): 235.0,
    ("PP", "peritumoral"): 320.0,
    ("HBP", "peritumoral"): 405.0,
}
_OF_MEAN = {
    "10Percentile": 0.78,
    "90Percentile": 1.24,
    "Maximum": 1.6,
    "Mean": 1.0,
    "Median": 1.01,
    "Minimum": 0.42,
    "RootMeanSquared": 1.03,
}
_USUAL = {
    "glcm_Contrast": 11.0,
    "glcm_Correlation": 0.55,
    "firstorder_Entropy": 3.1,
    "glcm_JointEntropy": 5.6,
}
_SPREAD = {"shape": 0.02, "firstorder": 0.04, "glcm": 0.07, "glrlm": 0.08, "glszm": 0.16, "gldm": 0.1}


def _values(mask: Row, image_type: str, trial: bool) -> Iterator[tuple[str, float]]:
    patient, session, phase, region = (mask[n] for n in ("patient_id", "session", "phase", "region"))
    drawing = (mask["mask_digest"], image_type)
    levels = _normal("level", patient)
    mean = _MEAN[phase, region] * (
        1 + 0.12 * levels + 0.06 * _normal("phase", patient, session, phase, region)
    )
    mean *= 1.1 if patient >= "P07" else 1.0
    for feature in features_of(image_type):
        group, name = feature.split("_", 1)
        noise = _SPREAD.get(group, 0.2) * (0.3 + abs(_normal("noise", feature)))
        own = 1 + noise * _normal("own", feature, *drawing)
        if group == "shape":
            yield feature, _shape(name, mask) * own
        elif image_type == "lbp-2D" and name in {"Minimum", "Maximum", "Range"}:
            # Codes 0 to 9 are all there in any tumour.
            yield feature, 0.0 if name == "Minimum" else 9.0
        elif feature in {"firstorder_Energy", "firstorder_TotalEnergy"}:
            # Voxels of 1 mm³: the two are the same.
            yield feature, round(mask["volume_mm3"]) * (mean if image_type == "original" else 5.0) ** 2
        elif group == "firstorder" and name in _OF_MEAN and image_type == "original":
            yield feature, mean * _OF_MEAN[name] * (1 + 0.15 * (own - 1))
        else:
            usual = _USUAL.get(feature) or math.exp(_normal("usual", feature, image_type))
            between = 0.25 * _normal("patient", feature, patient) + 0.08 * _normal(
                "place", feature, phase, region
            )
            between += 0.35 * _normal("outcome", feature) * _outcome(patient) * (region == "intratumoral")
            centre = 0.15 * _normal("centre", feature) * (patient >= "P07")
            yield feature, usual * math.exp(between + centre) * own * (2.4 if trial else 1.0)


def _shape(name: str, mask: Row) -> float:
    volume, diameter = mask["volume_mm3"], mask["largest_diameter_mm"]
    if name in {"MeshVolume", "VoxelVolume"}:
        return float(volume)
    if "Diameter" in name or "Axis" in name:
        part = {"LeastAxisLength": 0.7, "MinorAxisLength": 0.8, "MajorAxisLength": 0.92}
        return float(diameter * part.get(name, 0.95 if "2D" in name else 1.0))
    surface = 1.3 * (36 * math.pi * volume**2) ** (1 / 3)
    return {"SurfaceArea": surface, "SurfaceVolumeRatio": surface / volume}.get(name, 0.78)


def _dlr(mask: Row, run: str, time: datetime) -> Row:
    patient, phase, region = mask["patient_id"], mask["phase"], mask["region"]
    parts = range(3)
    share = [_normal("share", patient, part) + 0.6 * _outcome(patient) for part in parts]

    def value(at: int) -> float:
        common = sum(share[part] * _normal("part", part, at) for part in parts)
        return max(0.0, 0.9 + 0.3 * common + 0.2 * _normal("dlr", patient, phase, region, at))

    embedding = [value(at) for at in range(DLR_VALUES)]
    origin = {"feature_set_id": _DLR_SET.id, "embedding": embedding, "trial_weights": False}
    return {**_key(mask), **origin, "run_id": run, "duration_s": 0.6, "computed_at": time}


def _imported(patient: str) -> Row:
    mask = _mask((patient, "baseline", "AP"), "intratumoral", "R1", _TIMES[0], 2 if patient == "P04" else 1)
    values = dict(_values(mask, "original", trial=False))
    ours = [values["firstorder_Mean"], values["firstorder_Variance"]]
    return {
        **{name: value for name, value in _key(mask).items() if name != "input_digest"},
        "feature_set_id": _MIRP_ID,
        "family": "MIRP",
        "feature_names": ["stat_mean", "stat_var"],
        "feature_values": [x * (1 + 0.004 * _normal("mirp", patient, i)) for i, x in enumerate(ours)],
        "run_id": IMPORT,
        "computed_at": _TIMES[5],
    }
