"""The command in this process: starting another one takes a second, and most tests need none."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from mvi_ray.cli.app import run
from mvi_ray.cli.state import State


@pytest.fixture
def mvi_inside(tmp_path, monkeypatch, capfd):
    """Run the command as `mvi` does, from parsing to the exit code; returns code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(State, "folder", State.folder)
    for name in ("MVI_PROJECT", "MVI_KEY_FILE", "MVI_CPUS", "MVI_WEIGHTS", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["mvi", *map(str, args)])
        capfd.readouterr()
        try:
            run()
            code = 0
        except SystemExit as end:
            code = end.code
        said = capfd.readouterr()
        return SimpleNamespace(returncode=code, stdout=said.out, stderr=said.err)

    return call
