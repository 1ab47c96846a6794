"""Variants: families that take over the settings of another one, and change some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mvi_ray.study.settings import check_name, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mvi_ray.study.settings import Settings

EXTENDS = "extends"
"""The key that names the family, or the variant, whose settings a variant takes over."""

_TAKEN = ("clinical", "imported")
# Of two keys that exclude each other a variant's own replaces the other one.
_EITHER = {"bin_width": "bin_count", "bin_count": "bin_width"}


class Merged(dict[str, Any]):
    """Settings of a variant in full: its own keys over those that it takes over.

    Args:
        kind: ``cr`` or ``dlr``, the family at the end of what it extends.
        settings: by key of the study file.
    """

    def __init__(self, kind: str, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.kind = kind


def merged(written: Mapping[Any, Any], bases: Mapping[str, Settings]) -> dict[str, Merged]:
    """Every variant with its settings in full, in the order of the file.

    A key of the variant replaces the key of what it extends as a whole, also where its value is
    a mapping: ``image_types`` names all image types of the variant.

    Args:
        written: name to what stands under it.
        bases: the families ``cr`` and ``dlr``, as far as the study has them.

    Raises:
        ValueError: a name is none or is taken, or `extends` is missing, unknown or a circle.
    """
    spelt = {"cr": "cr", "dlr": "dlr"}
    for name in written:
        _check(name, written[name], spelt)
        spelt[name.lower()] = name
    # Families that the study does not have cannot be extended.
    known = {key: name for key, name in spelt.items() if key not in ("cr", "dlr") or key in bases}
    return {name: _follow(name, written, bases, known, ()) for name in written}


def _check(name: Any, content: Any, spelt: Mapping[str, str]) -> None:
    """ValueError unless it looks like a variant whose name is free."""
    check_name(name if isinstance(name, str) else str(name))
    first = spelt.get(name.lower())
    if first is not None:
        msg = (
            f"{name!r} and {first!r} are the same name (upper and lower case do not count); "
            f"{'write it in small letters' if first in ('cr', 'dlr') else 'rename one of them'}"
        )
        raise ValueError(msg)
    if name.lower() in _TAKEN:
        msg = f"{name!r} means something else in the store; give the variant another name"
        raise ValueError(msg)
    if not isinstance(content, dict) or EXTENDS not in content:
        msg = (
            f"{name!r} is no family{suggest(name, ('cr', 'dlr'))}; the families are cr and dlr, "
            f"and a variant names what it changes: `{name}: {{extends: cr, bin_width: 10}}`"
        )
        raise ValueError(msg)


def _follow(
    name: str,
    written: Mapping[str, Any],
    bases: Mapping[str, Settings],
    known: Mapping[str, str],
    passed: tuple[str, ...],
) -> Merged:
    """Settings of one variant, from what it extends upwards."""
    own = {key: value for key, value in written[name].items() if key != EXTENDS}
    extended = written[name][EXTENDS]
    base = known.get(extended.lower()) if isinstance(extended, str) else None
    if base is None:
        others = [one for one in known.values() if one != name]
        msg = (
            f"{name} extends {extended!r}, which the study does not have"
            f"{suggest(str(extended), others)}; it has {', '.join(others) or 'none'}"
        )
        raise ValueError(msg)
    if base in (*passed, name):
        circle = [*passed, name][[*passed, name].index(base) :]
        msg = f"{' extends '.join([*circle, base])}, a circle; let one of them extend cr or dlr"
        raise ValueError(msg)
    if base in bases:
        taken = Merged(base, bases[base].model_dump(by_alias=True, exclude_unset=True))
    else:
        taken = _follow(base, written, bases, known, (*passed, name))
    kept = {key: value for key, value in taken.items() if own.get(_EITHER.get(key, "")) is None}
    return Merged(taken.kind, {**kept, **own})
