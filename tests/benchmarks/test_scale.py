"""The benchmark of scale: what its figures are computed with, and that it runs at all."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "scale.py"


@pytest.fixture(scope="module")
def efficiency():
    """The function of that name."""
    spec = spec_from_file_location("scale", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.efficiency


def test_even_work_keeps_every_core_busy(efficiency):
    """With a driver that costs nothing."""
    assert efficiency(np.ones(64), 16, 0.0) == 1.0


def test_one_long_unit_lets_the_others_wait(efficiency):
    """Two cores, 4 s and 1 s: the second idles for 3 of 4 s."""
    assert efficiency(np.array([1.0, 4.0]), 2, 0.0) == 5 / 8


def test_a_slow_driver_bounds_the_cores_that_it_can_feed(efficiency):
    """It hands out a unit each 0.1 s: of units of 1 s ten cores are busy at most."""
    assert efficiency(np.ones(1000), 100, 0.1) == pytest.approx(0.1, rel=0.02)


@pytest.mark.slow
def test_it_runs_from_plan_to_figures(tmp_path):
    """With a handful of units."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MVI_", "RAY_"))}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), "--units", "6"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    assert "units 6, VOIs 12, values" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()[-4:]] == ["2", "16", "128", "1000"]
