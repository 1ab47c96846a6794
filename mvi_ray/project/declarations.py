"""What the study file says, in the terms of the catalog."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import StudyError, UsageError, WeightsError
from mvi_ray.extract.cr import cr_feature_sets
from mvi_ray.extract.dlr import dlr_feature_set
from mvi_ray.extract.image_types import image_types_of
from mvi_ray.extract.weights import KINETICS, KINETICS_SHA256, RANDOM, WeightsSource, resolve
from mvi_ray.store.declarations import Declarations, Variant

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mvi_ray.extract.featureset import FeatureSet
    from mvi_ray.project.project import Project
    from mvi_ray.study import Study


NOT_YET = datetime.fromtimestamp(0, UTC)
"""Older than any import: stands for the time of a table of which some rows are not in yet."""


def feature_sets(study: Study, weights: Mapping[str, WeightsSource]) -> list[tuple[str, str, FeatureSet]]:
    """Family, phase and feature set of every row that the study wants for one VOI.

    A feature set that several families have comes once for each of them.

    Args:
        study: has the settings.
        weights: of families that compute embeddings; those without are left out.
    """
    found: list[tuple[str, str, FeatureSet]] = []
    for phase in study.phases:
        for family in study.families.names:
            found.extend((family, phase, one) for one in cr_feature_sets(study, phase, family).values())
            if family in weights:
                found.append((family, phase, dlr_feature_set(study, weights[family], family)))
    return found


def weights_sources(
    project: Project, families: Collection[str] | None = None, file: Path | None = None
) -> dict[str, WeightsSource]:
    """The weights that the study names for family DLR and its variants, by family.

    Args:
        project: whose study; a relative path in it starts at the project directory.
        families: only these; all when None.
        file: of the Kinetics weights, given by a flag; goes before the variable `MVI_WEIGHTS`,
            which goes before the study.

    Raises:
        WeightsError: a file is missing or is not the one it should be.
        UsageError: a flag is given for a study with weights of its own.
    """
    named = {family: one.weights for family, one in project.study.families.dlr_like.items()}
    asked = [family for family in named if families is None or family in families]
    if not asked:
        return {}
    names = set(named.values())
    own = names - {KINETICS, RANDOM}
    if own and file is not None and KINETICS not in names:
        # Another command would not know of the flag and take the study's own file.
        raise UsageError(
            "--weights is given, and the study names weights of its own; "
            "name the file in families.dlr.weights, or in MVI_WEIGHTS for every command"
        )
    variable = os.environ.get("MVI_WEIGHTS")
    given = file or (Path(variable) if variable else None)
    # One file can stand for one name only: of several that of Kinetics, or the only one of a file.
    of = {KINETICS} & names or (own if len(own) == 1 else {RANDOM} & names if not own else set())
    return {
        family: resolve(
            str(project.folder / Path(named[family]).expanduser()) if named[family] in own else named[family],
            given if named[family] in of else None,
        )
        for family in asked
    }


def declarations(project: Project, weights: Mapping[str, WeightsSource] | None = None) -> Declarations:
    """The study for the catalog.

    Args:
        project: its study and store.
        weights: by family; of a family without any they are looked up as the study names them.
            Without the file Kinetics embeddings that are in the store already are the current ones.

    Raises:
        StudyError: a variant has the name of an imported family.
    """
    study = project.study
    known, last = dict(weights or {}), {}
    for family in study.families.dlr_like:
        if family not in known:
            try:
                known |= weights_sources(project, (family,))
            except WeightsError:
                last[family] = _last_embeddings(project, family)
    imports = current_imports(project)
    _check_variants(study, imports)
    current: list[tuple[str, str, str | None, str]] = [
        (family, phase, one.image_type, one.id) for family, phase, one in feature_sets(study, known)
    ]
    for family, embeddings in last.items():
        if embeddings is not None:
            current.extend((family, phase, None, embeddings) for phase in study.phases)
    for family, (identifier, _) in imports.items():
        current.extend((family, phase, None, identifier) for phase in study.phases)
    expected, filters = _rows_and_filters(study)
    return Declarations(
        study.name,
        project.study_digest,
        study.synthetic,
        study.phases,
        study.region_names,
        study.readers.names,
        expected,
        tuple(current),
        filters.get("CR", {}),
        {
            name: Variant("CR" if name in filters else "DLR", filters.get(name, {}))
            for name in study.families.names
            if name not in ("CR", "DLR")
        },
    )


def _rows_and_filters(study: Study) -> tuple[dict[str, int], dict[str, dict[str, dict[str, Any]]]]:
    """Rows of one VOI by family; of those like CR the parameters of each image type."""
    images = {name: image_types_of(one.image_types) for name, one in study.families.cr_like.items()}
    expected = {name: len(images[name]) if name in images else 1 for name in study.families.names}
    filters = {
        name: {image.name: dict(image.parameters) for image in several} for name, several in images.items()
    }
    return expected, filters


def _check_variants(study: Study, imports: Mapping[str, object]) -> None:
    taken = {name.upper() for name in imports}
    for name in study.families.variants:
        if name.upper() in taken:
            raise StudyError(
                f"families.{name} has the name of a family that was imported; give the variant another name"
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


def _last_embeddings(project: Project, family: str) -> str | None:
    """Feature set of a family's Kinetics embeddings made where the file was, or with `--weights`.

    Their identity begins with the published checksum. Of the study's own weights nothing is
    known without the file: any other embeddings might be of other weights, or of random ones.
    """
    if project.study.families.dlr_like[family].weights != KINETICS:
        return None
    for row in project.store.tables["feature_sets"].read().to_pylist():
        identity = json.loads(row["settings"]).get("weights", "")
        if row["family"] == "DLR" and identity.startswith(KINETICS_SHA256):
            source = WeightsSource("kinetics400", None, identity)
            if dlr_feature_set(project.study, source, family).id == row["feature_set_id"]:
                return str(row["feature_set_id"])
    return None
