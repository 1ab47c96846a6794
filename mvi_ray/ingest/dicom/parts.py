"""One series to its time points, echoes or kinds of image: each a stack of slices of its own."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from mvi_ray.errors import CaseError
from mvi_ray.ingest.dicom.elements import SECONDS_OF_DAY, UNDATED_BELOW, past_midnight
from mvi_ray.ingest.dicom.places import places_of
from mvi_ray.ingest.dicom.series import by_number

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from mvi_ray.ingest.dicom.headers import Instance
    from mvi_ray.ingest.dicom.places import Place
    from mvi_ray.ingest.dicom.series import Series
    from mvi_ray.study.dicom import Split

_KINDS: dict[str, Callable[[Instance], Hashable]] = {
    "image_type": lambda i: i.timing.image_type or None,
    "echo": lambda i: None if i.timing.echo == (None, None) else i.timing.echo,
    "b_value": lambda i: i.timing.b_value,
}
"""What makes another kind of image of the same moment."""
_TIMES: dict[str, Callable[[Instance], float | None]] = {
    "temporal_position": lambda i: i.timing.temporal_position,
    "acquisition": lambda i: i.timing.acquisition,
    "acquisition_time": lambda i: i.timing.acquisition_time,
    "content_time": lambda i: i.timing.content_time,
    "trigger_time": lambda i: i.timing.trigger_time,
}
"""What makes another moment, in the order in which it is tried."""
_CLOCKS = ("acquisition_time", "content_time", "trigger_time")
_PER_SECOND = {"trigger_time": 1e-3}
_ORDER = "order"
_LOCALIZER = "LOCALIZER"
_SHARE = 0.5
"""A group of slices that covers less than this share of the places is no time point."""


@dataclass(frozen=True, slots=True)
class Part:
    """One stack of slices of a series.

    Args:
        series: what it is a part of.
        number: from 1, in order of kind of image and time: `part` of the manifest.
        of: how many parts the series has.
        instances: its slices, in order of their number.
        after_s: seconds after the first part of the same kind; None where no clock of the header
            tells. AcquisitionTime is asked first, then ContentTime, then TriggerTime.
        separated_by: what told the parts apart, such as ``content_time``; empty for a single part.
        remarks: what is worth a look.
    """

    series: Series = field(repr=False)
    number: int
    of: int
    instances: tuple[Instance, ...] = field(repr=False)
    after_s: float | None
    separated_by: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def parts_of(series: Series, split: Split = "auto") -> list[Part]:
    """Take a series apart.

    `auto` takes the first attribute that cuts the slices into groups with the same places, each
    equally often; image type, echo and diffusion weighting before times, and within each of their
    groups a time. An attribute that cuts in another way is passed over. When all places repeat
    equally often and nothing explains it, the k-th slice at each place, by InstanceNumber, is of
    part k. A series whose places do not repeat is one part, whatever is asked for.

    Args:
        series: images.
        split: `auto`, the attribute that tells times apart, `order` (InstanceNumber), or `none`.

    Raises:
        CaseError: the series holds no images, or the attribute asked for is not in all slices, or
            order and times contradict each other.
    """
    if series.kind != "image" or not series.instances:
        raise CaseError(f"series {series.key} holds no images ({series.modality}); choose another series")
    instances, remarks = _without_localizers(series.instances)
    # Copies of one file stand for one slice here; whether they are equal is seen when they are read.
    copies: dict[tuple[str, int | None], list[Instance]] = defaultdict(list)
    for instance in instances:
        copies[instance.key, instance.frame].append(instance)
    single = [found[0] for found in copies.values()]
    places = places_of(single)
    if split == "none" or places is None or len(single) == 1:
        groups = [_Group((), tuple(single))]
    else:
        where = {id(instance): place for instance, place in zip(single, places, strict=True)}
        groups = _cut(tuple(single), where) if split == "auto" else _cut_by(split, tuple(single), where)
        remarks = (*remarks, *_uneven(groups, where))
    seconds = _seconds(groups)
    return [
        Part(
            series=series,
            number=number,
            of=len(groups),
            instances=tuple(
                c for i in sorted(group.instances, key=by_number) for c in copies[i.key, i.frame]
            ),
            after_s=after,
            separated_by=group.by,
            remarks=remarks,
        )
        for number, (group, after) in enumerate(zip(groups, seconds, strict=True), start=1)
    ]


@dataclass(frozen=True, slots=True)
class _Group:
    """Slices that belong together, what told them from others, and their kind of image."""

    by: tuple[str, ...]
    instances: tuple[Instance, ...]
    kind: tuple[Any, ...] = ()


_Where = dict[int, "Place"]


def _without_localizers(instances: tuple[Instance, ...]) -> tuple[tuple[Instance, ...], tuple[str, ...]]:
    kept = tuple(i for i in instances if _LOCALIZER not in i.timing.image_type)
    aside = len(instances) - len(kept)
    if not kept or not aside:
        return instances, ()
    remark = f"{aside} of {len(instances)} slices are localizers and were set aside"
    return kept, (f"{remark}; name another series if they are what is meant",)


def _repeats(instances: Sequence[Instance], where: _Where) -> Counter[Place]:
    return Counter(where[id(instance)] for instance in instances)


def _cut(instances: tuple[Instance, ...], where: _Where) -> list[_Group]:
    """Cut by the first attribute that explains why places repeat, and go on within each group."""
    repeats = _repeats(instances, where)
    if max(repeats.values()) == 1:
        return [_Group((), instances)]
    for agree in (_same_places, _nearly_same_places):
        for name, value in (*_KINDS.items(), *_TIMES.items()):
            groups = _grouped(instances, value)
            if groups is None or len(groups) < 2 or not agree(list(groups.values()), where):
                continue
            found = []
            for key, members in _sorted(groups, name):
                kind = (key,) if name in _KINDS else ()
                found += [_Group((name, *g.by), g.instances, (*kind, *g.kind)) for g in _cut(members, where)]
            return found
    if len(set(repeats.values())) > 1:
        # Some places are doubled and others are not: no time points, but a stack to be checked.
        return [_Group((), instances)]
    ranked = _ranked(instances, where, _ORDER, by_number)
    _check_order(ranked, where)
    return ranked


def _cut_by(split: str, instances: tuple[Instance, ...], where: _Where) -> list[_Group]:
    """Cut by kinds of image where they explain why places repeat, and then by what was asked for."""
    if max(_repeats(instances, where).values()) == 1:
        return [_Group((), instances)]
    for name, value in _KINDS.items():
        groups = _grouped(instances, value)
        if groups is not None and len(groups) > 1 and _same_places(list(groups.values()), where):
            return [
                _Group((name, *g.by), g.instances, (key, *g.kind))
                for key, members in _sorted(groups, name)
                for g in _cut_by(split, members, where)
            ]
    return _cut_by_time(split, instances, where)


def _cut_by_time(split: str, instances: tuple[Instance, ...], where: _Where) -> list[_Group]:
    if split == _ORDER:
        return _ranked(instances, where, _ORDER, by_number)
    value = _TIMES[split]
    groups = _grouped(instances, value)
    if groups is None:
        without = sum(value(i) is None for i in instances)
        raise CaseError(
            f"{without} of {len(instances)} slices do not give their {split.replace('_', ' ')}; "
            "choose another dicom.split"
        )
    unique = all(max(_repeats(members, where).values()) == 1 for members in groups.values())
    repeats = set(_repeats(instances, where).values())
    if unique and len(groups) == max(repeats):
        return [_Group((split,), members) for _, members in _sorted(groups, split)]
    if split in _CLOCKS and len(repeats) == 1 and len(groups) > max(repeats):
        # Each slice has a time of its own: the k-th at each place is of part k.
        return _ranked(instances, where, split, lambda i: (value(i) or 0.0, *by_number(i)))
    return [_Group((split,) if len(groups) > 1 else (), members) for _, members in _sorted(groups, split)]


def _grouped(
    instances: tuple[Instance, ...], value: Callable[[Instance], Hashable]
) -> dict[Hashable, tuple[Instance, ...]] | None:
    """Slices by the value of an attribute; None when one of them lacks it."""
    groups: dict[Hashable, list[Instance]] = defaultdict(list)
    for instance in instances:
        groups[value(instance)].append(instance)
    return None if None in groups else {key: tuple(members) for key, members in groups.items()}


def _sorted(
    groups: dict[Hashable, tuple[Instance, ...]], name: str
) -> list[tuple[Hashable, tuple[Instance, ...]]]:
    if name == "image_type":
        return sorted(groups.items(), key=lambda pair: min(by_number(i) for i in pair[1]))
    if name == "echo":
        # By echo time where both have one; numbers may be given without it.
        return sorted(groups.items(), key=lambda pair: _echo_order(pair[1][0]))
    return sorted(groups.items(), key=lambda pair: pair[0])  # type: ignore[arg-type, return-value]


def _echo_order(instance: Instance) -> tuple[float, float]:
    number, time = instance.timing.echo
    return (-1.0 if time is None else time, -1.0 if number is None else number)


def _same_places(groups: list[tuple[Instance, ...]], where: _Where) -> bool:
    first, *others = (_repeats(members, where) for members in groups)
    return all(other == first for other in others)


def _nearly_same_places(groups: list[tuple[Instance, ...]], where: _Where) -> bool:
    """Whether each group is a stack, and most slices of each are there: one was lost on the way."""
    repeats = [_repeats(members, where) for members in groups]
    everywhere = sum(repeats, Counter[tuple[int, int, int, int]]())
    return (
        len(groups) == max(everywhere.values())
        and all(max(one.values()) == 1 for one in repeats)
        and all(len(one) >= _SHARE * len(everywhere) for one in repeats)
    )


def _check_order(groups: list[_Group], where: _Where) -> None:
    """Refuse an order of numbers in which time runs backwards at any place."""
    for name in _CLOCKS[:2]:
        times = [[_TIMES[name](i) for i in sorted(g.instances, key=lambda i: where[id(i)])] for g in groups]
        pairs = [p for a, b in pairwise(times) for p in zip(a, b, strict=False)]
        if any(a is not None and b is not None and a > b for a, b in pairs):
            raise CaseError(
                f"the order of the slices contradicts their {name.replace('_', ' ')}; "
                "say under dicom.split which of them is right"
            )


def _ranked(
    instances: tuple[Instance, ...], where: _Where, name: str, order: Callable[[Instance], Any]
) -> list[_Group]:
    groups: dict[int, list[Instance]] = defaultdict(list)
    rank: Counter[Place] = Counter()
    for instance in sorted(instances, key=order):
        place = where[id(instance)]
        groups[rank[place]].append(instance)
        rank[place] += 1
    by = (name,) if len(groups) > 1 else ()
    return [_Group(by, tuple(groups[at])) for at in sorted(groups)]


def _uneven(groups: list[_Group], where: _Where) -> tuple[str, ...]:
    if len(groups) == 1:
        return ()
    everywhere = {where[id(i)] for group in groups for i in group.instances}
    return tuple(
        f"part {number} has slices at {there} of {len(everywhere)} places; "
        "export the series anew if some were lost"
        for number, group in enumerate(groups, start=1)
        if (there := len({where[id(i)] for i in group.instances})) < len(everywhere)
    )


def _seconds(groups: list[_Group]) -> list[float | None]:
    """Seconds of each group after the first of its kind."""
    kinds: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for at, group in enumerate(groups):
        kinds[group.kind].append(at)
    found: list[float | None] = [None] * len(groups)
    for members in kinds.values():
        for at, after in zip(members, _after_first([groups[m] for m in members]), strict=True):
            found[at] = after
    return found


def _after_first(groups: list[_Group]) -> list[float | None]:
    for name in _CLOCKS:
        times = [[t for i in g.instances if (t := _TIMES[name](i)) is not None] for g in groups]
        if not all(times):
            continue
        starts = [min(found) for found in times]
        if min(starts) < UNDATED_BELOW <= max(starts):
            # Some slices give a date and others do not.
            unwrapped = past_midnight([start % SECONDS_OF_DAY for start in starts])
            starts = [start for start in unwrapped if start is not None]
        if all(a < b for a, b in pairwise(starts)):
            return [(start - starts[0]) * _PER_SECOND.get(name, 1.0) for start in starts]
    return [None] * len(groups)
