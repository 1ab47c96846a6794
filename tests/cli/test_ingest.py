"""`mvi ingest --scan` and `--dicom`, `mvi key`: options, exit codes, what is printed, and what never is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from mvi_ray.ingest.pseudonym import pseudonym
from tests.ingest.dicom.writing import IDENTITY
from tests.ingest.proposal.archive import Archive

RULES = "dicom: {phases: {AP: {series_number: 5}, PP: {series_number: 6}}}\n"


@pytest.fixture
def here(tmp_path):
    """An empty directory."""
    place = tmp_path / "here"
    place.mkdir()
    return place


@pytest.fixture
def mvi(here, mvi_inside):
    """Run the command there in this process."""
    return partial(mvi_inside, cwd=here, COLUMNS="200")


@pytest.fixture
def mvi_outside(here):
    """Run the installed command there."""

    def run(*args, **env):
        surroundings = {k: v for k, v in os.environ.items() if not k.startswith(("MVI_", "RAY_", "COLUMNS"))}
        return subprocess.run(
            [str(Path(sys.executable).with_name("mvi")), *map(str, args)],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            cwd=here,
            env={**surroundings, "COLUMNS": "200", **env},
        )

    return run


@pytest.fixture
def archive(tmp_path, tiny):
    """DICOM of two patients with planted identifiers, and a study that knows their series."""
    tiny.write_study(more=RULES)
    made = Archive(tmp_path / "MUELLER_HANS")
    for patient in ("PID4711", "ACC0815"):
        made.images(5, patient=patient)
        made.images(6, patient=patient)
        made.seg(9, patient=patient)
    return made


def _one_line(done, code=2):
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    return done.stderr


def test_scan_writes_a_manifest_that_goes_in(mvi_outside, tiny, tmp_path):
    """The way of a user: propose, read, run the command that is printed."""
    tiny.write_case("P1", "AP")
    tiny.write_case("P1", "PP")
    pattern = "{patient}-{phase}-mask-{reader}.nii.gz"
    done = mvi_outside("-C", tiny.folder, "ingest", "--scan", tiny.data, "--pattern", pattern)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Proposed 2 rows of 1 patient." in done.stdout
    assert "Wrote manifest.csv. Nothing is stored yet." in done.stdout
    assert not (tiny.folder / "store").exists()
    command = done.stdout.strip().splitlines()[-1].split()
    assert command == ["mvi", "-C", str(tiny.folder), "ingest", "manifest.csv"]
    done = mvi_outside(*command[1:])
    assert done.returncode == 0
    assert "Ingested 2 images and 4 masks" in done.stdout


def test_yes_goes_on_at_once(mvi, tiny, tmp_path):
    """The manifest is written all the same; with --json one object tells both."""
    tiny.write_case("P1", "AP")
    tiny.write_case("P1", "PP")
    pattern = "{patient}-{phase}-mask-{reader}.nii.gz"
    done = mvi("-C", tiny.folder, "ingest", "--scan", tiny.data, "--pattern", pattern, "--yes", "--json")
    assert done.returncode == 0
    assert {json.loads(line)["event"] for line in done.stderr.splitlines()} == {"progress"}
    found = json.loads(done.stdout)
    assert (found["images"], found["proposal"]["patients"]) == (2, 1)
    assert (tmp_path / "here" / "manifest.csv").is_file()


def test_row_that_waits_is_exit_code_three(mvi, tiny, tmp_path):
    """It is shown, written with a blank phase, and named when it is ingested."""
    tiny.write_case("P1", "AP")
    (tiny.data / "P1-APX-mask-R1.nii.gz").touch()
    pattern = "{patient}-{phase}-mask-{reader}.nii.gz"
    done = mvi("-C", tiny.folder, "ingest", "--scan", tiny.data, "--pattern", pattern)
    assert done.returncode == 3
    assert "1 of them waits for you" in done.stdout
    assert "the study has no such phase (did you mean 'AP'?)" in done.stdout
    done = mvi("-C", tiny.folder, "ingest", "manifest.csv", "--json")
    assert done.returncode == 3
    errors = [p for p in json.loads(done.stdout)["problems"] if p["severity"] == "error"]
    assert [(p["line"], p["reason"]) for p in errors] == [(3, "phase is blank")]


def test_dry_run_writes_nothing(mvi, archive, tiny, tmp_path):
    """Neither manifest nor store."""
    done = mvi("-C", tiny.folder, "ingest", "--dicom", archive.path, "--trust-ids", "--dry-run")
    assert (done.returncode, "Nothing was written." in done.stdout) == (0, True)
    assert list((tmp_path / "here").iterdir()) == []
    assert not (tiny.folder / "store").exists()


def test_manifest_is_replaced_only_by_force(mvi, archive, tiny, tmp_path):
    """Named by --output."""
    call = ["-C", tiny.folder, "ingest", "--dicom", archive.path, "--trust-ids", "-o", "list.csv"]
    assert mvi(*call).returncode == 0
    assert "list.csv is there already; name another with --output" in _one_line(mvi(*call))
    assert mvi(*call, "--force").returncode == 0


def test_dicom_needs_pseudonyms(mvi, archive, tiny):
    """By default a PatientID is an identity."""
    text = _one_line(mvi("-C", tiny.folder, "ingest", "--dicom", archive.path))
    assert "is an identity; give --crosswalk FILE or --key FILE for pseudonyms, or --trust-ids" in text


@pytest.mark.parametrize("way", ["key", "variable", "crosswalk", "both", "json", "unknown"])
def test_no_identifier_is_printed_or_written(mvi, archive, tiny, tmp_path, way):
    """Planted in names, dates, numbers and descriptions of every file; paths stand in the manifest only."""
    key, crosswalk = tmp_path / "a.key", tmp_path / "crosswalk.csv"
    known = "PID9,P9" if way == "unknown" else "PID4711,P1"
    crosswalk.write_text(f"identifier,patient_id\n{known}\n" + ("" if way == "both" else "ACC0815,P2\n"))
    key.write_text("ab" * 32)
    key.chmod(0o600)
    options = {
        "key": ["--key", key],
        "json": ["--key", key, "--json"],
        "variable": [],
        "crosswalk": ["--crosswalk", crosswalk],
        "unknown": ["--crosswalk", crosswalk],
        "both": ["--key", key, "--crosswalk", crosswalk],
    }[way]
    env = {"MVI_KEY_FILE": str(key)} if way == "variable" else {}
    done = mvi("-C", tiny.folder, "ingest", "--dicom", archive.path, *options, **env)
    assert done.returncode == (3 if way == "unknown" else 0), done.stderr
    hashed = {p: pseudonym(bytes.fromhex("ab" * 32), p) for p in ("PID4711", "ACC0815")}
    named = {
        "crosswalk": {"P1", "P2"},
        "unknown": {"P2"},
        "both": {"P1", hashed["ACC0815"]},
    }.get(way, set(hashed.values()))
    lines = (tmp_path / "here" / "manifest.csv").read_text().splitlines()[1:]
    assert {line.split(",")[0] for line in lines} == named
    cells = [cell for line in lines for cell in line.split(",") if "/" not in cell]
    for text in (done.stdout, done.stderr, *cells):
        assert not [name for name in (*IDENTITY, "0815") if name in text], text
    assert all(name in done.stdout for name in named)


def test_clinical_table_and_manifest_meet_under_pseudonyms(mvi, tiny, tmp_path):
    """The manifest holds pseudonyms already, the table hospital numbers; one call with the key joins them."""
    tiny.write_case("0471", "AP")
    key, clinical = tmp_path / "a.key", tmp_path / "clinical.csv"
    clinical.write_text("patient_id,mvi,site,age,sex\n0471,1,A,61,female\n")
    pattern = "{patient}-{phase}-mask-{reader}.nii.gz"
    call = ["ingest", "--scan", tiny.data, "--pattern", pattern, "--key", key, "--clinical", clinical]
    done = mvi("-C", tiny.folder, *call, "--make-key")
    assert done.returncode == 0, done.stderr
    assert f"ingest manifest.csv --clinical {clinical} --key {key}" in done.stdout
    done = mvi("-C", tiny.folder, "ingest", "manifest.csv", "--clinical", clinical, "--key", key, "--json")
    found = json.loads(done.stdout)
    assert (found["images"], found["clinical"], found["left_out"]) == (1, 1, 0)
    done = mvi(
        "-C", tiny.folder, "sql", "SELECT patient_id, mvi FROM patients JOIN clinical USING (patient_id)"
    )
    assert pseudonym(bytes.fromhex(key.read_text().strip()), "0471") in done.stdout
    assert "0471" not in done.stdout


def test_key_is_written_for_its_owner_and_once(mvi, tiny, tmp_path):
    """And never into a project."""
    done = mvi("key", tmp_path / "a.key")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a.key").read_text().strip() not in done.stdout
    assert "is there already" in _one_line(mvi("key", tmp_path / "a.key"))
    assert "lies inside a project directory" in _one_line(mvi("key", tiny.folder / "a.key"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--scan", "x"], "--scan needs --pattern"),
        (["--scan", "x", "--dicom", "x"], "two ways"),
        (["--scan", "x", "--pattern", "{patient}", "--masks", "x"], "--scan needs --pattern"),
        (["--dicom", "x", "--images", "{patient}"], "--images goes with --scan"),
        (["--pattern", "{patient}"], "--pattern goes with --scan"),
        (["m.csv", "--dicom", "x", "--trust-ids"], "give a manifest, or --scan or --dicom"),
        (["--dicom", "x", "--dry-run", "--yes", "--trust-ids"], "leave one of them out"),
        (["m.csv", "--yes"], "go with --scan or --dicom"),
        (["m.csv", "-o", "x.csv"], "--output and --force are about a proposed manifest"),
        (["m.csv", "--force"], "--output and --force are about a proposed manifest"),
        (["m.csv", "--make-key"], "--make-key needs --key FILE"),
        (["--dicom", "x", "--trust-ids", "--key", "k"], "leave --crosswalk and --key out"),
        (["m.csv", "--key", "absent.key"], "does not exist; write one with `mvi key FILE`"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(mvi_inside, tiny, args, message):
    """One line each, before anything is read."""
    assert message in _one_line(mvi_inside("-C", tiny.folder, "ingest", *args))


def test_patterns_are_checked_before_the_scan(mvi, tiny):
    """A misspelt field gets a suggestion."""
    done = mvi("-C", tiny.folder, "ingest", "--scan", tiny.folder, "--pattern", "{patiend}.nii")
    assert "the field 'patiend' (did you mean 'patient'?)" in _one_line(done)


def test_long_proposal_is_cut_but_not_where_it_waits(mvi, tiny, tmp_path):
    """Forty rows are enough to see a pattern; what needs a person is always shown."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(60):
        (folder / f"P{number:02}_AP.nrrd").touch()
        (folder / f"P{number:02}_AP_m.nrrd").touch()
    (folder / "P59_AP.nii").touch()
    done = mvi("-C", tiny.folder, "ingest", "--scan", folder, "--pattern", "{patient}_{phase}_m.nrrd")
    assert done.returncode == 3
    assert ("P39" in done.stdout, "P40" in done.stdout, "P59" in done.stdout) == (True, False, True)
    assert "… 19 more rows, all of them complete." in done.stdout
