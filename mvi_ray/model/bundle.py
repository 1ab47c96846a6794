"""A model on disk: `model.json` for people and `model.skops` for scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mvi_ray.errors import ModelError
from mvi_ray.model.calibration import Calibration
from mvi_ray.model.linear import LinearModel

if TYPE_CHECKING:
    from pathlib import Path

SKOPS_NAME = "model.skops"
JSON_NAME = "model.json"
_AGREEMENT = 1e-9

_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(allow_inf_nan=False, gt=0)]


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """Where a model comes from.

    Args:
        name: of the model in the study.
        patients: size of the training cohort.
        events: patients of it with outcome 1.
        study_digest: of the study file it was trained with.
        versions: of packages, by name.
        synthetic: trained on images that a program made.
        trial_weights: embeddings came from a network with random weights.
    """

    name: str
    patients: int
    events: int
    study_digest: str
    versions: dict[str, str]
    synthetic: bool
    trial_weights: bool


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Column(_Part):
    name: str
    median: _Finite
    mean: _Finite
    scale: _Positive
    coefficient: _Finite


class _Content(_Part):
    """The text of `model.json`."""

    schema_version: Literal[1]
    name: str
    patients: int
    events: int
    study_digest: str
    versions: dict[str, str]
    synthetic: bool
    trial_weights: bool
    threshold: _Finite
    intercept: _Finite
    calibration_slope: _Positive
    calibration_offset: _Finite
    columns: Annotated[list[_Column], Field(min_length=1)]


def save_bundle(folder: Path, model: LinearModel, info: BundleInfo) -> None:
    """Write both files into a folder, which is made when it is missing.

    They hold medians, means, scales, coefficients and calibration, and nothing of a single
    patient beyond what a median is. `model.json` has the same bytes for the same model;
    skops writes the time and its own numbering into `model.skops`.

    Args:
        folder: of this one model; files of an earlier one are replaced.
        model: the fitted model.
        info: where it comes from.

    Raises:
        ModelError: the folder cannot be written.
    """
    import skops.io

    content = _Content(
        schema_version=1,
        name=info.name,
        patients=info.patients,
        events=info.events,
        study_digest=info.study_digest,
        versions=dict(sorted(info.versions.items())),
        synthetic=info.synthetic,
        trial_weights=info.trial_weights,
        threshold=model.threshold,
        intercept=model.intercept,
        calibration_slope=model.calibration.slope,
        calibration_offset=model.calibration.offset,
        columns=[
            _Column(name=name, median=median, mean=mean, scale=scale, coefficient=coefficient)
            for name, median, mean, scale, coefficient in zip(
                model.columns,
                model.medians.tolist(),
                model.means.tolist(),
                model.scales.tolist(),
                model.coefficients.tolist(),
                strict=True,
            )
        ],
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / JSON_NAME).write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / SKOPS_NAME).write_bytes(skops.io.dumps(to_sklearn(model)))
    except OSError as error:
        raise ModelError(f"{info.name}: the bundle cannot be written: {error.strerror}") from None


def load_bundle(folder: Path) -> tuple[LinearModel, BundleInfo]:
    """Read a bundle and check that both of its files say the same.

    No type beyond those that skops trusts by itself is loaded, so that a foreign file runs
    no code.

    Args:
        folder: of one model.

    Raises:
        ModelError: a file is missing, damaged, of another version, holds a type that is not
            trusted, or the two files differ.
    """
    content = _read_json(folder)
    table = content.columns
    model = LinearModel(
        tuple(column.name for column in table),
        np.array([column.median for column in table]),
        np.array([column.mean for column in table]),
        np.array([column.scale for column in table]),
        np.array([column.coefficient for column in table]),
        content.intercept,
        Calibration(content.calibration_slope, content.calibration_offset),
        content.threshold,
    )
    _check_agreement(model, _read_skops(folder))
    info = BundleInfo(
        content.name,
        content.patients,
        content.events,
        content.study_digest,
        content.versions,
        content.synthetic,
        content.trial_weights,
    )
    return model, info


def to_sklearn(model: LinearModel) -> Any:
    """The same model as a pipeline whose `predict_proba` is the calibrated probability.

    It takes the model's own columns in order and without gaps; the medians for gaps stand in
    `model.json`, because skops does not trust what an imputer keeps. Steps are scale and
    logistic. Its `predict` cuts at 0.5; the operating point is `LinearModel.threshold`.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    size = len(model.columns)
    scale = StandardScaler()
    scale.mean_, scale.scale_, scale.var_ = model.means, model.scales, model.scales**2
    scale.n_features_in_, scale.n_samples_seen_ = size, 1
    slope, offset = model.calibration.slope, model.calibration.offset
    logistic = LogisticRegression()
    logistic.classes_ = np.array([0, 1])
    logistic.coef_ = slope * model.coefficients[None]
    logistic.intercept_ = np.array([slope * model.intercept + offset])
    logistic.n_features_in_, logistic.n_iter_ = size, np.array([0], np.int32)
    return Pipeline([("scale", scale), ("logistic", logistic)])


def _read_json(folder: Path) -> _Content:
    try:
        return _Content.model_validate_json((folder / JSON_NAME).read_bytes())
    except OSError as error:
        raise ModelError(
            f"{folder.name}/{JSON_NAME} cannot be read ({error.strerror}); name the folder of a model"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "text"
        raise ModelError(
            f"{folder.name}/{JSON_NAME} is not valid at {where}: {first['msg']}; train the model again"
        ) from None


def _read_skops(folder: Path) -> Any:
    import zipfile

    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    named = f"{folder.name}/{SKOPS_NAME}"
    try:
        return skops.io.loads((folder / SKOPS_NAME).read_bytes(), trusted=None)
    except OSError as error:
        raise ModelError(f"{named} cannot be read ({error.strerror}); train the model again") from None
    except UntrustedTypesFoundException:
        raise ModelError(
            f"{named} holds types that are not trusted and was not loaded; "
            "take the bundle from where the model was trained"
        ) from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{named} is damaged or of another version ({type(error).__name__}); train the model again"
        ) from None


def _check_agreement(model: LinearModel, estimator: Any) -> None:
    """Both must give the same probabilities at the training means and one scale off each."""
    probes = np.vstack([model.means, model.means + np.diag(model.scales)])
    try:
        found = estimator.predict_proba(probes)[:, 1]
    except (AttributeError, ValueError, TypeError) as error:
        raise ModelError(
            f"{SKOPS_NAME} is no model of these columns ({type(error).__name__}); train the model again"
        ) from None
    if not np.allclose(found, model.probability(probes), rtol=_AGREEMENT, atol=_AGREEMENT):
        raise ModelError(f"{SKOPS_NAME} and {JSON_NAME} are not of the same model; train the model again")
