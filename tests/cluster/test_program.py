"""A worker with another program is found before it computes."""

from __future__ import annotations

import pytest

from mvi_ray.cluster import program
from mvi_ray.cluster.program import Program
from mvi_ray.errors import ClusterError


def _with(versions, **changed):
    return tuple((part, changed.get(part, version)) for part, version in versions)


@pytest.mark.parametrize("engine", ["CR", "DLR"])
def test_the_same_program_may_compute(engine):
    """And says which versions it is made of."""
    here = Program.here(engine)
    here.check()
    parts = [part for part, _ in here.versions]
    assert parts[0] == "mvi-ray"
    assert ("SimpleITK" in parts, "torch" in parts) == (engine == "CR", engine == "DLR")
    assert None not in dict(here.versions).values()


@pytest.mark.parametrize(
    ("engine", "part", "version", "told"),
    [
        ("CR", "SimpleITK", "1.0", "instead of 1.0"),
        ("CR", "trimesh", None, r"instead of \(none\)"),
        ("CR", "parity of fast", "99", "instead of 99"),
        ("CR", "mvi-ray", "0.0.1", "instead of 0.0.1"),
        ("DLR", "torch", "1.0", "instead of 1.0"),
    ],
)
def test_another_version_is_told_with_its_package(engine, part, version, told):
    """Both versions, and the machine; what is equal is not named."""
    here = Program.here(engine)
    other = Program(engine, _with(here.versions, **{part: version}))
    with pytest.raises(ClusterError, match=rf"^\S+ has {part} {dict(here.versions)[part]} {told}$"):
        other.check()


def test_builds_of_torch_for_other_devices_are_one_version(monkeypatch):
    """A head without a GPU may lead machines that have one."""
    found = []
    for installed in ("2.9.0+cpu", "2.9.0+cu128", "2.9.1"):
        monkeypatch.setattr(program, "version", lambda _, installed=installed: installed)
        found.append(dict(program._dlr.__wrapped__())["torch"])
    assert found == ["2.9.0", "2.9.0", "2.9.1"]
