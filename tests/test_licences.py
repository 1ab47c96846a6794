"""Licences of everything that is installed with the package."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

_COPYLEFT = re.compile(r"\b(A?GPL|LGPL|GNU|CC-BY-NC)", re.IGNORECASE)


def _run_time_set(root: str) -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    waiting = [root]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # needed on another platform or Python only
        found[name] = package
        for text in package.requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed.name)
    return found


def _licence(package: Distribution) -> str:
    """Declared licence: the expression, the classifiers, and the first line of the free text."""
    data = package.metadata
    classifiers = [c for c in data.get_all("Classifier") or [] if c.startswith("License")]
    text = (data.get("License") or "").strip().splitlines()
    return " | ".join([data.get("License-Expression") or "", *classifiers, *text[:1]])


def test_no_package_of_the_run_time_set_is_under_a_copyleft_licence() -> None:
    """GPL, LGPL and AGPL do not go into a hospital's closed product."""
    packages = _run_time_set("mvi-ray")
    assert len(packages) > 40
    bad = {name: _licence(p) for name, p in packages.items() if _COPYLEFT.search(_licence(p))}
    assert bad == {}


def test_a_copyleft_licence_would_be_found() -> None:
    """The pattern knows the spellings in use."""
    for text in ("GPL-3.0-or-later", "GNU General Public License v3 (GPLv3)", "LGPLv2+", "AGPL-3.0"):
        assert _COPYLEFT.search(text)
