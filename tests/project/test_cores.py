"""How many cores a run is planned for: what the process may use, and nothing for a cluster."""

from __future__ import annotations

import os

import pytest

from mvi_ray.project import cores as module
from mvi_ray.project.cores import planned_cores, usable_cores


@pytest.fixture(autouse=True)
def _free(monkeypatch, tmp_path):
    """Eight cores, no control group, no cluster."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for name in ("_QUOTA", "_QUOTA_1", "_PERIOD_1"):
        monkeypatch.setattr(module, name, tmp_path / name)


def test_a_process_that_is_bound_to_cores_has_these(monkeypatch):
    """The machine may have many more; where nobody can be bound all are taken."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert usable_cores() == 8
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == 64


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8), ("damaged", 8)],
)
def test_a_container_has_whole_cores_of_its_share(tmp_path, quota, cores):
    """Control groups of version 2: microseconds in each period."""
    (tmp_path / "_QUOTA").write_text(f"{quota}\n")
    assert usable_cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("300000", 3), ("-1", 8)])
def test_control_groups_of_version_1_are_heard_too(tmp_path, quota, cores):
    """A negative share is none."""
    (tmp_path / "_QUOTA_1").write_text(f"{quota}\n")
    (tmp_path / "_PERIOD_1").write_text("100000\n")
    assert usable_cores() == cores


def test_a_flag_goes_first_and_a_cluster_s_size_is_not_known(monkeypatch):
    """Neither for the flag nor for the variable; `local` is no cluster."""
    assert planned_cores() == 8
    assert planned_cores(3) == 3
    assert planned_cores(3, "local") == 3
    assert planned_cores(3, "10.1.2.3:6379") is None
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert planned_cores() is None
