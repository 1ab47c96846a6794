"""The plan: what the study wants minus what the store has, as units of one image and family."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from importlib.resources import files
from math import prod
from typing import TYPE_CHECKING, Any

from mvi_ray.cluster.unit import Unit, Voi
from mvi_ray.errors import UsageError
from mvi_ray.extract.cost import load_seconds
from mvi_ray.project.cost import Calibration, Costs, family_settings
from mvi_ray.store.volumes import StoredVolume
from mvi_ray.voi import VOI_KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from mvi_ray.project.project import Project
    from mvi_ray.store.declarations import Declarations
    from mvi_ray.store.store import Store
    from mvi_ray.study import Study

GIANT = 0.05
"""Share of a core's work above which a unit is split: the last one to end lets the others wait.

Simulated with 56 images of 28 patients on 16 cores (`benchmarks/cost.py --tail`): 0.83 of the cores
are used when no image is divided, 0.976 with a share of 0.1, 0.996 with 0.05 or less.
"""

_SHORT_S = 10.0
"""A unit below is never split: nobody notices so short an end."""

_WORTH = 0.05
"""What reading the image again for its parts may cost, as a share of the unit."""

_MANY_CORES = 1_000
"""Of a cluster whose size is not known before Ray answers."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be computed.

    Args:
        units: by family, variants under their own names, the largest first; one image each, or a part of
            its VOIs.
        quarantined: VOIs not tried again, because they failed with the same input and settings.
        solved: keys of earlier failures that nothing is missing for any more, because the study
            or the masks changed; those of families that the study no longer has are among them.
        calibration: what the predicted costs were corrected with.
    """

    units: dict[str, list[Unit]]
    quarantined: int
    solved: tuple[dict[str, str], ...] = ()
    calibration: Calibration = field(default_factory=Calibration)

    @property
    def vois(self) -> int:
        """Number of VOIs, counted once for each family."""
        return sum(len(unit.vois) for units in self.units.values() for unit in units)


def chosen_families(project: Project, asked: Sequence[str] | None) -> tuple[str, ...]:
    """Families to compute: those asked for, else all of the study.

    Raises:
        UsageError: the study has no such family.
    """
    known = project.study.families.names
    if asked is None:
        return known
    chosen = tuple(name.upper() for name in asked)
    for name in chosen:
        if name not in known:
            raise UsageError(f"the study has no family {name!r}; it has {', '.join(known)}")
    return chosen


def settings_digests(study: Declarations) -> dict[tuple[str, str], str]:
    """(family, phase) to a digest of the feature sets that the study wants there."""
    wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for family, phase, _, identifier in study.current:
        wanted[family, phase].append(identifier)
    return {
        key: hashlib.sha256(",".join(sorted(ids)).encode()).hexdigest()[:16] for key, ids in wanted.items()
    }


def make_plan(
    project: Project,
    study: Declarations,
    families: Collection[str],
    *,
    retry_failed: bool,
    cores: int | None = None,
    store: Store | None = None,
) -> Plan:
    """Anti-join of the study with the store.

    A VOI whose image or mask changes meanwhile is left to the next call.

    Args:
        project: its study and store.
        study: what is current.
        families: only these.
        retry_failed: also what is in quarantine.
        cores: that will share the work; None for a cluster of unknown size. It decides only which
            images are computed in parts.
        store: with a catalog of its own to ask, which no other command replaces.
    """
    store = store or project.store
    query = files("mvi_ray.store").joinpath("sql/missing.sql").read_text(encoding="utf-8")
    missing = store.query(query, {"families": list(families)}).to_pylist()
    sharing = _sharing(study, families)
    wanting = {
        (family, *(row[k] for k in VOI_KEY))
        for row in missing
        for family in sharing[row["phase"], row["feature_set_id"]]
    }
    known = project.study.families.names
    failures = [
        row
        for row in store.tables["quarantine"].read().to_pylist()
        if row["stage"] == "extract" and (row["family"] in families or row["family"] not in known)
    ]
    solved = tuple(
        {k: row[k] for k in ("stage", "family", *VOI_KEY)}
        for row in failures
        if (row["family"], *(row[k] for k in VOI_KEY)) not in wanting
    )
    if not missing:
        return Plan({}, 0, solved)
    skipped = set() if retry_failed else _unchanged(failures, study)
    images = _by_key(store, "images", VOI_KEY[:3])
    masks = _by_key(store, "masks", VOI_KEY)
    costs = Costs(family_settings(project.study)).calibrated(store, masks)
    plan: dict[str, dict[tuple[str, ...], list[Voi]]] = {}
    inputs = {tuple(row[k] for k in VOI_KEY): row["input_digest"] for row in missing}
    shares, quarantined = _shared_out(missing, sharing, skipped)
    for (family, *rest), wanted in shares.items():
        key = tuple(rest)
        image, mask = images.get(key[:3]), masks.get(key)
        # Gone or changed since: another machine may ingest into a bucket meanwhile.
        if image is None or mask is None or mask["input_digest"] != inputs[key]:
            continue
        if mask["image_digest"] != image["image_digest"]:
            continue
        voi = Voi(
            tuple(zip(VOI_KEY, key, strict=True)),
            mask["input_digest"],
            StoredVolume.of_row(mask, "mask_digest"),
            wanted,
            costs.seconds(family, mask, wanted),
            costs.bytes(family, mask, wanted),
        )
        plan.setdefault(family, {}).setdefault(key[:3], []).append(voi)
    units = {
        family: [
            Unit(family, store.place, StoredVolume.of_row(images[key]), tuple(vois))
            for key, vois in by_image.items()
        ]
        for family in costs.settings
        if (by_image := plan.get(family))
    }
    for together in queues(project.study, units):
        work = sum(unit.cost for family in together for unit in units[family])
        for family in together:
            units[family] = largest_first(split_giants(units[family], work, cores))
    return Plan(units, len(quarantined), solved, costs.calibration)


def queues(study: Study, families: Iterable[str]) -> list[list[str]]:
    """Families that share the cores at a time: all of PyRadiomics at once, each network by itself.

    Args:
        study: says what computes a family.
        families: of the study.
    """
    found: dict[str, list[str]] = {}
    for family in families:
        found.setdefault("" if family in study.families.cr_like else family, []).append(family)
    return list(found.values())


def largest_first(units: Iterable[Unit]) -> list[Unit]:
    """Units by falling cost, equal ones by name: the same plan has the same order everywhere."""
    return sorted(units, key=lambda unit: (-unit.cost, unit.vois[0].key))


def split_giants(
    units: Sequence[Unit], work_s: float, cores: int | None = None, *, share: float = GIANT
) -> list[Unit]:
    """Divide units that would keep one core busy while the others have nothing left to do.

    Largest first, the last unit ends at most its own length after the others, so a unit of 5 % of
    a core's share costs at most 5 % of the time. It is divided by region, then by reader, then by
    lesion, and only where reading the image again takes little of the whole.

    Args:
        units: of one family.
        work_s: predicted seconds of one core for everything that shares the cores.
        cores: their number; None when it is not known.
        share: of what one core has to do; a unit above it is divided.
    """
    longest = max(share * work_s / (cores or _MANY_CORES), _SHORT_S)
    return [part for unit in units for part in _parts(unit, longest, ("region", "reader", "lesion"))]


def _parts(unit: Unit, longest: float, by: tuple[str, ...]) -> list[Unit]:
    if unit.cost <= longest or not by:
        return [unit]
    groups: dict[str, list[Voi]] = defaultdict(list)
    for voi in unit.vois:
        groups[dict(voi.key)[by[0]]].append(voi)
    again = load_seconds(prod(unit.image.geometry.size)) * (len(groups) - 1)
    if again > _WORTH * unit.cost:
        return [unit]
    parts = [replace(unit, vois=tuple(vois)) for vois in groups.values()]
    return [smaller for part in parts for smaller in _parts(part, longest, by[1:])]


def _by_key(store: Store, table: str, key: tuple[str, ...]) -> dict[tuple[str, ...], dict[str, Any]]:
    rows = store.tables[table].read().to_pylist()
    return {tuple(row[k] for k in key): row for row in rows}


def _sharing(study: Declarations, families: Collection[str]) -> dict[tuple[str, str], list[str]]:
    """(phase, feature set) to the families that name it, in the order in which they were asked for."""
    sharing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for family in families:
        for name, phase, _, identifier in study.current:
            if name == family:
                sharing[phase, identifier].append(family)
    return sharing


def _shared_out(
    missing: Iterable[Mapping[str, Any]],
    sharing: Mapping[tuple[str, str], Sequence[str]],
    skipped: Collection[tuple[str, ...]],
) -> tuple[dict[tuple[str, ...], dict[str | None, str]], set[tuple[str, ...]]]:
    """Each missing row to the first family that may compute it.

    A family may have failed at rows of its own, so those that it shares go to the next one.

    Returns:
        Family and VOI to the feature sets to compute; family and VOI of what is left in quarantine.
    """
    shares: dict[tuple[str, ...], dict[str | None, str]] = defaultdict(dict)
    left: set[tuple[str, ...]] = set()
    for row in missing:
        key = tuple(row[k] for k in VOI_KEY)
        named = sharing[row["phase"], row["feature_set_id"]]
        free = [family for family in named if (family, *key, row["input_digest"]) not in skipped]
        if free:
            shares[(free[0], *key)][row["image_type"]] = row["feature_set_id"]
        else:
            left.update((family, *key) for family in named)
    return shares, left


def _unchanged(failures: list[dict[str, Any]], study: Declarations) -> set[tuple[str, ...]]:
    """Failures that nothing has changed for since: neither image and mask nor settings."""
    digests = settings_digests(study)
    return {
        (row["family"], *(row[k] for k in VOI_KEY), row["input_digest"])
        for row in failures
        if row["settings_digest"] == digests.get((row["family"], row["phase"]))
    }
