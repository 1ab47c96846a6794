"""What the study file says, in the terms of the catalog."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mvi_ray.errors import UsageError, WeightsError
from mvi_ray.extract.cr import cr_feature_sets
from mvi_ray.extract.dlr import dlr_feature_set
from mvi_ray.extract.image_types import image_types_of
from mvi_ray.extract.weights import KINETICS, KINETICS_SHA256, RANDOM, WeightsSource, resolve
from mvi_ray.store.declarations import Declarations

if TYPE_CHECKING:
    from mvi_ray.extract.featureset import FeatureSet
    from mvi_ray.project.project import Project
    from mvi_ray.study import Study


NOT_YET = datetime.fromtimestamp(0, UTC)
"""Older than any import: stands for the time of a table of which some rows are not in yet."""


def feature_sets(study: Study, weights: WeightsSource | None) -> list[tuple[str, FeatureSet]]:
    """Phase and feature set of every row that the study wants for one VOI."""
    found: list[tuple[str, FeatureSet]] = []
    for phase in study.phases:
        found.extend((phase, one) for one in cr_feature_sets(study, phase).values())
        if study.families.dlr is not None and weights is not None:
            found.append((phase, dlr_feature_set(study, weights)))
    return found


def weights_source(project: Project, file: Path | None = None) -> WeightsSource | None:
    """The weights that the study names; None when it does not compute family DLR.

    Args:
        project: whose study; a relative path in it starts at the project directory.
        file: given by a flag, goes before the variable `MVI_WEIGHTS`, which goes before the study.

    Raises:
        WeightsError: the file is missing or is not the one it should be.
        UsageError: a flag is given for a study with weights of its own.
    """
    settings = project.study.families.dlr
    if settings is None:
        return None
    named = settings.weights
    own = named not in (KINETICS, RANDOM)
    if own and file is not None:
        # Another command would not know of the flag and take the study's own file.
        raise UsageError(
            "--weights is given, and the study names weights of its own; "
            "name the file in families.dlr.weights, or in MVI_WEIGHTS for every command"
        )
    if own:
        named = str(project.folder / Path(named).expanduser())
    variable = os.environ.get("MVI_WEIGHTS")
    return resolve(named, file or (Path(variable) if variable else None))


def declarations(project: Project, weights: WeightsSource | None = None) -> Declarations:
    """The study for the catalog.

    Args:
        project: its study and store.
        weights: of family DLR; looked up as the study names them when None. Without the file
            Kinetics embeddings that are in the store already are the current ones.
    """
    study = project.study
    last: str | None = None
    if weights is None:
        try:
            weights = weights_source(project)
        except WeightsError:
            last = _last_embeddings(project)
    expected, filters = {}, {}
    if study.families.cr is not None:
        images = image_types_of(study.families.cr.image_types)
        expected["CR"] = len(images)
        filters = {image.name: dict(image.parameters) for image in images}
    if study.families.dlr is not None:
        expected["DLR"] = 1
    current: list[tuple[str, str, str | None, str]] = [
        (one.family, phase, one.image_type, one.id) for phase, one in feature_sets(study, weights)
    ]
    if last is not None:
        current.extend(("DLR", phase, None, last) for phase in study.phases)
    for family, (identifier, _) in current_imports(project).items():
        current.extend((family, phase, None, identifier) for phase in study.phases)
    return Declarations(
        study.name,
        project.study_digest,
        study.synthetic,
        study.phases,
        study.region_names,
        study.readers.names,
        expected,
        tuple(current),
        filters,
    )


def current_imports(project: Project) -> dict[str, tuple[str, datetime]]:
    """Imported family to the feature set of the table that came in last, and when it did.

    A table that a kill left half written has no time yet, and is not current.
    """
    if not project.store.tables["imported"].exists:
        return {}
    rows = project.store.tables["feature_sets"].read(["family", "feature_set_id", "created_at"]).to_pylist()
    rows.sort(key=lambda row: (row["created_at"], row["feature_set_id"]))
    return {
        row["family"]: (row["feature_set_id"], row["created_at"])
        for row in rows
        if row["family"] not in ("CR", "DLR") and row["created_at"] > NOT_YET
    }


def _last_embeddings(project: Project) -> str | None:
    """Feature set of Kinetics embeddings made where the file was, or with `--weights`.

    Their identity begins with the published checksum. Of the study's own weights nothing is
    known without the file: any other embeddings might be of other weights, or of random ones.
    """
    settings = project.study.families.dlr
    if settings is None or settings.weights != KINETICS:
        return None
    for row in project.store.tables["feature_sets"].read().to_pylist():
        identity = json.loads(row["settings"]).get("weights", "")
        if row["family"] == "DLR" and identity.startswith(KINETICS_SHA256):
            source = WeightsSource("kinetics400", None, identity)
            if dlr_feature_set(project.study, source).id == row["feature_set_id"]:
                return str(row["feature_set_id"])
    return None
