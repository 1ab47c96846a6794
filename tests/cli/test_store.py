"""`mvi store erase`: it asks first, tells what is left, and says so by its exit code."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MVI = str(Path(sys.executable).with_name("mvi"))


@pytest.fixture
def project(extracted, tmp_path):
    """Two patients whose source files lie elsewhere."""
    shutil.move(extracted.data, tmp_path / "data")
    return extracted


@pytest.fixture
def mvi(project, mvi_inside, tmp_path):
    """Run the command on them in this process."""
    state = str(tmp_path / "state")
    return lambda *args: mvi_inside("-C", project.folder, "store", "erase", *args, XDG_STATE_HOME=state)


@pytest.fixture
def mvi_outside(project, tmp_path):
    """Run the command on them in a process of its own, at a terminal when there is an answer."""
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith(("MVI_", "COLUMNS"))}
    env = {**surroundings, "XDG_STATE_HOME": str(tmp_path / "state")}

    def run(*args, answer=None):
        command = [MVI, "-C", str(project.folder), "store", "erase", *args]
        ours, theirs = pty.openpty()
        try:
            if answer is not None:
                os.write(ours, f"{answer}\n".encode())
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL if answer is None else theirs,
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
                env=env,
            )
        finally:
            os.close(ours)
            os.close(theirs)

    return run


def _rows(project):
    return project.open().sql("FROM cr_all WHERE patient_id = 'P1'").num_rows


def test_it_asks_first(mvi_outside, project):
    """What would go is told; no is the default."""
    done = mvi_outside("P1", answer="")
    assert done.returncode == 2
    assert "Would remove rows, in earlier versions as well: 1 of patients, 2 of images" in done.stdout
    assert "Erase? This cannot be undone." in done.stdout
    assert "error: nothing was removed" in done.stderr
    assert _rows(project) > 0
    done = mvi_outside("P1", answer="y")
    assert done.returncode == 0, done.stderr
    assert "Removed rows, in earlier versions as well: 1 of patients, 2 of images" in done.stdout
    assert "plants of 15 kinds" in done.stdout
    assert "Nothing of the patient is left there." in done.stdout
    assert _rows(project) == 0


def test_without_a_terminal_it_wants_to_be_sure(mvi_outside, project):
    """A script says --yes; nobody could answer."""
    for more in ((), ("--json",)):
        done = mvi_outside("P1", *more)
        assert done.returncode == 2
        assert "nobody can be asked here; add --yes to erase, or --dry-run" in done.stderr
    assert _rows(project) > 0


def test_what_is_left_is_listed_and_ends_with_three(mvi, project):
    """A file of the user is never touched; brackets in its name are no markup."""
    own = project.folder / "[bold] P1.csv"
    own.write_text("patient_id\nP1\n")
    done = mvi("P1", "--yes")
    assert done.returncode == 3
    assert "[bold] P1.csv" in done.stdout
    assert "Traces that are left: 2. Files of yours are never touched" in done.stdout
    assert own.exists()
    own.unlink()
    done = mvi("P1", "--dry-run")
    assert (done.returncode, "Nothing of the patient is left there." in done.stdout) == (0, True)


def test_json_is_one_object_without_the_pseudonym(mvi):
    """It may go into a log."""
    told = mvi("P1", "--dry-run", "--json")
    assert told.returncode == 3
    assert json.loads(told.stdout)["dry_run"] is True
    done = mvi("P1", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert (content["absent"], content["rows"]["cr"], content["proof"]["traces"]) == (True, 8, [])
    assert "P1" not in done.stdout


def test_an_unknown_patient_is_wrong_use(mvi):
    """A slip of the pen must not look like an erasure."""
    done = mvi("P01", "--yes")
    assert done.returncode == 2
    assert "neither a table nor a file of this project names the patient" in done.stderr
