"""Variants of families, from the study file to the catalog, exports, reports and models."""

# ruff: noqa: S608 - the queries are put together from names in this file

from __future__ import annotations

import shutil

import duckdb
import pyarrow as pa
import pytest

from mvi_ray.errors import ExtractionError, StudyError, UsageError, WeightsError
from mvi_ray.extract import cr
from mvi_ray.matrix.assemble import assemble
from mvi_ray.matrix.cohort import read_cohorts
from mvi_ray.matrix.complete import complete_patients
from mvi_ray.project.declarations import declarations, weights_sources
from mvi_ray.project.exporting import Choice
from mvi_ray.store.declarations import Declarations

_KEYS = "patient_id, session, phase, lesion, region, reader"
_CR_S = "  cr_s: {extends: cr, image_types: {original: , log: {sigma_mm: [2.0, 3.0]}}}\n"
_CR_B = "  cr_b: {extends: cr, bin_count: 16}\n"
_DLR_P = "  dlr_p: {extends: dlr, percentiles: [0, 100]}\n"
_PREFIX = "AP_intratumoral"
_VOIS = 8


def _rows(tiny, query):
    return [tuple(row.values()) for row in tiny.open().sql(query).to_pylist()]


def _write(tiny, *variants, more="", **study):
    """The study of `tiny` with some variants."""
    tiny.write_study(**{"image_types": "original: , log: {sigma_mm: [3.0]}", "more": more, **study})
    file = tiny.folder / "study.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("clinical:\n", "".join(variants) + "clinical:\n", 1), encoding="utf-8")


def _states(tiny):
    query = (
        "SELECT family, present, expected, state FROM coverage WHERE phase = 'AP' GROUP BY ALL ORDER BY ALL"
    )
    return _rows(tiny, query)


_MODELS = """\
models:
  fit:
    both: {families: [cr, cr_b, dlr_p], regions: [intratumoral], phases: [AP]}
"""


@pytest.fixture(scope="module")
def several(make_tiny):
    """Four patients of one image each, every variant complete; not to be changed."""
    tiny = make_tiny()
    _write(tiny, _CR_S, _CR_B, _DLR_P, more=_MODELS)
    clinical = []
    for number, patient in enumerate(("P1", "P2", "P3", "P4")):
        tiny.write_case(patient, "AP")
        site = "AABB"[number]
        clinical.append({"patient_id": patient, "mvi": number % 2, "site": site, "age": 50.0 + number})
    project = tiny.open()
    project.ingest(tiny.write_manifest([(row["patient_id"], "AP") for row in clinical]))
    project.store.tables["clinical"].replace_all(pa.Table.from_pylist(clinical))
    summary = tiny.extract()
    # Of eight VOIs each family; only the sigma of 2 mm is CR_S's own.
    assert (summary.planned, summary.failed) == (5 * _VOIS, 0)
    assert summary.values == _VOIS * ((107 + 93) + 93 + (107 + 93) + 512 + 512)
    return tiny


def test_what_families_share_is_computed_and_stored_once(several):
    """And each of them shows it."""
    assert _rows(several, "SELECT count(*) FROM cr_all") == [(_VOIS * (2 + 1 + 2),)]
    assert _rows(several, "SELECT image_type, count(*) FROM cr GROUP BY ALL ORDER BY ALL") == [
        ("log-sigma-3-0-mm-3D", _VOIS),
        ("original", _VOIS),
    ]
    counts = "SELECT family, count(*), count(DISTINCT image_type) FROM cr_variants GROUP BY ALL ORDER BY ALL"
    assert _rows(several, counts) == [("CR_B", 2 * _VOIS, 2), ("CR_S", 3 * _VOIS, 3)]
    assert _rows(several, "SELECT family, count(*) FROM dlr_variants GROUP BY ALL") == [("DLR_P", _VOIS)]
    shared = f"""
        SELECT count(*) FROM cr JOIN cr_variants AS v USING ({_KEYS}, image_type)
        WHERE v.family = 'CR_S' AND v.run_id = cr.run_id AND v.feature_set_id = cr.feature_set_id
            AND v.glcm_Contrast = cr.glcm_Contrast
    """
    assert _rows(several, shared) == [(2 * _VOIS,)]
    assert several.extract().planned == 0


def test_no_row_of_a_view_comes_twice(several):
    """Not in `cr`, not for one variant, not in `features`."""
    for view, key in (
        ("cr", f"{_KEYS}, image_type"),
        ("cr_variants", f"family, {_KEYS}, image_type"),
        ("dlr_variants", f"family, {_KEYS}"),
        ("features", f"{_KEYS}, feature"),
    ):
        assert _rows(several, f"SELECT {key} FROM {view} GROUP BY ALL HAVING count(*) > 1") == []


def test_families_are_complete_each_for_itself(several):
    """With the rows that it shares."""
    assert _states(several) == [
        ("CR", 2, 2, "complete"),
        ("CR_B", 2, 2, "complete"),
        ("CR_S", 3, 3, "complete"),
        ("DLR", 1, 1, "complete"),
        ("DLR_P", 1, 1, "complete"),
    ]


def test_features_and_the_dictionary_have_variants_as_families(several):
    """Names bear the variant; the dictionary has them without, as for CR."""
    counts = "SELECT family, count(DISTINCT feature) FROM features GROUP BY ALL ORDER BY ALL"
    assert _rows(several, counts) == [
        ("CR", 2 * 200),
        ("CR_B", 2 * 200),
        ("CR_S", 2 * 293),
        ("DLR", 2 * 512),
        ("DLR_P", 2 * 512),
    ]
    names = _rows(several, "SELECT DISTINCT feature FROM features WHERE feature LIKE '%intratumoral%'")
    assert {f"{_PREFIX}_original_glcm_Contrast", f"{_PREFIX}_CR_B_original_glcm_Contrast"} <= {
        n for (n,) in names
    }
    assert {f"{_PREFIX}_dlr_511", f"{_PREFIX}_DLR_P_dlr_511"} <= {n for (n,) in names}
    known = "SELECT family, count(*) FROM feature_dictionary GROUP BY ALL ORDER BY ALL"
    assert _rows(several, known) == [("CR", 200), ("CR_B", 200), ("CR_S", 293), ("DLR", 512), ("DLR_P", 512)]
    defined = """
        SELECT count(*) FROM feature_dictionary AS a JOIN feature_dictionary AS b USING (name)
        WHERE a.family = 'CR' AND b.family = 'CR_B' AND a.definition = b.definition AND a.unit = b.unit
    """
    assert _rows(several, defined) == [(200,)]
    assert _rows(several, "SELECT count(*) FROM feature_statistics WHERE family = 'CR_S' AND is_current") == [
        (2 * 293,)
    ]


def test_an_export_of_a_variant_has_its_columns_and_values(several):
    """By its name in any letters; values are those of the view."""
    project = several.open()
    table = project.wide(Choice(families=["cr_b"], regions=["intratumoral"]))
    assert table.column_names[:3] == ["patient_id", "session", "lesion"]
    assert len(table.column_names) == 3 + 2 * 200  # two phases
    assert all("_intratumoral_CR_B_" in name for name in table.column_names[3:])
    query = """
        SELECT glcm_Contrast AS v FROM cr_variants
        WHERE family = 'CR_B' AND region = 'intratumoral' AND image_type = 'original' ORDER BY patient_id
    """
    found = table.column(f"{_PREFIX}_CR_B_original_glcm_Contrast").to_pylist()
    assert [(v,) for v in found] == _rows(several, query)
    plain = project.wide(Choice(families=["cr"])).column(f"{_PREFIX}_original_glcm_Contrast").to_pylist()
    assert found != plain


def test_an_export_of_everything_has_variants_after_cr_and_dlr(several):
    """In the order of the study; long rows name the family."""
    project = several.open()
    long = project.wide(Choice(long=True))
    families = long.column("family").to_pylist()
    assert list(dict.fromkeys(families)) == ["CR", "DLR", "CR_S", "CR_B", "DLR_P"]
    assert len(families) == _rows(several, "SELECT count(*) FROM features")[0][0]
    assert set(long.column("feature").to_pylist()) == {
        name for (name,) in _rows(several, "SELECT DISTINCT feature FROM features")
    }
    sigma = project.wide(Choice(image_types=["log-sigma-2-0-mm-3D"], families=["cr", "cr_s"]))
    assert all("_CR_S_log-sigma-2-0" in name for name in sigma.column_names[3:])
    with pytest.raises(
        UsageError, match=r"no family 'CR_C' \(did you mean 'CR_.'\?\); there is CR, DLR, CR_S"
    ):
        project.wide(Choice(families=["CR_C"]))


def test_a_model_takes_variants_beside_cr(several):
    """Its columns are in the order of the model; the flow counts the same patients."""
    project = several.open()
    study = project.study
    images = {"CR": ("original", "log-sigma-3-0-mm-3D"), "CR_B": ("original", "log-sigma-3-0-mm-3D")}
    cohorts = read_cohorts(project.store, study)
    made = assemble(project.store, study, "both", cohorts, images).matrix
    assert made.patients == ("P1", "P2", "P3", "P4")
    assert len(made.columns) == 200 + 200 + 512
    assert made.columns[200] == f"{_PREFIX}_CR_B_original_shape_Elongation"
    assert made.columns[-1] == f"{_PREFIX}_DLR_P_dlr_511"
    assert complete_patients(project.store, study, "both", cohorts, images) == set(made.patients)
    exported = project.wide(Choice(model="both"))
    assert exported.column_names == ["patient_id", "cohort", "outcome", *made.columns]
    mean = study.models.model_copy(update={"lesions": "mean"})
    means = assemble(project.store, study.model_copy(update={"models": mean}), "both", cohorts, images).matrix
    assert means.values.tobytes() == made.values.tobytes()


def test_features_know_variants(several):
    """The mean does not depend on the bins: of the two the variant's is told as the duplicate."""
    project = several.open()
    report = project.features(families=["cr_b"])
    assert set(report.table.column("family").to_pylist()) == {"CR_B"}
    assert report.table.num_rows == 2 * 200
    name = f"{_PREFIX}_CR_B_original_firstorder_Mean"
    both = project.features(["*intratumoral*original_firstorder_Mean"]).table.to_pylist()
    assert {row["feature"]: row["duplicate_of"] for row in both} == {
        f"{_PREFIX}_original_firstorder_Mean": None,
        name: f"{_PREFIX}_original_firstorder_Mean",
        f"{_PREFIX}_CR_S_original_firstorder_Mean": f"{_PREFIX}_original_firstorder_Mean",
    }
    one = project.features([name])
    assert one.detail is not None
    assert one.detail.unit == "intensity"
    assert sum(one.detail.counts) == 4
    assert not one.trial_weights
    assert project.features([f"{_PREFIX}_DLR_P_dlr_000"]).trial_weights


def test_drift_compares_groups_in_variants(several):
    """By the rows that a model would have."""
    report = several.open().drift("site = 'A'", "site = 'B'", families=["cr_b", "dlr_p"])
    assert report.patients == (2, 2)
    assert set(report.table.column("family").to_pylist()) == {"CR_B", "DLR_P"}
    name = f"{_PREFIX}_CR_B_original_glcm_Contrast"
    (row,) = [row for row in report.table.to_pylist() if row["feature"] == name]
    query = """
        SELECT median(glcm_Contrast) FROM cr_variants
        WHERE family = 'CR_B' AND region = 'intratumoral' AND image_type = 'original'
            AND patient_id IN ('P1', 'P2')
    """
    assert [(row["median_a"],)] == _rows(several, query)
    assert report.trial_weights


@pytest.fixture
def copied(several, tmp_path):
    """The project of all variants, to be changed."""
    return type(several)(shutil.copytree(several.folder, tmp_path / "tiny"))


def test_a_clean_up_leaves_variants_and_removes_those_taken_out(copied):
    """What a variant shared with CR stays, and its rows stay in `cr_all` until then."""
    assert copied.open().gc().stale == ()
    _write(copied, _CR_S, _DLR_P)
    assert _rows(copied, "SELECT DISTINCT family FROM cr_variants") == [("CR_S",)]
    assert _rows(copied, "SELECT count(*) FROM cr_all") == [(5 * _VOIS,)]
    stale = copied.open().gc().stale
    assert [(one.family, one.rows) for one in stale] == [("CR", _VOIS), ("CR", _VOIS)]
    assert _rows(copied, "SELECT count(*) FROM cr_all") == [(3 * _VOIS,)]
    _write(copied)
    stale = copied.open().gc().stale
    assert sorted((one.family, one.rows) for one in stale) == [("CR", _VOIS), ("DLR", _VOIS)]
    assert _states(copied) == [("CR", 2, 2, "complete"), ("DLR", 1, 1, "complete")]


def test_a_variant_that_comes_back_computes_nothing(copied):
    """Also under another name: a feature set is its content."""
    _write(copied)
    assert copied.extract().planned == 0
    _write(copied, "  other: {extends: cr, bin_count: 16}\n")
    assert copied.extract().planned == 0
    assert _rows(copied, "SELECT DISTINCT family FROM cr_variants") == [("OTHER",)]


def test_an_earlier_state_is_exported_as_it_was(copied):
    """With the variants of then, in their order."""
    before = copied.open().wide(Choice())
    number = str(copied.open().history()[-1].snapshot)
    _write(copied, _CR_B)
    assert copied.open().wide(Choice()).num_columns < before.num_columns
    assert copied.open().wide(Choice(), as_of=number).equals(before)


def test_a_catalog_of_an_earlier_program_is_published_anew(copied):
    """It lacks the views of variants."""
    with duckdb.connect(copied.open().store.catalog) as connection:
        connection.execute("DROP VIEW cr_variants; DROP TABLE raw.catalog_source")
    assert _rows(copied, "SELECT count(*) FROM cr_variants") == [(5 * _VOIS,)]


def test_one_variant_can_be_extracted_alone(tiny):
    """With what it shares; the family that it shares with then computes only the rest."""
    _write(tiny, "  cr_q: {extends: cr, image_types: {original: , square: }}\n", dlr=False)
    tiny.add("P1", ["AP"])
    summary = tiny.extract(families=["cr_q"])
    assert (summary.planned, summary.computed, summary.wanted) == (2, 2, 4)
    assert _states(tiny) == [("CR", 1, 2, "partial"), ("CR_Q", 2, 2, "complete")]
    rest = tiny.extract()
    assert (rest.planned, rest.values) == (2, 2 * 93)
    assert _states(tiny) == [("CR", 2, 2, "complete"), ("CR_Q", 2, 2, "complete")]
    with pytest.raises(UsageError, match="the study has no family 'CR_P'; it has CR, CR_Q"):
        tiny.extract(families=["cr_p"])


def test_a_shared_row_that_failed_is_tried_once_for_each_family(tiny):
    """Nobody knows which row of the first one it was; the other, whose own rows are there, shows it too."""
    lbp = "  cr_l: {extends: cr, image_types: {original: , lbp-2D: }}\n"
    _write(tiny, lbp, image_types="original: ", binning="bin_width: 1", dlr=False)
    tiny.add("P1", ["AP"], peak=1e5)
    summary = tiny.extract()
    assert (summary.planned, summary.computed, summary.failed) == (4, 3, 1)
    assert _rows(tiny, "SELECT family, region FROM quarantine") == [("CR", "intratumoral")]
    again = tiny.extract()
    assert (again.planned, again.failed, again.quarantined) == (1, 1, 0)
    last = tiny.extract()
    assert (last.planned, last.failed, last.quarantined) == (0, 0, 2)
    of_tumour = "WHERE region = 'intratumoral' AND phase = 'AP'"
    states = f"SELECT family, present, state FROM coverage {of_tumour} ORDER BY ALL"
    assert _rows(tiny, states) == [("CR", 0, "quarantine"), ("CR_L", 1, "quarantine")]
    _write(tiny, lbp, image_types="original: ", binning="bin_width: 1000", dlr=False)
    assert tiny.extract().failed == 0
    assert {state for *_, state in _states(tiny)} == {"complete"}


def test_a_variant_gets_what_it_shares_with_a_family_that_failed(tiny, monkeypatch):
    """As for a thin tumour, of which a wide filter leaves nothing: the variant has none."""
    extract_cr = cr.extract_cr

    def refuse(image, mask, settings, phase, wanted):
        if any(name.startswith("log") for name in wanted):
            raise ExtractionError("the filter is wider than the tumour; leave it out")
        return extract_cr(image, mask, settings, phase, wanted)

    monkeypatch.setattr(cr, "extract_cr", refuse)
    _write(tiny, dlr=False)
    tiny.add("P1", ["AP"])
    assert tiny.extract().failed == 2
    plain = "  cr_plain: {extends: cr, image_types: {original: }}\n"
    _write(tiny, plain, dlr=False)
    summary = tiny.extract()
    assert (summary.planned, summary.computed, summary.failed, summary.quarantined) == (2, 2, 0, 2)
    assert _states(tiny) == [("CR", 1, 2, "quarantine"), ("CR_PLAIN", 1, 1, "complete")]
    again = tiny.extract()
    assert (again.planned, again.quarantined) == (0, 2)
    monkeypatch.undo()
    assert tiny.extract(retry_failed=True).failed == 0
    assert _rows(tiny, "SELECT * FROM quarantine") == []


def test_failures_of_a_family_that_left_the_study_are_no_longer_listed(tiny, monkeypatch):
    """Nobody could try them again, or make them go."""

    def refuse(*_):
        raise ExtractionError("no values; look at it")

    monkeypatch.setattr(cr, "extract_cr", refuse)
    _write(tiny, _CR_B, image_types="original: ", dlr=False)
    tiny.add("P1", ["AP"])
    assert tiny.extract().failed == 4
    monkeypatch.undo()
    _write(tiny, _CR_B.replace("cr_b", "cr_c"), image_types="original: ", dlr=False)
    assert tiny.extract(families=["CR_C"]).failed == 0
    assert _rows(tiny, "SELECT DISTINCT family FROM quarantine") == [("CR",)]


def test_a_variant_and_an_import_cannot_have_one_name(copied, tmp_path):
    """Whichever was there first."""
    table = tmp_path / "mine.csv"
    table.write_text("patient_id,phase,a\nP1,AP,0.5\n", encoding="utf-8")
    with pytest.raises(UsageError, match="cr_b is a variant that the study computes; choose another name"):
        copied.open().import_features(table, "cr_b")
    copied.open().import_features(table, "Mine")
    _write(copied, "  mine: {extends: cr, bin_count: 5}\n")
    with pytest.raises(StudyError, match=r"families.mine has the name of a family that was imported; give"):
        copied.extract()


def test_each_family_of_embeddings_has_its_own_weights(tiny, tmp_path, monkeypatch):
    """One file given beside the study stands for the Kinetics weights only."""
    monkeypatch.delenv("MVI_WEIGHTS", raising=False)
    own = tiny.folder / "own.pth"
    own.write_bytes(b"own")
    _write(tiny, _DLR_P, "  dlr_o: {extends: dlr, weights: own.pth}\n")
    found = weights_sources(tiny.open())
    assert {family: one.kind for family, one in found.items()} == {
        "DLR": "random",
        "DLR_P": "random",
        "DLR_O": "file",
    }
    assert found["DLR_O"].path == own
    assert weights_sources(tiny.open(), ("CR",)) == {}
    with pytest.raises(UsageError, match="--weights is given, and the study names weights of its own"):
        weights_sources(tiny.open(), None, own)
    elsewhere = tmp_path / "elsewhere.pth"
    elsewhere.write_bytes(b"elsewhere")
    monkeypatch.setenv("MVI_WEIGHTS", str(elsewhere))
    found = weights_sources(tiny.open(), ("DLR", "DLR_O"))
    assert (found["DLR"].trial, found["DLR_O"].path) == (True, elsewhere)
    _write(
        tiny, "  dlr_k: {extends: dlr, weights: kinetics400}\n", "  dlr_o: {extends: dlr, weights: own.pth}\n"
    )
    assert weights_sources(tiny.open(), ("DLR_O",))["DLR_O"].path == own
    with pytest.raises(WeightsError, match=r"elsewhere.pth is not the published file"):
        weights_sources(tiny.open(), ("DLR_K",))


def test_embeddings_of_a_variant_stay_when_its_weights_are_not_here(copied):
    """Nobody can tell which of them are current; those of other families are not asked about."""
    _write(copied, "  dlr_o: {extends: dlr, weights: gone.pth}\n")
    done = copied.open().gc()
    assert {one.family for one in done.stale} == {"CR"}
    assert "the study's weights are not here" in done.kept[0]
    assert _rows(copied, "SELECT count(*) FROM dlr_all") == [(2 * _VOIS,)]


def test_statements_of_a_study_survive_their_text(several):
    """The order of variants, too; a study without any has the text that it always had."""
    declared = declarations(several.open())
    again = Declarations.of_json(declared.to_json())
    assert again == declared
    assert again.families == ("CR", "DLR", "CR_S", "CR_B", "DLR_P")
    plain = Declarations(
        "s", "d", False, ("AP",), ("r",), ("R1",), {"CR": 1}, (("CR", "AP", "original", "x"),)
    )
    assert plain.to_json() == (
        '{"current": [["CR", "AP", "original", "x"]], "digest": "d", "expected": {"CR": 1}, "filters": {}, '
        '"name": "s", "phases": ["AP"], "readers": ["R1"], "regions": ["r"], "synthetic": false}'
    )
