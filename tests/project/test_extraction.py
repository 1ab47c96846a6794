"""`mvi extract`: only what is missing, kept under its key, failures listed until solved."""

# ruff: noqa: S608 - the queries are put together from names in this file

from __future__ import annotations

import os
import shutil

import pytest
import torch

from mvi_ray.errors import QueryError, StoreError, UsageError
from mvi_ray.project import extraction, forecast
from mvi_ray.project.declarations import declarations

_KEYS = "patient_id, session, phase, lesion, region, reader"
_VALUES = "COLUMNS(lambda c: c NOT IN ('run_id', 'duration_s', 'computed_at'))"
_RUNLESS = """
import sys
from mvi_ray.project import Project
summary = Project(sys.argv[1]).extract()
loaded = {name.split(".")[0] for name in sys.modules}
print(summary.planned, summary.left_out, sorted(loaded & {"ray", "radiomics", "SimpleITK"}))
"""


def _rows(tiny, query):
    return [tuple(row.values()) for row in tiny.open().sql(query).to_pylist()]


def _no_row_comes_twice(tiny):
    for view, key in (("cr", f"{_KEYS}, image_type"), ("dlr", _KEYS), ("features", "patient_id, feature")):
        assert _rows(tiny, f"SELECT {key} FROM {view} GROUP BY ALL HAVING count(*) > 1") == []


def _copy(project, folder):
    return type(project)(shutil.copytree(project.folder, folder / "tiny", dirs_exist_ok=True))


@pytest.fixture(scope="module")
def _cr_once(make_tiny):
    project = make_tiny()
    project.write_study(image_types="original: ", dlr=False)
    project.add("P1")
    project.extract()
    return project


@pytest.fixture
def cr_only(_cr_once, tmp_path):
    """One patient with its original image only, extracted."""
    return _copy(_cr_once, tmp_path)


def test_everything_that_the_study_wants_is_there_after_one_call(extracted):
    """Two patients, two phases, two regions; two image types and an embedding."""
    assert _rows(extracted, "SELECT state, count(*) FROM coverage GROUP BY ALL") == [("complete", 16)]
    per_voi = 14 + 2 * 93 + 512
    assert _rows(extracted, "SELECT patient_id, count(*) FROM features GROUP BY ALL ORDER BY ALL") == [
        ("O'Neil", 4 * per_voi),
        ("P1", 4 * per_voi),
    ]
    names = "('AP_intratumoral_original_glcm_Contrast', 'PP_peritumoral_dlr_000', 'PP_peritumoral_dlr_511')"
    assert _rows(extracted, f"SELECT count(*) FROM features WHERE feature IN {names}") == [(6,)]
    shape = "count(shape_VoxelVolume)"
    assert _rows(extracted, f"SELECT image_type, {shape} FROM cr GROUP BY ALL ORDER BY ALL") == [
        ("log-sigma-3-0-mm-3D", 0),
        ("original", 8),
    ]
    _no_row_comes_twice(extracted)


def test_every_row_points_to_a_feature_set_that_is_there(extracted):
    """Its settings are readable, and it says whether it is current."""
    query = """
        SELECT count(*)
        FROM (FROM cr_all SELECT feature_set_id UNION ALL FROM dlr_all SELECT feature_set_id) AS r
        ANTI JOIN feature_sets AS s ON s.feature_set_id = r.feature_set_id AND s.is_current
    """
    assert _rows(extracted, query) == [(0,)]


def test_a_second_call_plans_nothing_and_does_not_start_ray(extracted, run_python):
    """In a fresh interpreter neither Ray nor an engine is even imported."""
    before = _rows(extracted, "SELECT * FROM raw.table_versions ORDER BY ALL")
    done = run_python(_RUNLESS, str(extracted.folder))
    assert done.stdout == "0 0 []\n", done.stderr
    assert _rows(extracted, "SELECT * FROM raw.table_versions ORDER BY ALL") == before


def test_a_new_image_type_computes_its_own_rows_only(cr_only):
    """The rows that are there keep the run that made them."""
    old = _rows(cr_only, "SELECT DISTINCT run_id FROM cr")
    cr_only.write_study(image_types="original: , square: ", dlr=False)
    assert cr_only.open().status().coverage[0]["partial"] == 1
    summary = cr_only.extract()
    assert (summary.planned, summary.computed, summary.values) == (4, 4, 4 * 93)
    assert _rows(cr_only, "SELECT DISTINCT run_id FROM cr WHERE image_type = 'original'") == old
    assert _rows(cr_only, "SELECT image_type, count(*) FROM cr GROUP BY ALL ORDER BY ALL") == [
        ("original", 4),
        ("square", 4),
    ]
    _no_row_comes_twice(cr_only)


def test_another_binning_computes_everything_anew_and_keeps_the_old(cr_only):
    """`cr` shows the present setting; going back computes nothing."""
    column = "SELECT patient_id, phase, region, firstorder_Entropy FROM cr ORDER BY ALL"
    old = _rows(cr_only, column)
    cr_only.write_study(image_types="original: ", binning="bin_count: 16", dlr=False)
    assert cr_only.extract().computed == 4
    new = _rows(cr_only, column)
    assert len(new) == len(old) == 4
    assert all(a[-1] != b[-1] for a, b in zip(old, new, strict=True))
    assert _rows(cr_only, "SELECT count(*) FROM cr_all") == [(8,)]
    cr_only.write_study(image_types="original: ", dlr=False)
    assert cr_only.extract().planned == 0
    assert _rows(cr_only, column) == old


def test_a_changed_ring_is_made_anew_and_only_its_region_computed(cr_only):
    """The drawn mask stays as it is."""
    query = "SELECT region, voxels, input_digest FROM masks WHERE phase = 'AP' ORDER BY ALL"
    drawn, ring = _rows(cr_only, query)
    cr_only.write_study(image_types="original: ", dlr=False, ring_mm=3)
    summary = cr_only.extract()
    assert (summary.planned, summary.computed, summary.left_out) == (2, 2, 0)
    assert _rows(cr_only, query)[0] == drawn
    changed = _rows(cr_only, query)[1]
    assert changed[1] < ring[1]
    assert changed[2] != ring[2]
    assert _rows(cr_only, "SELECT region, count(*) FROM cr_all GROUP BY ALL ORDER BY ALL") == [
        ("intratumoral", 2),
        ("peritumoral", 2),
    ]


def test_a_new_patient_computes_only_its_own(cr_only):
    """Whatever was there is not touched."""
    cr_only.add("P2")
    assert cr_only.extract().computed == 4
    runs = _rows(
        cr_only, "SELECT patient_id, count(DISTINCT run_id), count(*) FROM cr GROUP BY ALL ORDER BY ALL"
    )
    assert runs == [("P1", 1, 4), ("P2", 1, 4)]
    assert _rows(cr_only, "SELECT count(DISTINCT run_id) FROM cr") == [(2,)]


def test_a_changed_mask_replaces_its_rows(cr_only):
    """Gone from `cr` at ingest, computed at the next call, never there twice."""
    cr_only.write_case("P1", "AP", radius=2.4)
    cr_only.open().ingest(cr_only.write_manifest([("P1", "AP")]))
    assert _rows(cr_only, "SELECT DISTINCT phase FROM cr") == [("PP",)]
    assert _rows(cr_only, "SELECT count(*) FROM cr_all") == [(4,)]
    assert cr_only.extract().computed == 2
    assert _rows(cr_only, "SELECT count(*) FROM cr") == [(4,)]
    assert _rows(cr_only, "SELECT count(*) FROM cr_all") == [(4,)]
    _no_row_comes_twice(cr_only)


def test_a_family_can_be_asked_for_alone(tiny):
    """The other one stays missing, and an unknown one is wrong usage."""
    tiny.write_study(image_types="original: ")
    tiny.add("P1", ["AP"])
    assert tiny.extract(families=["cr"]).computed == 2
    states = "SELECT family, state FROM coverage WHERE phase = 'AP' GROUP BY ALL ORDER BY ALL"
    assert _rows(tiny, states) == [("CR", "complete"), ("DLR", "missing")]
    with pytest.raises(UsageError, match="the study has no family 'MRI'; it has CR, DLR"):
        tiny.extract(families=["MRI"])


def test_the_order_of_the_work_does_not_change_a_value(cr_only, monkeypatch):
    """Every byte of every value is the same when the units come the other way round."""

    def reversed_plan(*args, **options):
        plan = make_plan(*args, **options)
        for units in plan.units.values():
            units.reverse()
        return plan

    make_plan = extraction.make_plan
    first = cr_only.open().sql(f"SELECT {_VALUES} FROM cr ORDER BY ALL")
    shutil.rmtree(cr_only.folder / "store" / "tables" / "cr")
    monkeypatch.setattr(extraction, "make_plan", reversed_plan)
    assert cr_only.extract().computed == 4
    second = cr_only.open().sql(f"SELECT {_VALUES} FROM cr ORDER BY ALL")
    assert first.equals(second)


def test_a_catalog_that_another_run_publishes_meanwhile_changes_no_plan(cr_only, monkeypatch):
    """It began before an edit of the study, and its catalog lacks what the edit asks for."""
    before = declarations(cr_only.open())
    cr_only.write_study(image_types="original: , square: ", dlr=False)

    def make_plan(project, *args, **options):
        project.store.publish(before)
        return planned(project, *args, **options)

    planned = extraction.make_plan
    monkeypatch.setattr(extraction, "make_plan", make_plan)
    summary = cr_only.extract()
    assert (summary.planned, summary.computed, summary.complete, summary.wanted) == (4, 4, 4, 4)
    again = cr_only.extract()
    assert (again.planned, again.complete) == (0, 4)


@pytest.mark.parametrize("cluster", [False, True])
def test_a_run_and_its_dry_run_plan_for_the_same_cores(cr_only, monkeypatch, cluster):
    """Those that the process may use, or of a cluster an unknown number."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    if cluster:
        monkeypatch.setenv("RAY_ADDRESS", "10.1.2.3:6379")
    cores = []

    def make_plan(*args, **options):
        cores.append(options["cores"])
        return planned(*args, **options)

    planned = extraction.make_plan
    for module in (extraction, forecast):
        monkeypatch.setattr(module, "make_plan", make_plan)
    cr_only.open().forecast()
    cr_only.extract()
    assert cores == ([None, None] if cluster else [1, 1])


@pytest.fixture(scope="module")
def _failed_once(make_tiny):
    project = make_tiny()
    project.write_study(image_types="original: ", binning="bin_width: 1", dlr=False)
    project.add("P1", ["AP"], peak=1e5)
    summary = project.extract()
    assert (summary.planned, summary.computed, summary.failed, summary.left_out) == (2, 1, 1, 1)
    return project


@pytest.fixture
def failing(_failed_once, tmp_path):
    """One voxel of the tumour is so bright that the grey levels of its VOI have no end: extracted."""
    return _copy(_failed_once, tmp_path)


_FAILED = "SELECT patient_id, phase, region, family, stage, error FROM quarantine"
_ROW = ("P1", "AP", "intratumoral", "CR", "extract", "ExtractionError")


def test_a_voi_that_fails_is_listed_and_its_siblings_are_committed(failing):
    """With the reason, the way out and a traceback."""
    assert _rows(failing, _FAILED) == [_ROW]
    reason, way_out, trace, attempts = _rows(
        failing, "SELECT reason, way_out, traceback, attempts FROM quarantine"
    )[0]
    assert "grey levels in the VOI" in reason
    assert way_out == "give a `bin_width` larger than 1"
    assert "Traceback" in trace
    assert attempts == 1
    query = "SELECT region, state FROM coverage WHERE phase = 'AP' ORDER BY ALL"
    assert _rows(failing, query) == [("intratumoral", "quarantine"), ("peritumoral", "complete")]


def test_a_failure_is_not_tried_again_until_something_changes(failing):
    """It is counted as left out each time, so that nobody forgets it."""
    again = failing.extract()
    assert (again.planned, again.quarantined, again.left_out) == (0, 1, 1)
    retried = failing.extract(retry_failed=True)
    assert (retried.planned, retried.failed) == (1, 1)
    assert _rows(failing, _FAILED) == [_ROW]


def test_other_settings_are_tried_and_success_clears_the_list(failing):
    """The way out of the message is one."""
    failing.write_study(image_types="original: ", binning="bin_width: 1000", dlr=False)
    summary = failing.extract()
    assert (summary.computed, summary.left_out) == (2, 0)
    assert _rows(failing, _FAILED) == []


def test_another_image_is_tried_and_success_clears_the_list(failing):
    """The digest of image and mask is part of what failed."""
    failing.add("P1", ["AP"])
    summary = failing.extract()
    assert (summary.planned, summary.failed, summary.left_out) == (2, 0, 0)
    assert _rows(failing, _FAILED) == []


def test_another_mask_is_tried_and_success_clears_the_list(failing):
    """Here one without the bright voxel, which falls to the ring: that fails now, the tumour does not."""
    import SimpleITK as sitk

    path = failing.data / "P1-AP-mask-R1.nii.gz"
    mask = sitk.ReadImage(path)
    mask[7, 8, 5] = 0
    sitk.WriteImage(mask, path)
    image = _rows(failing, "SELECT image_digest FROM images WHERE phase = 'AP'")
    failing.open().ingest(failing.manifest)
    assert _rows(failing, "SELECT image_digest FROM images WHERE phase = 'AP'") == image
    summary = failing.extract()
    assert (summary.planned, summary.computed, summary.quarantined) == (2, 1, 0)
    assert _rows(failing, "SELECT region FROM quarantine") == [("peritumoral",)]


def test_going_back_to_settings_that_worked_clears_the_list(cr_only):
    """Nothing is missing then, so nothing has failed."""
    cr_only.write_study(image_types="original: ", binning="bin_width: 0.001", dlr=False)
    assert cr_only.extract().failed == 4
    cr_only.write_study(image_types="original: ", dlr=False)
    summary = cr_only.extract()
    assert (summary.planned, summary.left_out) == (0, 0)
    assert _rows(cr_only, _FAILED) == []


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_stored_file_that_was_damaged_costs_its_own_vois_only(tiny, kind):
    """And ingesting its patient again is the way out that helps."""
    tiny.write_study(image_types="original: ", dlr=False)
    tiny.write_case("P1", "AP", radius=2.8)
    tiny.write_case("P1", "PP")
    tiny.open().ingest(tiny.write_manifest([("P1", "AP"), ("P1", "PP")]))
    path = _rows(tiny, f"SELECT path FROM {kind} WHERE phase = 'AP' LIMIT 1")[0][0]
    (tiny.folder / "store" / path).write_bytes(b"damaged")
    summary = tiny.extract()
    lost = 2 if kind == "images" else 1
    assert (summary.computed, summary.failed) == (4 - lost, lost)
    assert all("ingest its patient again" in way_out for _, _, way_out in summary.failures)
    tiny.open().ingest(tiny.manifest)
    assert tiny.extract(retry_failed=True).left_out == 0


def test_a_ring_that_cannot_be_made_is_listed_beside_other_problems(tiny):
    """The problem of the other phase stays, and both vanish when they are solved."""
    tiny.write_study(image_types="original: ", dlr=False)
    tiny.write_case("P1", "AP", radius=9)
    tiny.write_case("P1", "PP", radius=0.1)
    tiny.open().ingest(tiny.write_manifest([("P1", "AP"), ("P1", "PP")]))
    listed = "SELECT phase, region FROM quarantine WHERE stage = 'ingest' ORDER BY ALL"
    assert _rows(tiny, listed) == [("PP", "-")]
    text = (tiny.folder / "study.yaml").read_text()
    (tiny.folder / "study.yaml").write_text(text.replace("outer_mm: 4", "inner_mm: 40, outer_mm: 45"))
    summary = tiny.extract()
    assert [(p.phase, p.region) for p in summary.problems] == [("AP", "peritumoral")]
    assert (summary.computed, summary.left_out) == (1, 1)
    assert _rows(tiny, listed) == [("AP", "peritumoral"), ("PP", "-")]
    (tiny.folder / "study.yaml").write_text(text)
    assert tiny.extract().left_out == 0
    assert _rows(tiny, listed) == [("PP", "-")]


def test_a_damaged_mask_does_not_stop_the_regions_of_others(tiny):
    """A ring is made from the drawn mask; whose file is damaged is listed."""
    tiny.write_study(image_types="original: ", dlr=False)
    tiny.write_case("P1", "AP", radius=2.8)
    tiny.write_case("P1", "PP")
    tiny.open().ingest(tiny.write_manifest([("P1", "AP"), ("P1", "PP")]))
    path = _rows(tiny, "SELECT path FROM masks WHERE phase = 'AP' AND region = 'intratumoral'")[0][0]
    (tiny.folder / "store" / path).unlink()
    tiny.write_study(image_types="original: ", dlr=False, ring_mm=3)
    summary = tiny.extract()
    assert [(p.phase, p.region) for p in summary.problems] == [("AP", "peritumoral")]
    assert (summary.computed, summary.failed) == (2, 1)


def test_what_was_computed_before_a_stop_is_kept(tiny):
    """Ctrl-C after the first unit: its rows are committed, and the next call does the rest."""
    tiny.write_study(image_types="original: ", dlr=False)
    tiny.add("P1")
    seen = []

    def stop(task, done, total, note="", **_):
        seen.append((task, done, total, note))
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.extract(progress=stop)
    assert seen[-1][3].startswith("2 of 4 VOIs, ")
    assert _rows(tiny, "SELECT count(*) FROM cr") == [(2,)]
    summary = tiny.extract()
    assert (summary.planned, summary.computed) == (2, 2)
    _no_row_comes_twice(tiny)


def test_progress_runs_to_the_end(cr_only):
    """In predicted work, never backwards."""
    cr_only.add("P2")
    steps = []
    cr_only.extract(progress=lambda task, done, total, note="", **_: steps.append((task, done, total, note)))
    done = [step[1] for step in steps]
    assert done == sorted(done)
    assert steps[-1][1] == steps[-1][2]
    assert steps[-1][3].startswith("4 of 4 VOIs, ")


def test_two_commands_at_once_do_not_write_together(tiny):
    """The second one is told so, and nothing is lost."""
    tiny.add("P1", ["AP"])
    with tiny.open().store.locked("ingest"):
        with pytest.raises(StoreError, match="another mvi command is writing to this store"):
            tiny.extract()
        with pytest.raises(StoreError, match="wait for it to end before `mvi ingest`"):
            tiny.open().ingest(tiny.manifest)


def test_regions_are_not_made_under_another_extraction(cr_only):
    """It computes on those of now; what is to be waited for is said."""
    cr_only.write_study(image_types="original: ", dlr=False, ring_mm=3)
    with (
        cr_only.open().store.shared("extract"),
        pytest.raises(StoreError, match=r"2 regions have to be made first, .*wait for it to end before"),
    ):
        cr_only.extract()
    assert cr_only.extract().computed == 2


def test_a_region_known_to_be_impossible_stops_no_second_extraction(tiny):
    """The first one has listed it; the second lists it again and computes the rest."""
    tiny.write_study(image_types="original: ", dlr=False, ring_mm=4)
    tiny.add("P1", ["AP"])
    text = (tiny.folder / "study.yaml").read_text()
    (tiny.folder / "study.yaml").write_text(text.replace("outer_mm: 4", "inner_mm: 40, outer_mm: 45"))
    first = tiny.extract()
    with tiny.open().store.shared("extract"):
        second = tiny.extract()
    assert len(first.problems) == 1
    assert [(p.case, p.reason, p.way_out) for p in second.problems] == [
        (p.case, p.reason, p.way_out) for p in first.problems
    ]
    assert (second.planned, second.left_out) == (0, 1)


def test_a_moved_project_answers_at_once(extracted):
    """Views hold absolute paths; the next question finds them wrong and publishes anew."""
    moved = extracted.folder.with_name("moved – Ümzug")
    extracted.folder.rename(moved)
    extracted.folder = moved
    assert _rows(extracted, "SELECT count(*) FROM cr") == [(16,)]
    assert extracted.extract().planned == 0


def test_a_catalog_that_is_behind_is_published_at_the_next_question(extracted):
    """As after a kill between commit and publishing."""
    catalog = extracted.open().store.catalog
    behind = catalog.read_bytes()
    extracted.add("P3", ["AP"])
    catalog.write_bytes(behind)
    assert _rows(extracted, "SELECT count(*) FROM patients") == [(3,)]


def test_an_edited_study_shows_at_the_next_question(extracted):
    """Coverage is of what the file says now, without another command between."""
    extracted.write_study(image_types="original: , log: {sigma_mm: [3.0]}, square: ")
    found = _rows(extracted, "SELECT DISTINCT expected, state FROM coverage WHERE family = 'CR'")
    assert found == [(3, "partial")]


def test_a_question_before_the_first_ingest_says_what_to_do(tiny):
    """And makes no store."""
    with pytest.raises(StoreError, match="the store is empty; run `mvi ingest` first"):
        tiny.open().sql("SELECT 1")
    with pytest.raises(StoreError, match="the store is empty; run `mvi ingest` first"):
        tiny.open().status()
    assert not (tiny.folder / "store").exists()


def test_a_project_answers_as_arrow_pandas_and_polars(extracted):
    """With bound values; anything else is wrong usage."""
    project = extracted.open()
    query = "SELECT count(*) AS n FROM cr WHERE patient_id = ?"
    assert project.sql(query, ["O'Neil"]).to_pylist() == [{"n": 8}]
    assert project.sql(query, ["O'Neil"], as_="pandas")["n"].tolist() == [8]
    assert project.sql(query, ["O'Neil"], as_="polars")["n"].to_list() == [8]
    with pytest.raises(UsageError, match="as_ is 'arrow', 'pandas' or 'polars'"):
        project.sql(query, ["P1"], as_="list")
    with pytest.raises(QueryError, match="the store is only read"):
        project.sql("DROP VIEW cr")


def test_status_counts_what_the_coverage_says(extracted):
    """In the order of the study; the shape of `--json`."""
    found = extracted.open().status()
    assert (found.patients, found.images, found.synthetic, found.trial_weights) == (2, 4, True, True)
    assert [(r["phase"], r["region"], r["family"]) for r in found.coverage] == [
        (phase, region, family)
        for phase in ("AP", "PP")
        for region in ("intratumoral", "peritumoral")
        for family in ("CR", "DLR")
    ]
    assert all((r["vois"], r["complete"]) == (2, 2) for r in found.coverage)
    assert found.to_json()["quarantine"] == []


def test_rows_of_a_second_reader_are_computed_and_kept_apart(cr_only):
    """They are for comparison, so `cr` does not show them."""
    for phase in ("AP", "PP"):
        cr_only.write_case("P1", phase, reader="R2", radius=2.8)
    cr_only.open().ingest(cr_only.write_manifest([("P1", "AP"), ("P1", "PP")], reader="R2"))
    assert cr_only.extract().computed == 4
    assert _rows(cr_only, "SELECT DISTINCT reader FROM cr") == [("R1",)]
    assert _rows(cr_only, "SELECT reader, count(*) FROM cr_all GROUP BY ALL ORDER BY ALL") == [
        ("R1", 4),
        ("R2", 4),
    ]


def test_a_commit_comes_after_many_vois(tiny, monkeypatch):
    """A kill costs at most what was computed since."""
    from mvi_ray.project import committing

    monkeypatch.setattr(committing, "_COMMIT_VOIS", 2)
    tiny.write_study(image_types="original: ", dlr=False)
    tiny.add("P1")
    commits = []
    commit = committing.Committer.commit

    def counted(self):
        commits.append(len(self._solved))
        commit(self)

    monkeypatch.setattr(committing.Committer, "commit", counted)
    tiny.extract()
    assert commits[:2] == [2, 2]
    # Before Ray ends and after it, with nothing left to do.
    assert not any(commits[2:])


def test_the_variable_for_weights_holds_for_every_command(tiny, tmp_path, monkeypatch):
    """Not only for extract: what is current must not change from one command to the next."""
    from mvi_ray.extract.weights import load_network, resolve

    own = tmp_path / "own.pth"
    torch.save(load_network(resolve("random")).state_dict(), own)
    study = (tiny.folder / "study.yaml").read_text(encoding="utf-8")
    changed = study.replace("weights: random", "weights: elsewhere.pth")
    (tiny.folder / "study.yaml").write_text(changed, encoding="utf-8")
    tiny.add("P1", ["AP"])
    monkeypatch.setenv("MVI_WEIGHTS", str(own))
    assert tiny.extract(families=["DLR"]).computed == 2
    tiny.open().publish()
    assert _rows(tiny, "SELECT count(*) FROM dlr") == [(2,)]
    with pytest.raises(UsageError, match="names weights of its own"):
        tiny.open().extract(weights=own)
